package api

import (
	"bytes"
	"encoding/json"
)

// slots bounds how much goes on at a time.
type slots chan struct{}

func newSlots(most int) slots { return make(slots, most) }

// enter takes a slot and is false when none is free.
func (s slots) enter() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) leave() { <-s }

// marshalLine encodes a value with a newline. HTML is left as it is: nobody reads this as HTML.
func marshalLine(value any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return line.Bytes(), err
}
