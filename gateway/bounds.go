package gateway

import (
	"bufio"
	"io"
	"math"
	"net"
	"net/http"
)

// What homeservers and their peers send through the proxy is read by net/http's parser alone, which takes anything.
const (
	// maxHead bounds the head of a request or an answer, in bytes, as net/http's server does.
	maxHead = 1 << 20
	// maxRequest bounds the body of a request, which is kept until it is passed on. Transactions are a tenth of it.
	maxRequest = 64 << 20
)

// bounded reads requests or answers of one connection. It ends as a broken connection does where one is too long, and is for
// one goroutine.
type bounded struct {
	*bufio.Reader
	limit *io.LimitedReader
}

func newBounded(conn net.Conn) bounded {
	limit := &io.LimitedReader{R: conn, N: maxHead}
	return bounded{bufio.NewReaderSize(limit, connBufferBytes), limit}
}

// request reads a request with its body.
func (b bounded) request() (*http.Request, []byte, error) {
	b.limit.N = maxHead
	req, err := http.ReadRequest(b.Reader)
	if err != nil {
		return nil, nil, err
	}
	b.limit.N = maxRequest
	body, err := readBody(req)
	b.limit.N = maxHead // of the next
	return req, body, err
}

// answer reads the head of an answer to req. Its body, which is passed on as it comes, may be of any length; it must be read
// before the next.
func (b bounded) answer(req *http.Request) (*http.Response, error) {
	b.limit.N = maxHead
	resp, err := http.ReadResponse(b.Reader, req)
	b.limit.N = math.MaxInt64
	return resp, err
}
