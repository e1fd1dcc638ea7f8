package talk

import "context"

// slots bounds the joins that are under way. One takes a slot for every 250 members that the room has already: it is
// answered with all of them, and whoever lets it in tells all of them of it. So however large a room grows, no more
// is in flight than a machine can do before somebody gives up waiting and asks again, which would make it even more.
type slots struct {
	door chan struct{} // holds a value while somebody takes slots
	used chan struct{} // one value for each slot that is taken
}

// membersPerSlot is how many members of a room one slot is for.
const membersPerSlot = 250

func newSlots(n int) slots { return slots{make(chan struct{}, 1), make(chan struct{}, n)} }

// take waits for the slots of a join. members says how many the room has when it is the join's turn.
func (s slots) take(ctx context.Context, members func() int) (release func(), err error) {
	taken := 0
	release = func() {
		for range taken {
			<-s.used
		}
	}
	select {
	case s.door <- struct{}{}:
		defer func() { <-s.door }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for want := min(1+members()/membersPerSlot, cap(s.used)); taken < want; taken++ {
		select {
		case s.used <- struct{}{}:
		case <-ctx.Done():
			release()
			return nil, ctx.Err()
		}
	}
	return release, nil
}
