package stateres

import (
	"iter"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// State is an immutable room state: a map from event.Key to event id. The zero value is empty. Copies are one
// pointer; With shares all but O(log n) nodes with the original, so that a process can keep one State per
// event for a thousand servers. It is safe for concurrent use.
//
// Inside is a treap ordered by key whose priorities are hashes of the keys: equal states have equal shapes,
// whatever their history, and subtree fingerprints make Equal and Diff skip what is shared.
type State struct{ root *treeNode }

type treeNode struct {
	key         event.Key
	id          matrix.EventID
	left, right *treeNode
	priority    uint64
	entry       uint64 // hash of key and id
	sum         uint64 // of the entries of this subtree
	size        int
}

// Len is the number of entries.
func (s State) Len() int { return s.root.len() }

func (n *treeNode) len() int {
	if n == nil {
		return 0
	}
	return n.size
}

func (n *treeNode) fingerprint() uint64 {
	if n == nil {
		return 0
	}
	return n.sum
}

// Get finds the event at a place of the state.
func (s State) Get(key event.Key) (matrix.EventID, bool) {
	for n := s.root; n != nil; {
		switch order := key.Compare(n.key); {
		case order < 0:
			n = n.left
		case order > 0:
			n = n.right
		default:
			return n.id, true
		}
	}
	return "", false
}

// With returns the state with one entry set.
func (s State) With(key event.Key, id matrix.EventID) State {
	if old, found := s.Get(key); found && old == id {
		return s
	}
	priority := hashKey(key)
	fresh := &treeNode{key: key, id: id, priority: priority, entry: hashEntry(priority, id)}
	return State{insert(s.root, fresh)}
}

// insert returns a tree that holds fresh; it copies the path to it. fresh has no children yet.
func insert(n, fresh *treeNode) *treeNode {
	if n == nil {
		return fresh.update()
	}
	order := fresh.key.Compare(n.key)
	if order == 0 {
		fresh.left, fresh.right = n.left, n.right
		return fresh.update()
	}
	if above(fresh, n) {
		fresh.left, fresh.right = split(n, fresh.key)
		return fresh.update()
	}
	c := *n
	if order < 0 {
		c.left = insert(n.left, fresh)
	} else {
		c.right = insert(n.right, fresh)
	}
	return c.update()
}

// Without returns the state with one place empty.
func (s State) Without(key event.Key) State {
	if _, found := s.Get(key); !found {
		return s
	}
	return State{remove(s.root, key)}
}

// remove returns a tree without the key, which it must hold.
func remove(n *treeNode, key event.Key) *treeNode {
	order := key.Compare(n.key)
	if order == 0 {
		return merge(n.left, n.right)
	}
	c := *n
	if order < 0 {
		c.left = remove(n.left, key)
	} else {
		c.right = remove(n.right, key)
	}
	return c.update()
}

// merge joins two trees; all keys of a are below those of b.
func merge(a, b *treeNode) *treeNode {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case above(a, b):
		c := *a
		c.right = merge(a.right, b)
		return c.update()
	}
	c := *b
	c.left = merge(a, b.left)
	return c.update()
}

// above tells whether a stands nearer to the root than b: by priority, ties by key.
func above(a, b *treeNode) bool {
	if a.priority != b.priority {
		return a.priority > b.priority
	}
	return a.key.Compare(b.key) < 0
}

// split parts a tree that does not hold the key into what is below and above it.
func split(n *treeNode, key event.Key) (below, rest *treeNode) {
	if n == nil {
		return nil, nil
	}
	c := *n
	if key.Compare(n.key) < 0 {
		below, c.left = split(n.left, key)
		return below, c.update()
	}
	c.right, rest = split(n.right, key)
	return c.update(), rest
}

// update recomputes what depends on the children. It is called before a node is published.
func (n *treeNode) update() *treeNode {
	n.size = 1 + n.left.len() + n.right.len()
	n.sum = n.entry + n.left.fingerprint() + n.right.fingerprint()
	return n
}

func hashKey(key event.Key) uint64 {
	const offset = 0xcbf29ce484222325
	h := fnv1a(offset, key.Type)
	h = fnv1a(h, "\x00")
	return mix(fnv1a(h, key.StateKey))
}

func hashEntry(keyHash uint64, id matrix.EventID) uint64 { return mix(fnv1a(keyHash, string(id))) }

// fnv1a continues an FNV-1a hash without the allocation of hash/fnv.
func fnv1a(h uint64, s string) uint64 {
	const prime = 0x100000001b3
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}

// mix spreads the bits of an FNV hash (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// All walks the entries in order of type, then state key.
func (s State) All() iter.Seq2[event.Key, matrix.EventID] {
	return func(yield func(event.Key, matrix.EventID) bool) { s.root.walk(yield) }
}

func (n *treeNode) walk(yield func(event.Key, matrix.EventID) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.id) && n.right.walk(yield)
}

// OfType walks the entries of one event type in order of state key, without visiting others.
func (s State) OfType(kind string) iter.Seq2[string, matrix.EventID] {
	return func(yield func(string, matrix.EventID) bool) { s.root.walkType(kind, yield) }
}

func (n *treeNode) walkType(kind string, yield func(string, matrix.EventID) bool) bool {
	switch {
	case n == nil:
		return true
	case n.key.Type < kind:
		return n.right.walkType(kind, yield)
	case n.key.Type > kind:
		return n.left.walkType(kind, yield)
	}
	return n.left.walkType(kind, yield) && yield(n.key.StateKey, n.id) && n.right.walkType(kind, yield)
}

// Fingerprint is a 64-bit hash of the content: equal states have equal fingerprints on every machine.
// It withstands accidents, not attackers.
func (s State) Fingerprint() uint64 { return s.root.fingerprint() }

// Equal tells whether two states have the same entries.
func (s State) Equal(other State) bool {
	if s.root == other.root {
		return true
	}
	if s.Len() != other.Len() || s.Fingerprint() != other.Fingerprint() {
		return false
	}
	for range s.Diff(other) {
		return false
	}
	return true
}

// Change is one difference between two states; an id is "" where the entry is missing.
type Change struct {
	Key           event.Key
	Before, After matrix.EventID
}

// Diff walks what changes from s to other, in order of the keys. Shared parts are skipped.
func (s State) Diff(other State) iter.Seq[Change] {
	return func(yield func(Change) bool) { diff(s.root, other.root, yield) }
}

func diff(a, b *treeNode, yield func(Change) bool) bool {
	switch {
	case a == b:
		return true
	case a == nil:
		return b.walk(func(key event.Key, id matrix.EventID) bool { return yield(Change{Key: key, After: id}) })
	case b == nil:
		return a.walk(func(key event.Key, id matrix.EventID) bool { return yield(Change{Key: key, Before: id}) })
	case a.key == b.key:
		if !diff(a.left, b.left, yield) {
			return false
		}
		if a.id != b.id && !yield(Change{Key: a.key, Before: a.id, After: b.id}) {
			return false
		}
		return diff(a.right, b.right, yield)
	case above(a, b):
		below, rest := split(b, a.key)
		return diff(a.left, below, yield) &&
			yield(Change{Key: a.key, Before: a.id}) && diff(a.right, rest, yield)
	}
	below, rest := split(a, b.key)
	return diff(below, b.left, yield) && yield(Change{Key: b.key, After: b.id}) && diff(rest, b.right, yield)
}
