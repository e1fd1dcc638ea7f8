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

// statusCode finds CoAP's code for an HTTP status. CoAP's codes are the classes and details of HTTP's as far as both
// have them; for a status that CoAP does not know, its class must do, and the message says the rest.
func statusCode(status int) codes.Code {
	switch status {
	case http.StatusOK:
		return codes.Content
	case http.StatusCreated:
		return codes.Created
	}
	class, detail := status/100, status%100
	if (class == 4 || class == 5) && detail < 32 {
		return codes.Code(class<<5 | detail)
	}
	switch class {
	case 2:
		return codes.Changed
	case 4:
		return codes.BadRequest
	}
	return codes.InternalServerError
}

// codeStatus is the status that a code stands for when the message names none.
func codeStatus(code codes.Code) int {
	switch code {
	case codes.Content:
		return http.StatusOK
	case codes.Changed:
		return http.StatusNoContent
	}
	return int(code>>5)*100 + int(code&31)
}
