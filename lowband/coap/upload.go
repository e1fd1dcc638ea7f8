package coap

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// maxUploads bounds how many bodies are received in blocks at once; the one that began first gives way.
const maxUploads = 8

// upload is the body of a request that arrives in blocks.
type upload struct {
	key      string
	resource string // "" where the key says all
	method   codes.Code
	body     []byte
}

// uploads are the transfers under way, oldest first. The association's lock guards it.
type uploads struct{ list []*upload }

// find returns the transfer with a key; where there is none, the latest one to the resource.
func (u *uploads) find(key, resource string) *upload {
	for _, up := range u.list {
		if up.key == key {
			return up
		}
	}
	for _, up := range slices.Backward(u.list) {
		if resource != "" && up.resource == resource {
			return up
		}
	}
	return nil
}

func (u *uploads) remove(key string) {
	for i, up := range u.list {
		if up.key == key {
			u.list = slices.Delete(u.list, i, i+1)
			return
		}
	}
}

func (u *uploads) begin(in *incoming, method codes.Code) *upload {
	u.remove(in.key)
	if len(u.list) == maxUploads {
		u.list = slices.Delete(u.list, 0, 1)
	}
	up := &upload{key: in.key, resource: in.resource, method: method}
	u.list = append(u.list, up)
	return up
}

// uploadLocked takes one block of a request's body (RFC 7959, section 2.5).
func (a *Association) uploadLocked(in *incoming, m *message.Message, o options) {
	b := o.block1
	if b.more && len(m.Payload) != b.size {
		a.count.malformed.Add(1)
		a.refuseLocked(in, codes.BadRequest)
		return
	}
	up := a.uploads.find(in.key, in.resource)
	if b.num == 0 {
		up = a.uploads.begin(in, m.Code)
	}
	if up == nil || up.method != m.Code || len(up.body) != b.num*b.size {
		a.refuseLocked(in, codes.RequestEntityIncomplete)
		return
	}
	if len(up.body)+len(m.Payload) > a.cfg.MaxBody || o.size > a.cfg.MaxBody {
		a.uploads.remove(up.key)
		a.refuseLocked(in, codes.RequestEntityTooLarge)
		return
	}
	up.body = append(up.body, m.Payload...)
	if b.more {
		a.answerLocked(in, codes.Continue, message.Options{uintOption(message.Block1, b.encode())}, nil)
		return
	}
	a.uploads.remove(up.key)
	in.received = b
	a.handleLocked(in, Request{Method: up.method, Payload: up.body, Options: m.Options})
}

// Do sends a request and returns the peer's answer, both in blocks where they are large. It gives up when ctx ends, and
// when the peer acknowledges nothing. Errors of the transport are *TimeoutError, *TransferError, ErrReset and ErrClosed.
func (a *Association) Do(ctx context.Context, req Request) (Response, error) {
	if a.cfg.Options != nil {
		return a.doStandard(ctx, req)
	}
	if len(req.Payload) <= single {
		m := message.Message{Code: req.Method, Payload: req.Payload}
		first, err := a.confirm(ctx, m, a.cfg.Path().block(), true)
		if err != nil {
			return Response{}, err
		}
		return a.download(ctx, req.Method, string(first.Token), first)
	}
	tag := a.tag()
	last, err := a.upload(ctx, req, tag)
	if err != nil {
		return Response{}, err
	}
	return a.download(ctx, req.Method, tag, last)
}

// tag makes a Request-Tag. It has four bytes, a token has one or two: they never get mixed up as the key of an answer.
func (a *Association) tag() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tags++
	return string(binary.BigEndian.AppendUint32(nil, a.tags))
}

// upload sends the body of a request in blocks and returns the answer to the last of them.
func (a *Association) upload(ctx context.Context, req Request, tag string) (*message.Message, error) {
	size := a.cfg.Path().block()
	for num := 0; ; num++ {
		rest := req.Payload[num*size:]
		b := block{num: num, more: len(rest) > size, size: size}
		list := message.Options{uintOption(message.Block1, b.encode())}
		if num == 0 {
			list = append(list, uintOption(message.Size1, uint32(len(req.Payload))))
		}
		list = append(list, message.Option{ID: requestTag, Value: []byte(tag)})
		m := message.Message{Code: req.Method, Options: list, Payload: rest[:min(size, len(rest))]}
		answer, err := a.confirm(ctx, m, size, true)
		if err != nil {
			return nil, err
		}
		if !b.more {
			return answer, nil
		}
		if answer.Code != codes.Continue {
			return nil, &TransferError{Code: answer.Code, Reason: fmt.Sprintf("block %d of %d bytes was not taken", num, len(req.Payload))}
		}
	}
}
