package msc3079

import (
	"encoding/binary"
	"math"
	"net/http"
	"strings"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"meshsim/lowband/coap"
)

// The options of MSC3079. The proposal wants the first one to be as critical as Uri-Query although its number is even.
const (
	optionToken   message.OptionID = 256
	optionVersion message.OptionID = 257
)

// understood tells which critical options of a request are known (RFC 7252, section 5.4.1).
func understood(id message.OptionID) bool {
	switch id {
	case message.URIHost, message.URIPort, message.URIPath, message.URIQuery, message.Accept, message.ProxyURI, optionVersion:
		return true
	}
	return false
}

// Content formats (RFC 7252, section 12.3; RFC 8949, section 9.3).
const (
	formatText  = 0
	formatBytes = 42
	formatJSON  = 50
	formatCBOR  = 60
	// formatDeflated is CBOR in the deflate coding.
	formatDeflated = 11060
	// formatDictionary1 is the same with dictionary1. Its number is one of those for experiments.
	formatDictionary1 = 65001
)

func find(list message.Options, id message.OptionID) ([]byte, bool) {
	for _, o := range list {
		if o.ID == id {
			return o.Value, true
		}
	}
	return nil, false
}

// number reads an option's uint (RFC 7252, section 3.2), or says that it is not there.
func uintOf(list message.Options, id message.OptionID) (n uint32, ok bool) {
	value, ok := find(list, id)
	if !ok || len(value) > 4 {
		return 0, false
	}
	for _, b := range value {
		n = n<<8 | uint32(b)
	}
	return n, true
}

func uintOption(id message.OptionID, n uint16) message.Option {
	switch {
	case n == 0:
		return message.Option{ID: id}
	case n <= math.MaxUint8:
		return message.Option{ID: id, Value: []byte{byte(n)}}
	}
	return message.Option{ID: id, Value: binary.BigEndian.AppendUint16(nil, n)}
}

var methodCodes = map[string]codes.Code{
	http.MethodGet: codes.GET, http.MethodPost: codes.POST, http.MethodPut: codes.PUT, http.MethodDelete: codes.DELETE,
}

func methodOf(code codes.Code) string {
	for method, c := range methodCodes {
		if c == code {
			return method
		}
	}
	return ""
}

// answerCode is the code of an answer: those of success depend on the method (RFC 7252, section 5.9.1).
func answerCode(method string, status int) codes.Code {
	if status != http.StatusOK {
		return coap.StatusCode(status)
	}
	switch method {
	case http.MethodGet:
		return codes.Content
	case http.MethodDelete:
		return codes.Deleted
	}
	return codes.Changed
}

func answerStatus(code codes.Code) int {
	switch code {
	case codes.Content, codes.Changed, codes.Deleted, codes.Valid:
		return http.StatusOK
	}
	return coap.CodeStatus(code)
}

func bearer(value string) string {
	if len(value) >= 7 && strings.EqualFold(value[:7], "Bearer ") {
		return value[7:]
	}
	return value
}
