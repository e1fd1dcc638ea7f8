package gateway

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

// What homeservers and their peers send is read by net/http's parser alone, which takes anything.
const (
	// maxHead bounds the head of a request or an answer, in bytes: four times what Synapse takes.
	maxHead = 64 << 10
	// maxObserved bounds the body of a request that may carry events, as it is kept until it is looked at and passed on. A
	// transaction's 50 PDUs are 3 MB. Longer ones pass unobserved.
	maxObserved = 8 << 20
	// maxShort bounds what is kept of other bodies: short ones are passed on in one piece, of known length.
	maxShort = 64 << 10
	// maxKept bounds what a gateway keeps of all bodies at a time. Beyond it they pass unobserved.
	maxKept = 64 << 20
)

// bounded reads requests or answers of one connection. It ends as a broken connection does where a head is too long, and is for
// one goroutine.
type bounded struct {
	*bufio.Reader
	limit *io.LimitedReader
}

func newBounded(conn net.Conn) bounded {
	limit := &io.LimitedReader{R: conn, N: maxHead}
	return bounded{bufio.NewReaderSize(limit, connBufferBytes), limit}
}

// request reads the head of a request. Its body may be of any length; it must be read before the next.
func (b bounded) request() (*http.Request, error) {
	b.limit.N = maxHead
	req, err := http.ReadRequest(b.Reader)
	b.limit.N = math.MaxInt64
	return req, err
}

// answer reads the head of the final answer to req. Its body may be of any length; it must be read before the next.
func (b bounded) answer(req *http.Request) (*http.Response, error) {
	b.limit.N = maxHead
	defer func() { b.limit.N = math.MaxInt64 }()
	for {
		resp, err := http.ReadResponse(b.Reader, req)
		// What comes first says that the answer will come (RFC 9110, 15.2). Nobody asked to switch protocols.
		if err != nil || resp.StatusCode >= http.StatusOK || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

// goOn is what a client waits for that sends "Expect: 100-continue" (RFC 9110, 10.1.1).
const goOn = "HTTP/1.1 100 Continue\r\n\r\n"

// expectsGoOn tells whether the body of a request comes only when goOn is sent.
func expectsGoOn(req *http.Request) bool {
	return req.ContentLength != 0 && req.ProtoAtLeast(1, 1) && strings.EqualFold(req.Header.Get("Expect"), "100-continue")
}

// budget counts the bytes of bodies that a gateway keeps.
type budget struct{ kept atomic.Int64 }

// take counts n bytes more, unless that are too many.
func (b *budget) take(n int) bool {
	if b.kept.Add(int64(n)) <= maxKept {
		return true
	}
	b.give(n)
	return false
}

func (b *budget) give(n int) { b.kept.Add(int64(-n)) }

// body is the body of a request: a beginning that is kept until release, and what follows.
type body struct {
	kept   []byte
	rest   io.Reader // nil where kept is all
	budget *budget
}

// keep reads the beginning of a body, as many bytes as limit and the budget allow.
func (b *budget) keep(from io.Reader, limit int) (body, error) {
	begun := body{budget: b}
	for {
		if length := len(begun.kept); length == cap(begun.kept) {
			size := min(max(2*length, connBufferBytes), limit)
			if length == limit || !b.take(size-length) {
				begun.rest = from
				return begun, nil
			}
			begun.kept = append(make([]byte, 0, size), begun.kept...)
		}
		n, err := from.Read(begun.kept[len(begun.kept):cap(begun.kept)])
		begun.kept = begun.kept[:len(begun.kept)+n]
		if err == io.EOF {
			return begun, nil
		}
		if err != nil {
			begun.release()
			return body{}, err
		}
	}
}

// release gives back what is kept.
func (b body) release() { b.budget.give(cap(b.kept)) }

// reader reads the whole body.
func (b body) reader() io.ReadCloser {
	if b.rest == nil {
		return io.NopCloser(bytes.NewReader(b.kept))
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(b.kept), b.rest))
}

// onward is req as it was read, with this body, for the next connection.
func (b body) onward(req *http.Request) *http.Request {
	out := onward(req, b.kept)
	if b.rest == nil {
		return out
	}
	out.Body, out.ContentLength = b.reader(), req.ContentLength
	if req.ContentLength < 0 {
		out.TransferEncoding = []string{"chunked"}
	}
	return out
}

// keepBody reads what is kept of a request's body. It is whole in all that is observed.
func (g *Gateway) keepBody(req *http.Request) (body, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return body{budget: &g.budget}, nil
	}
	limit := maxShort
	if carries(req.Method, req.URL) {
		limit = maxObserved
	}
	kept, err := g.budget.keep(req.Body, limit)
	if kept.rest != nil && limit == maxObserved {
		g.unobserved.Do(func() {
			g.log.Warn("a transaction passes unobserved, as it is too long or too many are under way; further ones are not logged",
				"server", g.cfg.Name, "length", req.ContentLength)
		})
	}
	return kept, err
}
