package gateway

import (
	"fmt"
	"time"
)

// Stage says how far a request got.
type Stage string

// The stages of a request, in order.
const (
	StageName    Stage = "name"    // the server name is not in the mesh
	StagePath    Stage = "path"    // there is no path to the server
	StageConnect Stage = "connect" // TCP
	StageTLS     Stage = "tls"     // the TLS handshake
	StageAnswer  Stage = "answer"  // the request was sent; no answer, or not all of it
)

// Error is returned for a request that failed below HTTP.
type Error struct {
	Stage Stage
	To    string // Matrix server name
	Err   error  // the cause; nil where the stage says it all
}

func (e *Error) Error() string {
	switch e.Stage {
	case StageName:
		return fmt.Sprintf("no server of this mesh is named %q", e.To)
	case StagePath:
		return fmt.Sprintf("there is no path to %s: no chain of working links leads there", e.To)
	case StageConnect:
		return fmt.Sprintf("connect to %s: %v", e.To, e.Err)
	case StageTLS:
		return fmt.Sprintf("TLS handshake with %s: %v", e.To, e.Err)
	default:
		return fmt.Sprintf("request to %s: %v", e.To, e.Err)
	}
}

func (e *Error) Unwrap() error { return e.Err }

// TimeoutError is the cause of an [Error] when the time allowed for a stage ran out. It is a net.Error.
type TimeoutError struct {
	After time.Duration // what was allowed
	Path  Path          // what it was derived from
	Bytes int64         // of the request
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("no answer within %v, which is what %d bytes are given on a path with a round trip of %v and the rate %v",
		e.After.Round(time.Millisecond), e.Bytes, e.Path.RTT, e.Path.Rate)
}

// Timeout implements net.Error.
func (*TimeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (*TimeoutError) Temporary() bool { return true }
