package coap

import (
	"errors"

	"github.com/plgd-dev/go-coap/v3/message"
)

// requestTag is the option that tells transfers apart (RFC 9175, section 3).
const requestTag message.OptionID = 292

const (
	maxTag = 8 // bytes (RFC 9175)
	// single is the largest payload that is sent in one message: with all headers it stays below the smallest MTU of
	// IPv6.
	single = 1024
)

// block is the size of the blocks that suit a path: a block should take no more than ten seconds, or a little more. A
// receiver uses it as the largest answer that comes in one message.
func (p Path) block() int {
	switch {
	case p.Rate <= 0 || p.Rate >= 1000:
		return 1024
	case p.Rate >= 500:
		return 512
	}
	return 256
}

// block is a Block1 or Block2 option (RFC 7959, section 2.2).
type block struct {
	given bool
	num   int
	more  bool
	size  int // 16 to 1024
}

func (b block) encode() uint32 {
	szx := uint32(0)
	for 16<<szx < b.size {
		szx++
	}
	v := uint32(b.num)<<4 | szx
	if b.more {
		v |= 8
	}
	return v
}

var errOption = errors.New("an option has a value that is not allowed")

func decodeBlock(v uint32) (block, error) {
	szx := v & 7
	if szx == 7 {
		return block{}, errOption
	}
	return block{given: true, num: int(v >> 4), more: v&8 != 0, size: 16 << szx}, nil
}

// options are those that this package knows.
type options struct {
	block1, block2 block
	size           int // of the whole body: Size1 of a request, Size2 of an answer; -1 when not said
	tag            string
	tagged         bool
	observe        int64 // -1 when not said
}

// readOptions finds the options of a message. Critical ones that are not known to it or the handler are an error (RFC
// 7252, section 5.4.1); handler may be nil.
func readOptions(list message.Options, handler func(message.OptionID) bool) (options, error) {
	o := options{size: -1, observe: -1}
	var err error
	for _, option := range list {
		switch option.ID {
		case message.Block1:
			o.block1, err = blockOf(option)
		case message.Block2:
			o.block2, err = blockOf(option)
		case message.Size1, message.Size2:
			var n uint32
			n, err = uintOf(option)
			o.size = int(n)
		case requestTag:
			if len(option.Value) > maxTag {
				return o, errOption
			}
			o.tag, o.tagged = string(option.Value), true
		case message.Observe:
			var n uint32
			n, err = uintOf(option)
			o.observe = int64(n)
		default:
			if option.ID&1 == 1 && (handler == nil || !handler(option.ID)) {
				return o, errOption
			}
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

func uintOf(o message.Option) (uint32, error) {
	if len(o.Value) > 4 {
		return 0, errOption
	}
	var n uint32
	for _, b := range o.Value {
		n = n<<8 | uint32(b)
	}
	return n, nil
}

func blockOf(o message.Option) (block, error) {
	if len(o.Value) > 3 {
		return block{}, errOption
	}
	n, err := uintOf(o)
	if err != nil {
		return block{}, err
	}
	return decodeBlock(n)
}

func uintOption(id message.OptionID, n uint32) message.Option {
	var value []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if b := byte(n >> shift); b != 0 || len(value) > 0 {
			value = append(value, b)
		}
	}
	return message.Option{ID: id, Value: value}
}
