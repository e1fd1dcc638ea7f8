package route

// index finds a server's place among the ids of a table. Ids count up from 0 and are mostly in use, so a
// slice is enough; only when most of them are gone is a map smaller.
type index struct {
	dense  []int32 // by id: the place + 1, 0 for none
	sparse map[int]int32
}

// sparseFactor is how many ids there may be for each one in use before a map is taken.
const sparseFactor = 64

// newIndex indexes ids that are in order and not negative.
func newIndex(ids []int) index {
	if len(ids) == 0 {
		return index{}
	}
	if highest := ids[len(ids)-1]; highest < sparseFactor*len(ids) {
		dense := make([]int32, highest+1)
		for i, id := range ids {
			dense[id] = int32(i) + 1
		}
		return index{dense: dense}
	}
	sparse := make(map[int]int32, len(ids))
	for i, id := range ids {
		sparse[id] = int32(i)
	}
	return index{sparse: sparse}
}

func (x *index) of(id int) (int32, bool) {
	if x.sparse != nil {
		i, ok := x.sparse[id]
		return i, ok
	}
	if id < 0 || id >= len(x.dense) || x.dense[id] == 0 {
		return 0, false
	}
	return x.dense[id] - 1, true
}
