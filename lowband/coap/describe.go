package coap

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// Describe writes what a datagram says in one line, for people.
func Describe(datagram []byte) string {
	m, err := decode(bytes.Clone(datagram))
	if err != nil {
		return "no CoAP: " + err.Error()
	}
	kinds := [...]string{message.Confirmable: "CON", message.NonConfirmable: "NON", message.Acknowledgement: "ACK", message.Reset: "RST"}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s message %d", kinds[m.Type], codeName(m.Code), m.MessageID)
	if len(m.Token) > 0 {
		fmt.Fprintf(&b, " token %x", []byte(m.Token))
	}
	for _, o := range m.Options {
		fmt.Fprintf(&b, " %v", o.ID)
		if text := optionText(o); text != "" {
			b.WriteString("=" + text)
		}
	}
	if len(m.Payload) > 0 {
		fmt.Fprintf(&b, " payload of %d bytes", len(m.Payload))
	}
	return b.String()
}

func codeName(c codes.Code) string {
	switch c {
	case codes.Empty:
		return "empty"
	case codes.Continue:
		return "Continue"
	case 5:
		return "FETCH"
	}
	return c.String()
}

func optionText(o message.Option) string {
	switch o.ID {
	case message.Block1, message.Block2:
		b, err := blockOf(o)
		if err != nil {
			return "malformed"
		}
		more := ""
		if b.more {
			more = "+"
		}
		return fmt.Sprintf("%d%s/%d", b.num, more, b.size)
	case message.Observe, message.ContentFormat, message.Accept, message.Size1, message.Size2:
		n, _ := uintOf(o)
		return fmt.Sprint(n)
	}
	if len(o.Value) == 0 {
		return ""
	}
	if utf8.Valid(o.Value) && strings.IndexFunc(string(o.Value), func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return string(o.Value)
	}
	return fmt.Sprintf("0x%x", o.Value)
}
