package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/link"
)

// Bandwidth is a rate in bit/s, [link.MinRate] to [link.MaxRate], or the string "unlimited". The number 0 is refused,
// because in this program's own types it means unlimited and a reader would take it for none.
type Bandwidth int64

const (
	unlimited     = "unlimited"
	bandwidthRule = `a whole number of bit/s from 100 to 1000000000000, or "unlimited"`
)

// MarshalJSON writes the number, or "unlimited".
func (b Bandwidth) MarshalJSON() ([]byte, error) {
	if link.BitRate(b) == link.Unlimited {
		return []byte(`"` + unlimited + `"`), nil
	}
	return strconv.AppendInt(nil, int64(b), 10), nil
}

// UnmarshalJSON accepts what MarshalJSON writes.
func (b *Bandwidth) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	if string(data) == `"`+unlimited+`"` {
		*b = Bandwidth(link.Unlimited)
		return nil
	}
	var number float64
	if err := json.Unmarshal(data, &number); err != nil {
		return fmt.Errorf("%s is no bandwidth: it must be %s", data, bandwidthRule)
	}
	rate, err := bandwidthOf(number)
	if err != nil {
		return err
	}
	*b = rate
	return nil
}

// Schema describes the type in the OpenAPI document; requests are checked against it.
func (Bandwidth) Schema(huma.Registry) *huma.Schema {
	least, most := float64(link.MinRate), float64(link.MaxRate)
	return &huma.Schema{
		Description: "A rate: " + bandwidthRule + ".",
		OneOf: []*huma.Schema{
			{Type: huma.TypeInteger, Format: "int64", Minimum: &least, Maximum: &most},
			{Type: huma.TypeString, Enum: []any{unlimited}},
		},
	}
}

func bandwidthOf(number float64) (Bandwidth, error) {
	if number < float64(link.MinRate) || number > float64(link.MaxRate) || number != math.Trunc(number) || math.IsNaN(number) {
		return 0, fmt.Errorf("%v is no bandwidth: it must be %s", number, bandwidthRule)
	}
	return Bandwidth(number), nil
}
