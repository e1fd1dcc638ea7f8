package coap

import (
	"errors"
	"fmt"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// ErrClosed is returned for requests of an association that was closed.
var ErrClosed = errors.New("coap: the association is closed")

// ErrReset is returned for a request that the peer refused to look at (RFC 7252, section 4.2).
var ErrReset = errors.New("coap: the peer has reset the exchange")

// TimeoutError says that a message was sent as often as is sensible and never acknowledged. It is a net.Error.
type TimeoutError struct {
	Tries int
	After time.Duration // since the first of them
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("coap: no acknowledgement after %d tries in %v", e.Tries, e.After.Round(time.Millisecond))
}

// Timeout implements net.Error.
func (*TimeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (*TimeoutError) Temporary() bool { return true }

// TransferError says that a blockwise transfer failed.
type TransferError struct {
	Code   codes.Code // the peer's, or 0 when it failed at this end
	Reason string
}

func (e *TransferError) Error() string {
	if e.Code == 0 {
		return "coap: transfer in blocks: " + e.Reason
	}
	return fmt.Sprintf("coap: transfer in blocks: %s (the peer answered %v)", e.Reason, e.Code)
}
