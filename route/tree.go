package route

import "math"

// tree leads every server to one destination.
type tree struct {
	next []int32 // by server: the next hop, or -1
}

// label is what a path costs; fewer links win among equal costs.
type label struct {
	cost uint64
	hops int32
}

func (l label) less(m label) bool {
	return l.cost < m.cost || l.cost == m.cost && l.hops < m.hops
}

var unreached = label{cost: math.MaxUint64, hops: math.MaxInt32}

// workspace is what one computation needs besides its result.
type workspace struct {
	labels []label // by server
	queue  queue
}

func newWorkspace(servers int) *workspace {
	return &workspace{labels: make([]label, servers)}
}

// compute runs Dijkstra's algorithm from the destination backwards.
func (t *Table) compute(dst int32, space *workspace) *tree {
	next := make([]int32, len(t.ids))
	for i := range next {
		next[i] = -1
		space.labels[i] = unreached
	}
	space.labels[dst] = label{}
	space.queue = append(space.queue[:0], reached{server: dst})
	for len(space.queue) > 0 {
		at := space.queue.pop()
		if at.label != space.labels[at.server] {
			continue // a better path was found since this one was queued
		}
		t.relax(at, next, space)
	}
	return &tree{next: next}
}

// relax offers the path over a server to all that have a link to it. Whoever shares the best label has it
// before its turn comes, because every link adds a hop; so the lowest next hop wins ties.
func (t *Table) relax(at reached, next []int32, space *workspace) {
	for _, in := range t.into[t.first[at.server]:t.first[at.server+1]] {
		through := label{cost: at.cost + in.cost, hops: at.hops + 1}
		best := &space.labels[in.from]
		switch {
		case through.less(*best):
			*best, next[in.from] = through, at.server
			space.queue.push(reached{label: through, server: in.from})
		case through == *best && at.server < next[in.from]:
			next[in.from] = at.server
		}
	}
}

// reached is a server in the queue with the label it was queued with.
type reached struct {
	label
	server int32
}

// queue is a binary heap, the least label first.
type queue []reached

func (q *queue) push(r reached) {
	*q = append(*q, r)
	heap, i := *q, len(*q)-1
	for i > 0 {
		parent := (i - 1) / 2
		if !r.less(heap[parent].label) {
			break
		}
		heap[i] = heap[parent]
		i = parent
	}
	heap[i] = r
}

func (q *queue) pop() reached {
	heap := *q
	top, last := heap[0], heap[len(heap)-1]
	heap = heap[:len(heap)-1]
	*q = heap
	if len(heap) == 0 {
		return top
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(heap) {
			break
		}
		if child+1 < len(heap) && heap[child+1].less(heap[child].label) {
			child++
		}
		if !heap[child].less(last.label) {
			break
		}
		heap[i] = heap[child]
		i = child
	}
	heap[i] = last
	return top
}
