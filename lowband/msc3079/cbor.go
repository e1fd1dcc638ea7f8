package msc3079

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"

	"github.com/fxamacker/cbor/v2"

	"meshsim/lowband/shorthand"
)

// Version is the version of the tables of keys and paths.
const Version = 1

// Codec turns JSON into CBOR with integer keys and back. It is safe for concurrent use.
type Codec struct {
	names   []string // by number; 0 is unused
	numbers map[string]uint64
	enc     cbor.EncMode
	dec     cbor.DecMode
}

// What a peer's CBOR may have; its length is bounded by the transport.
const (
	maxNesting  = 64
	maxElements = 1 << 20
)

// NewCodec makes a Codec.
func NewCodec() (*Codec, error) {
	enc, err := cbor.CanonicalEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	dec, err := cbor.DecOptions{
		MaxNestedLevels: maxNesting, MaxArrayElements: maxElements, MaxMapPairs: maxElements, DupMapKey: cbor.DupMapKeyEnforcedAPF,
		TimeTagToAny: cbor.TimeTagToRFC3339,
	}.DecMode()
	if err != nil {
		return nil, err
	}
	c := &Codec{names: append([]string{""}, shorthand.StandardKeys()...), numbers: map[string]uint64{}, enc: enc, dec: dec}
	for i, name := range c.names[1:] {
		c.numbers[name] = uint64(i + 1)
	}
	return c, nil
}

// FromJSON writes a JSON value as canonical CBOR (RFC 7049, section 3.9), with integer keys if numbered.
func (c *Codec) FromJSON(text []byte, numbered bool) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("msc3079: a body is not JSON: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("msc3079: there is data behind the JSON")
	}
	tree, err := c.toCBOR(v, numbered)
	if err != nil {
		return nil, err
	}
	return c.enc.Marshal(tree)
}

func (c *Codec) toCBOR(v any, numbered bool) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		return number(v)
	case []any:
		for i := range v {
			if v[i], err = c.toCBOR(v[i], numbered); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		m := make(map[any]any, len(v))
		for name, value := range v {
			var key any = name
			if n, ok := c.numbers[name]; ok && numbered {
				key = n
			}
			if m[key], err = c.toCBOR(value, numbered); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return v, nil
}

// number is an integer where the text is one: CBOR tells them from floats.
func number(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	if i, ok := new(big.Int).SetString(n.String(), 10); ok && len(n) < 30 {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, fmt.Errorf("msc3079: the number %s is out of range", n)
	}
	return f, nil
}

// numbered tells whether an item has integer keys.
func (c *Codec) numbered(item []byte) bool {
	_, numbered, _ := c.ToJSON(item)
	return numbered
}

// ToJSON reads CBOR. numbered tells whether there were integer keys in it.
func (c *Codec) ToJSON(item []byte) (text []byte, numbered bool, err error) {
	var v any
	if err := c.dec.Unmarshal(item, &v); err != nil {
		return nil, false, fmt.Errorf("msc3079: a body is not CBOR: %w", err)
	}
	tree, err := c.toJSON(v, &numbered)
	if err != nil {
		return nil, false, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(tree); err != nil {
		return nil, false, fmt.Errorf("msc3079: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), numbered, nil
}

func (c *Codec) toJSON(v any, numbered *bool) (any, error) {
	var err error
	switch v := v.(type) {
	case nil, bool, string, int64, uint64, big.Int, *big.Int:
		return v, nil
	case float64:
		const exact = 1 << 53
		if v == math.Trunc(v) && math.Abs(v) < exact {
			return int64(v), nil // so that what comes back is the same again, -0 included
		}
		return v, nil
	case []byte: // RFC 8949, section 6.1
		return base64.RawURLEncoding.EncodeToString(v), nil
	case cbor.Tag:
		return c.toJSON(v.Content, numbered)
	case []any:
		for i := range v {
			if v[i], err = c.toJSON(v[i], numbered); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[any]any:
		return c.object(v, numbered)
	}
	return nil, fmt.Errorf("msc3079: JSON has nothing for %v of type %T", v, v)
}

// object gives keys their names. Where a key is there as a name and as a number, the name counts (MSC3079).
func (c *Codec) object(m map[any]any, numbered *bool) (map[string]any, error) {
	out := make(map[string]any, len(m))
	for key, value := range m {
		converted, err := c.toJSON(value, numbered)
		if err != nil {
			return nil, err
		}
		switch key := key.(type) {
		case string:
			out[key] = converted
		case uint64:
			if key == 0 || key >= uint64(len(c.names)) {
				return nil, fmt.Errorf("msc3079: key %d is not in version %d of the table", key, Version)
			}
			*numbered = true
			if _, named := m[c.names[key]]; !named {
				out[c.names[key]] = converted
			}
		default:
			return nil, fmt.Errorf("msc3079: a key is %v, of type %T: it must be a text or a number", key, key)
		}
	}
	return out, nil
}
