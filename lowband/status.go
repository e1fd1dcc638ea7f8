package lowband

import (
	"net/http"

	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// FETCH is GET with a payload (RFC 8132): the path is in it.
const codeFetch codes.Code = 5

// methods are the codes of the methods (RFC 7252, section 12.1.1). Others are named in the message.
var methods = map[string]codes.Code{
	http.MethodGet:    codeFetch,
	http.MethodPost:   codes.POST,
	http.MethodPut:    codes.PUT,
	http.MethodDelete: codes.DELETE,
}

func methodCode(method string) codes.Code {
	if c, ok := methods[method]; ok {
		return c
	}
	return codes.POST
}

func codeMethod(code codes.Code) string {
	for method, c := range methods {
		if c == code {
			return method
		}
	}
	return ""
}

// Codes that say something about the message instead of the request; their payload is empty, and that of an answer
// never is.
const (
	codeUnknownReference  = codes.PreconditionFailed
	codeUnknownDictionary = codes.UnsupportedMediaType
	codeMalformed         = codes.BadRequest
)
