package fabric

import (
	"container/heap"

	"meshsim/link"
)

// schedule is a heap of the directions that have packets on their way, by the first arrival of each and,
// where that is equal, by admission.
type schedule []*direction

func (s schedule) Len() int { return len(s) }

func (s schedule) Less(i, j int) bool {
	a, b := s[i].flights.first(), s[j].flights.first()
	if a.arrives != b.arrives {
		return a.arrives < b.arrives
	}
	return a.order < b.order
}

func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push is for container/heap.
func (s *schedule) Push(x any) {
	d := x.(*direction)
	d.place = len(*s)
	*s = append(*s, d)
}

// Pop is for container/heap.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	d := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	d.place = -1
	return d
}

// next is when the first packet arrives.
func (s schedule) next() link.Instant {
	if len(s) == 0 {
		return forever
	}
	return s[0].flights.first().arrives
}

// add puts a packet on its way over d.
func (s *schedule) add(d *direction, p flight) {
	d.flights.push(p)
	if d.place < 0 {
		heap.Push(s, d)
		return
	}
	heap.Fix(s, d.place)
}

// take removes and returns the first packet to arrive, and the direction that it comes over.
func (s *schedule) take() (*direction, flight) {
	d := (*s)[0]
	p := d.flights.pop()
	if d.flights.len() == 0 {
		heap.Pop(s)
	} else {
		heap.Fix(s, 0)
	}
	return d, p
}

// remove takes a whole direction out, if it is in.
func (s *schedule) remove(d *direction) {
	if d.place >= 0 {
		heap.Remove(s, d.place)
	}
}
