package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Files come from strangers. So that none takes minutes or gigabytes, lists are counted while they are read, and not
// when they are in memory.
const (
	// maxValues bounds the values of a YAML file, of which the decoder keeps some 200 bytes each.
	maxValues = 2_000_000
	// maxComparisons bounds how often the YAML decoder compares keys: it looks for every key of a mapping among all others.
	maxComparisons = 400_000_000
	// maxElement bounds what is said of one node or link in JSON, in bytes.
	maxElement = 64 << 10
	// maxProperties bounds the declared properties of GraphML and those of one element: each is looked for among the others.
	maxProperties = 256
	// maxDepth bounds how deep elements of GraphML stand in each other.
	maxDepth = 100
)

// patient is a reader that fails once its context ends: decoders ask it for a few kilobytes at a time.
type patient struct {
	ctx context.Context
	io.Reader
}

// newPatient reads from data.
func newPatient(ctx context.Context, data []byte) patient { return patient{ctx, bytes.NewReader(data)} }

func (p patient) Read(into []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.Reader.Read(into)
}

// boundedYAML refuses a document that would take minutes or gigabytes to decode. What is no YAML the decoder refuses better.
func boundedYAML(ctx context.Context, data []byte) error {
	if mostValues(data) > maxValues {
		return errors.New("there are far more values than a mesh has: import fewer nodes and links at once")
	}
	var document yaml.Node
	if err := yaml.NewDecoder(newPatient(ctx, data)).Decode(&document); err != nil {
		return ctx.Err()
	}
	if comparisons(&document) > maxComparisons {
		return errors.New("there are far more keys than a mesh has: lists and mappings of at most 10,000 nodes can be imported at once")
	}
	return nil
}

// mostValues is how many values a YAML text has at the most: before each, the first excepted, stands one of these.
func mostValues(data []byte) int {
	count := 1
	for _, b := range data {
		switch b {
		case '\n', ',', ':', '[', '{', '-', '?':
			count++
		}
	}
	return count
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

func tooMany(what string, most int) error {
	return fmt.Errorf("there are more than %d %s: at most %[1]d can be imported at once", most, what)
}
