package exchange

import (
	"errors"

	"go.yaml.in/yaml/v3"
)

// maxComparisons bounds how often the decoder compares keys: it looks for every key of a mapping among all others.
const maxComparisons = 400_000_000

// boundedYAML refuses a document whose keys would take minutes to compare. What is no YAML the decoder refuses better.
func boundedYAML(data []byte) error {
	var document yaml.Node
	if yaml.Unmarshal(data, &document) != nil {
		return nil
	}
	if comparisons(&document) > maxComparisons {
		return errors.New("there are far more keys than a mesh has: lists and mappings of at most 10,000 nodes can be imported at once")
	}
	return nil
}

// comparisons counts those of a node and what is in it; of what an alias stands for, its own.
func comparisons(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		return ownComparisons(n.Alias)
	}
	count := ownComparisons(n)
	for _, inner := range n.Content {
		count += comparisons(inner)
	}
	return count
}

func ownComparisons(n *yaml.Node) int {
	if n.Kind != yaml.MappingNode {
		return 0
	}
	keys := len(n.Content) / 2
	return keys * keys
}
