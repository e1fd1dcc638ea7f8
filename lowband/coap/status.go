package coap

import (
	"net/http"

	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// StatusCode finds CoAP's code for an HTTP status. CoAP's codes are the classes and details of HTTP's as far as both
// have them; for a status that CoAP does not know, its class must do, and the message says the rest.
func StatusCode(status int) codes.Code {
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

// CodeStatus is the status that a code stands for when the message names none.
func CodeStatus(code codes.Code) int {
	switch code {
	case codes.Content:
		return http.StatusOK
	case codes.Changed:
		return http.StatusNoContent
	}
	return int(code>>5)*100 + int(code&31)
}
