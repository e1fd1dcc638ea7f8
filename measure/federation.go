package measure

import (
	"context"
	"errors"
	"fmt"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/talk"
)

// message is what everybody says: 35 characters, as in the original's measurements.
const message = "35 characters of a message, exactly"

// federation measures the steps of a homeserver, in a world of its own for each size of room: what servers know of each
// other from one room would make the next one cheaper.
func (t *trial) federation(ctx context.Context) error {
	for _, members := range t.config.Rooms {
		if err := t.room(ctx, members); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) room(ctx context.Context, members int) (err error) {
	if ctx.Err() != nil {
		return nil
	}
	t.config.Step(t.transport, fmt.Sprintf("making a room of %d", members-1))
	w, err := newWorld(ctx, t.config, t.transport, members)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	var others []int
	for id := measured + 1; id < members; id++ {
		others = append(others, id)
	}
	room, err := w.talk.Create(ctx, talk.NewRoom{Name: "a room", Creator: hub})
	if err != nil {
		return err
	}
	if err := w.join(ctx, room.ID, others); err != nil {
		return err
	}
	wire, err := watch(w.fabric, fabric.LinkID(node.FabricLink(hub, measured)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, wire.close()) }()
	t.conversation(ctx, w, wire, room.ID, members)
	return nil
}

// conversation is what the measured server does in a room.
func (t *trial) conversation(ctx context.Context, w *world, wire *wire, room string, members int) {
	alone := members == 2
	size := fmt.Sprintf("room of %d: ", members)
	t.step(ctx, wire, size+"join", alone, func(ctx context.Context) error {
		return w.join(ctx, room, []int{measured})
	})
	if t.failed(size + "join") {
		return
	}
	say := func(ctx context.Context) error { return w.say(ctx, room, message, members-1) }
	t.step(ctx, wire, size+"first message to all", alone, say)
	t.step(ctx, wire, size+"next message to all", alone, say)
}

func (t *trial) failed(step string) bool {
	for _, row := range t.report.Rows {
		if row.Step == step {
			return row.Cost[t.transport].Failure != ""
		}
	}
	return true
}
