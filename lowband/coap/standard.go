package coap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// What follows is for peers that may be any endpoint of CoAP. They need not know Request-Tag, so that a transfer is told
// by its token or, failing that, by its resource (RFC 7959, section 2.4); their blocks are asked for one by one, with the
// token of the request, because servers exist that go by it.

// privateOptions is where numbers begin that describe the session instead of the resource.
const privateOptions = 256

// resource is what tells a request's resource: the method and the options that are part of the cache key (RFC 7252,
// section 5.4.6).
func resource(m *message.Message) string {
	var b strings.Builder
	b.WriteByte(byte(m.Code))
	for _, o := range m.Options {
		switch o.ID {
		case message.URIHost, message.URIPort, message.URIPath, message.URIQuery, message.ProxyURI, message.Accept:
			fmt.Fprintf(&b, " %d:%d:%s", o.ID, len(o.Value), o.Value)
		}
	}
	return b.String()
}

// tokenKey tells a transfer by its token.
func tokenKey(t message.Token) string { return "token " + string(t) }

// ofResource returns the options that come again with each block: all but those of the session and of Observe.
func ofResource(list message.Options) message.Options {
	var kept message.Options
	for _, o := range list {
		if o.ID < privateOptions && o.ID != message.Observe {
			kept = append(kept, o)
		}
	}
	return kept
}

// doStandard is Do with a peer that may be any endpoint.
func (a *Association) doStandard(ctx context.Context, req Request) (Response, error) {
	if len(req.Payload) <= single {
		m := message.Message{Code: req.Method, Options: inOrder(req.Options), Payload: req.Payload}
		first, err := a.confirm(ctx, m, a.cfg.Path().block(), true)
		if err != nil {
			return Response{}, err
		}
		return a.collect(ctx, req, first.Token, first)
	}
	last, err := a.uploadStandard(ctx, req)
	if err != nil {
		return Response{}, err
	}
	return a.collect(ctx, req, last.Token, last)
}

// uploadStandard sends a body in blocks and returns the answer to the last of them. The peer may want smaller ones.
func (a *Association) uploadStandard(ctx context.Context, req Request) (*message.Message, error) {
	size, sent, options := a.cfg.Path().block(), 0, req.Options
	tag, done := a.beside(resource(&message.Message{Code: req.Method, Options: req.Options}))
	defer done()
	var token message.Token
	for {
		rest := req.Payload[sent:]
		b := block{num: sent / size, more: len(rest) > size, size: size}
		list := inOrder(options, uintOption(message.Block1, b.encode()))
		if tag != "" {
			list = inOrder(list, message.Option{ID: requestTag, Value: []byte(tag)})
		}
		if sent == 0 {
			list = inOrder(list, uintOption(message.Size1, uint32(len(req.Payload))))
		}
		m := message.Message{Code: req.Method, Token: token, Options: list, Payload: rest[:min(size, len(rest))]}
		answer, err := a.confirm(ctx, m, size, true)
		if err != nil || !b.more {
			return answer, err
		}
		if answer.Code != codes.Continue {
			return answer, nil // the peer has refused, and says why
		}
		token, options = answer.Token, ofResource(req.Options)
		sent += size
		if o, err := readOptions(answer.Options, nil); err == nil && o.block1.given {
			size = min(size, o.block1.size)
		}
	}
}

// beside makes a Request-Tag for a transfer that begins while another one to the same resource is under way; alone, a
// transfer needs none (RFC 9175, section 3.3). done must be called when it is over.
func (a *Association) beside(resource string) (tag string, done func()) {
	a.mu.Lock()
	n := a.sending[resource]
	a.sending[resource]++
	a.mu.Unlock()
	if n > 0 {
		tag = a.tag()
	}
	return tag, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.sending[resource]--; a.sending[resource] == 0 {
			delete(a.sending, resource)
		}
	}
}

// collect completes an answer of which the first message has come.
func (a *Association) collect(ctx context.Context, req Request, token message.Token, first *message.Message) (Response, error) {
	res := Response{Code: first.Code, Payload: first.Payload, Options: first.Options}
	o, err := readOptions(first.Options, nil)
	if err != nil {
		return Response{}, &TransferError{Reason: err.Error()}
	}
	tag := etag(first.Options)
	for next := o.block2; next.given && next.more; {
		if len(res.Payload)%next.size != 0 || len(res.Payload) == 0 {
			return Response{}, &TransferError{Reason: fmt.Sprintf("a block of %d bytes is said to have %d", len(res.Payload), next.size)}
		}
		asked := block{num: len(res.Payload) / next.size, size: next.size}
		m := message.Message{Code: req.Method, Token: token, Options: inOrder(ofResource(req.Options), uintOption(message.Block2, asked.encode()))}
		answer, err := a.confirm(ctx, m, next.size, true)
		if err != nil {
			return Response{}, err
		}
		got, err := readOptions(answer.Options, nil)
		next = got.block2
		switch {
		case err != nil || answer.Code != res.Code || !next.given || next.num*next.size != len(res.Payload):
			return Response{}, &TransferError{Code: answer.Code, Reason: fmt.Sprintf("block %d is not what was asked for", asked.num)}
		case etag(answer.Options) != tag:
			return Response{}, &TransferError{Reason: "the resource has changed while it was fetched"}
		case len(res.Payload)+len(answer.Payload) > a.cfg.MaxBody:
			return Response{}, &TransferError{Reason: fmt.Sprintf("the answer has more than %d bytes", a.cfg.MaxBody)}
		}
		res.Payload = append(res.Payload, answer.Payload...)
	}
	return res, nil
}

func etag(list message.Options) string {
	for _, o := range list {
		if o.ID == message.ETag {
			return string(o.Value)
		}
	}
	return ""
}

// Ping asks whether the peer is there (RFC 7252, section 4.3): four bytes there, four back.
func (a *Association) Ping(ctx context.Context) error {
	_, err := a.confirm(ctx, message.Message{Code: codes.Empty}, 4, false)
	if errors.Is(err, ErrReset) {
		return nil
	}
	return err
}
