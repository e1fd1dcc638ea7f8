package link

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The rates a link may have besides [Unlimited]. The lower bound keeps the longest queue (see
// [MaxQueueLimit]) within an [Instant]; the upper bound is beyond what the emulator can carry.
const (
	MinRate BitRate = 100
	MaxRate BitRate = 1e12
)

// unlimitedText is how Unlimited is written.
const unlimitedText = "unlimited"

// rateUnit is a suffix of a rate, in lower case, and what it multiplies by.
type rateUnit struct {
	suffix string
	factor float64
}

// rateUnits are tc's units of bits per second (man tc, "RATES"): SI and IEC. A bare number is in bit/s.
var rateUnits = []rateUnit{
	{"kibit", 1 << 10}, {"mibit", 1 << 20}, {"gibit", 1 << 30}, {"tibit", 1 << 40},
	{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"tbit", 1e12},
	{"bit", 1}, {"", 1},
}

// A RateError says why a text is no rate.
type RateError struct {
	Text   string
	Reason string
}

func (e *RateError) Error() string {
	return fmt.Sprintf("rate %q: %s; write e.g. 250kbit, 1.5Mbit or unlimited", e.Text, e.Reason)
}

// ParseBitRate reads a rate as tc writes it: "250kbit", "1.5Mbit", "2Gibit", "9600" (bit/s), or
// "unlimited". Upper and lower case are the same. Rates below [MinRate] (0 included) or above [MaxRate] are
// refused, and so is tc's "bps", which means bytes there and bits everywhere else. Errors are *[RateError].
func ParseBitRate(s string) (BitRate, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	if text == unlimitedText {
		return Unlimited, nil
	}
	if strings.HasSuffix(text, "bps") {
		return 0, &RateError{s, "bps is ambiguous (bytes in tc, bits elsewhere)"}
	}
	number, factor := splitRate(text)
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !decimal(number) {
		return 0, &RateError{s, "not a number with a unit"}
	}
	rate := math.Round(value * factor)
	if rate < float64(MinRate) || rate > float64(MaxRate) {
		return 0, &RateError{s, fmt.Sprintf("not between %v and %v", MinRate, MaxRate)}
	}
	return BitRate(rate), nil
}

func splitRate(text string) (number string, factor float64) {
	text = strings.TrimSuffix(text, "/s")
	for _, u := range rateUnits {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			return strings.TrimSpace(number), u.factor
		}
	}
	return text, 1
}

// decimal refuses what ParseFloat takes besides decimals: "inf", "nan", hexadecimal and underscores.
func decimal(s string) bool {
	return strings.Trim(s, "0123456789.e+-") == ""
}

// String writes the rate so that [ParseBitRate] reads the same one back.
func (r BitRate) String() string {
	switch {
	case r == Unlimited:
		return unlimitedText
	case r >= 1e9:
		return scaled(r, 1e9, "Gbit")
	case r >= 1e6:
		return scaled(r, 1e6, "Mbit")
	case r >= 1e3:
		return scaled(r, 1e3, "kbit")
	}
	return strconv.FormatInt(int64(r), 10) + "bit"
}

func scaled(r BitRate, unit float64, suffix string) string {
	return strconv.FormatFloat(float64(r)/unit, 'f', -1, 64) + suffix
}

// MarshalText implements encoding.TextMarshaler.
func (r BitRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with [ParseBitRate].
func (r *BitRate) UnmarshalText(text []byte) error {
	rate, err := ParseBitRate(string(text))
	if err != nil {
		return err
	}
	*r = rate
	return nil
}
