package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"meshsim/port/probe"
)

// closing is a socket of which only Close is called.
type closing struct {
	probe.Conn
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// goneReader is a connection whose far end went before the head of the answer.
type goneReader struct{ *httptest.ResponseRecorder }

// FlushError is what http.ResponseController calls.
func (goneReader) FlushError() error { return errors.New("the reader is gone") }

func TestSocketOfAPingIsClosedWhereItsReaderIsGone(t *testing.T) {
	v := &v1{streams: newSlots(1), log: slog.New(slog.DiscardHandler)}
	conn := new(closing)
	response, err := v.probeLines(conn, func(context.Context, *lineWriter) error {
		t.Error("the ping has begun for nobody")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	response.Body(humago.NewContext(&huma.Operation{}, httptest.NewRequest("GET", "/", nil), goneReader{httptest.NewRecorder()}))
	if !conn.closed {
		t.Error("the socket is still open")
	}
	if !v.streams.enter() {
		t.Error("the place of the stream is still taken")
	}
}
