package msc3079

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"meshsim/lowband/coap"
	"meshsim/lowband/shorthand"
)

func TestVectorBothWays(t *testing.T) {
	codec := must(NewCodec())
	item := must(hex.DecodeString(vector))
	text, numbered, err := codec.ToJSON(item)
	if err != nil || !numbered {
		t.Fatal(numbered, err)
	}
	if again := must(codec.FromJSON(text, true)); !bytes.Equal(again, item) {
		t.Errorf("got %x", again)
	}
	plain := must(codec.FromJSON(text, false))
	if back, numbered, err := codec.ToJSON(plain); err != nil || numbered || !bytes.Equal(back, text) {
		t.Errorf("got %s, %v, %v", back, numbered, err)
	}
}

func TestANameCountsAgainstItsNumber(t *testing.T) {
	// {8: 1, "origin_server_ts": 2}
	text, _, err := must(NewCodec()).ToJSON(append([]byte{0xa2, 8, 1, 0x70}, "origin_server_ts\x02"...))
	if err != nil || string(text) != `{"origin_server_ts":2}` {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestEveryPathComesBack(t *testing.T) {
	p := newPaths()
	for i, path := range shorthand.StandardPaths() {
		full := present + strings.ReplaceAll(path, "*", "a%2Fb:c")
		if i == 0 {
			full = path
		}
		u := must(url.Parse(full))
		list, err := p.targetOptions(u)
		if err != nil || string(list[0].Value) != pathCharacters[i:i+1] {
			t.Errorf("%s becomes %v, %v", full, list, err)
		}
		if back, err := p.uri(list); err != nil || back != full {
			t.Errorf("%s becomes %s, %v", full, back, err)
		}
	}
}

func TestBombsAreRefused(t *testing.T) {
	coding := newCoding(nil)
	bomb, _ := coding.deflate(make([]byte, 64<<20))
	var size *shorthand.SizeError
	if _, err := coding.inflate(bomb, 1<<20); !errors.As(err, &size) {
		t.Errorf("got %v", err)
	}
	codec := must(NewCodec())
	for name, item := range map[string][]byte{
		"nested":       bytes.Repeat([]byte{0x81}, 1<<20),
		"long-array":   {0x9b, 0, 0, 0, 1, 0, 0, 0, 0},
		"long-string":  {0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"unknown-key":  {0xa1, 0x18, 200, 1},
		"doubled-key":  {0xa2, 2, 1, 2, 1},
		"trailing":     {1, 1},
		"nothing":      {},
		"key-is-array": {0xa1, 0x81, 1, 1},
	} {
		if _, _, err := codec.ToJSON(item); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzCBOR(f *testing.F) {
	codec := must(NewCodec())
	f.Add(must(hex.DecodeString(vector)))
	f.Add([]byte{0xf9, 0x7e, 0})
	f.Fuzz(func(t *testing.T, item []byte) {
		text, _, err := codec.ToJSON(item)
		if err != nil {
			return
		}
		again, err := codec.FromJSON(text, true)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if back, _, err := codec.ToJSON(again); err != nil || !bytes.Equal(back, text) {
			t.Errorf("%s becomes %s, %v", text, back, err)
		}
	})
}

func FuzzTarget(f *testing.F) {
	p := newPaths()
	f.Add("/_matrix/client/v3/sync?since=a&b")
	f.Add("/9/%2f/!a:b//?=&")
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(u.EscapedPath(), "/") {
			return
		}
		list, err := p.targetOptions(u)
		if err != nil {
			return
		}
		uri, err := p.uri(list)
		if err != nil {
			return // a path in which a short one is meant literally
		}
		if _, err := url.ParseRequestURI(uri); err != nil {
			t.Errorf("%q becomes %q: %v", target, uri, err)
		}
	})
}

// FuzzDatagrams gives whatever to a server that is otherwise alone: it does not crash, and what it keeps is bounded.
func FuzzDatagrams(f *testing.F) {
	server := &Server{codec: must(NewCodec()), paths: newPaths(), open: map[*conversation]struct{}{}, cfg: ServerConfig{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(w, req.Body) }),
		Name:    "hs0", MaxBody: 1 << 20, Logger: slog.New(slog.DiscardHandler),
	}}
	f.Add([]byte{0x41, 1, 0, 1, 7, 0xb1, '7'}, []byte{0x41, 1, 0, 2, 7, 0x60, 0x51, '7'})
	f.Add([]byte{0x41, 3, 0, 1, 7, 0xb1, 'G', 0xd1, 3, 8, 0xff, 1, 2, 3}, []byte{0x41, 3, 0, 2, 7, 0xb1, 'G', 0xd1, 3, 0x10, 0xff, 1})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c := &conversation{server: server}
		c.coap = coap.New(coap.Config{Send: func([]byte) {}, Handle: c.handle, Options: understood, MaxBody: 1 << 20})
		c.coap.Receive(first)
		c.coap.Receive(second)
		c.coap.Receive(first)
		c.coap.Close()
	})
}

func FuzzRequest(f *testing.F) {
	server := &Server{codec: must(NewCodec()), paths: newPaths(), cfg: ServerConfig{Logger: slog.New(slog.DiscardHandler)}}
	f.Add("9", "coap://x/y", []byte{0xa0}, uint16(60))
	f.Fuzz(func(t *testing.T, segment, proxy string, body []byte, option uint16) {
		c := &conversation{server: server}
		for _, list := range []message.Options{
			{{ID: message.URIPath, Value: []byte(segment)}, {ID: message.OptionID(option), Value: body}},
			{{ID: message.ProxyURI, Value: []byte(proxy)}},
		} {
			req, err := c.request(context.Background(), coap.Request{Method: codes.POST, Payload: body, Options: list})
			if err == nil && (req.URL == nil || !strings.HasPrefix(req.RequestURI, "/")) {
				t.Errorf("the request is for %q", req.RequestURI)
			}
		}
	})
}

// FuzzInflate: whatever is not in the coding is refused, nothing grows beyond the limit, and what was deflated comes back.
func FuzzInflate(f *testing.F) {
	codings := newCodings()
	for _, c := range codings {
		smaller, _ := c.deflate(dictionary1[:500])
		f.Add(smaller)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		for format, c := range codings {
			if body, err := c.inflate(b, limit); err == nil && len(body) > limit {
				t.Errorf("format %d: %d bytes", format, len(body))
			}
			smaller, ok := c.deflate(b)
			if !ok || len(b) > limit {
				continue
			}
			if back, err := c.inflate(smaller, limit); err != nil || !bytes.Equal(back, b) {
				t.Errorf("format %d: %v, %x became %x", format, err, b, back)
			}
		}
	})
}
