package shorthand

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

// Major types of CBOR (RFC 8949, section 3.1).
const (
	majorUint  = 0
	majorNint  = 1
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorTag   = 6
	majorOther = 7
)

// Tags from the unassigned range, used within a session of two ends that both know this package.
const (
	tagMine    = 6  // how far back among the sender's identifiers
	tagYours   = 7  // number of one of the receiver's identifiers
	tagEventID = 8  // "$" and the bytes in URL-safe Base64
	tagRoomID  = 9  // "!" and the bytes in URL-safe Base64
	tagLiteral = 10 // a body that is not canonical JSON, as it is
)

// Simple values (RFC 8949, section 3.3), as initial bytes.
const (
	simpleFalse     = 0xf4
	simpleTrue      = 0xf5
	simpleNull      = 0xf6
	simpleUndefined = 0xf7
)

func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendSimple(b []byte, value byte) []byte {
	if value < 24 {
		return append(b, majorOther<<5|value)
	}
	return append(b, majorOther<<5|24, value)
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, majorNint, uint64(-1-n))
	}
	return appendHead(b, majorUint, uint64(n))
}

func appendText(b []byte, s string) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

func appendBytes(b, value []byte) []byte {
	return append(appendHead(b, majorBytes, uint64(len(value))), value...)
}

// head is the beginning of a data item.
type head struct {
	major byte
	info  byte // the low five bits
	n     uint64
}

// reader takes CBOR apart. Lengths are checked against what is there before anything is allocated.
type reader struct {
	in  []byte
	pos int
}

func (r *reader) fail(reason string) error { return &FormatError{Offset: r.pos, Reason: reason} }

func (r *reader) head() (head, error) {
	if r.pos >= len(r.in) {
		return head{}, r.fail("the data end in the middle of an item")
	}
	h := head{major: r.in[r.pos] >> 5, info: r.in[r.pos] & 31}
	r.pos++
	if h.info < 24 {
		h.n = uint64(h.info)
		return h, nil
	}
	if h.info > 27 {
		return head{}, r.fail("items of indefinite length are not used")
	}
	size := 1 << (h.info - 24)
	if len(r.in)-r.pos < size {
		return head{}, r.fail("the data end in the middle of a length")
	}
	for _, b := range r.in[r.pos : r.pos+size] {
		h.n = h.n<<8 | uint64(b)
	}
	r.pos += size
	return h, nil
}

// take returns the next n bytes, which alias the input.
func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.in)-r.pos) {
		return nil, r.fail("a string is longer than the data")
	}
	b := r.in[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

// count checks that so many items can be there at all.
func (r *reader) count(n uint64) (int, error) {
	if n > uint64(len(r.in)-r.pos) {
		return 0, r.fail("an array or map is longer than the data")
	}
	return int(n), nil
}

// appendString writes a JSON string in the canonical spelling.
func appendString(out []byte, s string) []byte {
	const digits = "0123456789abcdef"
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\b':
			out = append(out, `\b`...)
		case '\f':
			out = append(out, `\f`...)
		case '\n':
			out = append(out, `\n`...)
		case '\r':
			out = append(out, `\r`...)
		case '\t':
			out = append(out, `\t`...)
		default:
			out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(out, s[start:]...), '"')
}

// appendFloat writes what other encoders send as a float; this package sends none.
func appendFloat(out []byte, h head) ([]byte, bool) {
	var f float64
	switch h.info {
	case 25:
		f = halfFloat(uint16(h.n))
	case 26:
		f = float64(math.Float32frombits(uint32(h.n)))
	case 27:
		f = math.Float64frombits(h.n)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return out, false
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.AppendInt(out, int64(f), 10), true
	}
	return strconv.AppendFloat(out, f, 'g', -1, 64), true
}

// halfFloat decodes 16 bits (RFC 8949, appendix D).
func halfFloat(h uint16) float64 {
	exponent, mantissa := int(h>>10&0x1f), float64(h&0x3ff)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(mantissa, -24)
	case 31:
		f = math.Inf(1)
		if mantissa != 0 {
			return math.NaN()
		}
	default:
		f = math.Ldexp(mantissa+1024, exponent-25)
	}
	if h&0x8000 != 0 {
		return -f
	}
	return f
}

func validText(b []byte) bool { return utf8.Valid(b) }
