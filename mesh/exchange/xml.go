package exchange

import (
	"encoding/xml"
	"errors"
	"fmt"
)

// upTo is a list of elements that ends reading when it is too long.
type upTo[T counted] []T

// counted is an element of a list.
type counted interface {
	// most is how many there may be, and what they are called.
	most() (count int, name string)
}

func (graphKey) most() (int, string)  { return maxProperties, "keys" }
func (graphBody) most() (int, string) { return 1, "graphs" }
func (graphNode) most() (int, string) { return MaxServers, "nodes" }
func (graphEdge) most() (int, string) { return MaxLinks, "edges" }
func (graphData) most() (int, string) { return maxProperties, "properties of one element" }

// UnmarshalXML adds an element; it is called for each.
func (l *upTo[T]) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var element T
	if most, name := element.most(); len(*l) == most {
		return tooMany(name, most)
	}
	if err := d.DecodeElement(&element, &start); err != nil {
		return err
	}
	*l = append(*l, element)
	return nil
}

// shallow reads tokens of a file whose elements do not stand too deep in each other: the decoder would remember all that
// are open.
type shallow struct {
	decoder *xml.Decoder
	depth   int
}

// Token implements xml.TokenReader.
func (s *shallow) Token() (xml.Token, error) {
	token, err := s.decoder.RawToken()
	switch token.(type) {
	case xml.StartElement:
		s.depth++
	case xml.EndElement:
		s.depth--
	}
	if s.depth > maxDepth {
		return nil, fmt.Errorf("more than %d elements stand in each other", maxDepth)
	}
	return token, err
}

// atLine says in which line an error is. Those of syntax name a line that counts tokens.
func (s *shallow) atLine(err error) error {
	line, _ := s.decoder.InputPos()
	if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
		err = errors.New(syntax.Msg)
	}
	return fmt.Errorf("line %d: %w", line, err)
}
