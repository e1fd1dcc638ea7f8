package clientapi

import "slices"

// roomState lists the room's state.
func roomState(c *call) (any, error) {
	room, state, err := c.server.StateFor(c.user(), c.vars["roomId"])
	if err != nil {
		return nil, err
	}
	return c.presenter(room).all(slices.Collect(state.All())), nil
}

// getState returns one state event: its content, or with format=event all of it.
func getState(c *call) (any, error) {
	room, state, err := c.server.StateFor(c.user(), c.vars["roomId"])
	if err != nil {
		return nil, err
	}
	pdu := state.Get(c.vars["eventType"], c.vars["stateKey"])
	if pdu == nil {
		return nil, notFound("the room has no state event %s with the key %q", c.vars["eventType"], c.vars["stateKey"])
	}
	switch format := c.query("format"); format {
	case "", "content":
		return pdu.Content(), nil
	case "event":
		return c.presenter(room).event(pdu), nil
	default:
		return nil, invalid("format=%s: must be content or event", format)
	}
}
