package homeserver

import (
	"container/heap"
	"slices"
)

// maxIntroduced is how many events a newcomer is sent at most, and maxBeside how many are looked at to find them.
const (
	maxIntroduced = 200
	maxBeside     = 2000
)

// introduceLocked sends a server that has just joined the branches of the graph that its join does not follow
// on: what came between make_join and send_join, and what the template left out of a wide graph, went to the
// servers that were in the room then. The newcomer would not learn of it before somebody refers to it, and would
// then have to ask.
func (s *Server) introduceLocked(r *room, origin string, joined *node) {
	if s.cfg.Outbox == nil {
		return
	}
	for _, n := range r.besideLocked(joined) {
		if string(n.pdu.Sender().Server()) != origin {
			s.cfg.Outbox.Enqueue(s.formForLocked(r, n, origin), []string{origin})
		}
	}
}

// besideLocked returns the events that are neither before nor after an event, those behind others first. It walks
// the graph backwards from its extremities, in order of depth, until only what lies before the event is left.
func (r *room) besideLocked(n *node) []*node {
	w := walk{before: map[*node]bool{}}
	w.meet(n, true)
	for _, e := range r.extremities {
		w.meet(e, false)
	}
	var beside []*node
	for looked := 0; w.open > 0 && looked < maxBeside; looked++ {
		top := heap.Pop(&w).(*node)
		before := w.before[top]
		if !before {
			w.open--
		}
		if !before && !top.is(rejected|softFailed) && len(beside) < maxIntroduced {
			beside = append(beside, top)
		}
		for _, id := range top.pdu.PrevEvents() {
			if prev := r.placedLocked(id); prev != nil {
				w.meet(prev, before)
			}
		}
	}
	slices.Reverse(beside)
	return beside
}

// walk is a heap of nodes, the deepest first. An event is deeper than those before it, so that a node is popped
// when all that follows on it has been.
type walk struct {
	nodes  []*node
	before map[*node]bool // all nodes met: whether they lie before the event in question, or are it
	open   int            // nodes of the heap that do not
}

// meet notes that a node was reached.
func (w *walk) meet(n *node, before bool) {
	known, met := w.before[n]
	w.before[n] = known || before
	switch {
	case !met:
		heap.Push(w, n)
		if !before {
			w.open++
		}
	case before && !known:
		w.open--
	}
}

// Len implements heap.Interface.
func (w *walk) Len() int { return len(w.nodes) }

// Less implements heap.Interface.
func (w *walk) Less(i, j int) bool { return byDepth(w.nodes[j].pdu, w.nodes[i].pdu) < 0 }

// Swap implements heap.Interface.
func (w *walk) Swap(i, j int) { w.nodes[i], w.nodes[j] = w.nodes[j], w.nodes[i] }

// Push implements heap.Interface.
func (w *walk) Push(x any) { w.nodes = append(w.nodes, x.(*node)) }

// Pop implements heap.Interface.
func (w *walk) Pop() any {
	last := w.nodes[len(w.nodes)-1]
	w.nodes = w.nodes[:len(w.nodes)-1]
	return last
}
