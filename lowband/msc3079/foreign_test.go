package msc3079

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"meshsim/lowband/airtest"
	"meshsim/lowband/coap"
	"meshsim/lowband/records"
)

// foreign is a server of which the proposal knows nothing but what handle does. It takes no observers.
type foreign struct {
	handle func(ctx context.Context, in coap.Request) coap.Response

	mu   sync.Mutex // guards what follows
	seen []time.Time
	open []*coap.Association
}

// newForeign starts one, and a client of it.
func newForeign(t *testing.T, handle func(context.Context, coap.Request) coap.Response) (*foreign, *Client) {
	t.Helper()
	air := &airtest.Air{Delay: 100 * time.Millisecond}
	f := &foreign{handle: handle}
	endpoint := must(records.New(records.Config{Conn: air.Open("foreign"), PSKs: []records.PSK{psk}, Accept: f.accept}))
	serve(t, running{endpoint})
	t.Cleanup(f.close)
	client := must(NewClient(ClientConfig{
		Records: records.Config{Conn: air.Open("client"), PSKs: []records.PSK{psk}}, Server: airtest.Addr("foreign"),
	}))
	serve(t, client)
	return f, client
}

// running is an endpoint that serves.
type running struct{ *records.Endpoint }

func (r running) Serve() error { return r.Run() }

func (f *foreign) accept(s *records.Session) records.Handler {
	a := coap.New(coap.Config{Send: s.Send, Options: func(message.OptionID) bool { return true },
		Handle: func(ctx context.Context, in coap.Request) coap.Response {
			f.mu.Lock()
			f.seen = append(f.seen, time.Now())
			f.mu.Unlock()
			return f.handle(ctx, in)
		}})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = append(f.open, a)
	return records.Handler{Receive: a.Receive}
}

func (f *foreign) close() {
	f.mu.Lock()
	open := f.open
	f.mu.Unlock()
	for _, a := range open {
		a.Close()
	}
}

func (f *foreign) requests() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

// news3079 is a sync; body is empty if nothing is new.
func news3079(next int, body string) coap.Response {
	text := fmt.Sprintf(`{"next_batch":"s%d","rooms":{"join":{}}}`, next)
	if body != "" {
		text = fmt.Sprintf(`{"next_batch":"s%d","rooms":{"join":{"!r:hs0":{"timeline":{"events":[{"body":%q}]}}}}}`, next, body)
	}
	item := must(must(NewCodec()).FromJSON([]byte(text), true))
	return coap.Response{Code: codes.Content, Payload: item, Options: message.Options{uintOption(message.ContentFormat, formatCBOR)}}
}

// argument finds one of the query.
func argument(list message.Options, name string) string {
	for _, o := range list {
		if value, ok := strings.CutPrefix(string(o.Value), name+"="); o.ID == message.URIQuery && ok {
			return value
		}
	}
	return ""
}

func read(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func pollOnce(t *testing.T, c *Client, since string) (body string) {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), "GET", "http://hs/_matrix/client/v3/sync?timeout=30000&since="+url.QueryEscape(since), nil))
	req.Header.Set("Authorization", "Bearer tok")
	res, err := c.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	return read(t, res)
}

// TestAServerWithoutObserveIsPolled: one that waits as it is asked to is asked once a poll; one that answers at once more
// and more seldom, and what is new arrives all the same.
func TestAServerWithoutObserveIsPolled(t *testing.T) {
	for name, c := range map[string]struct {
		waits  bool
		most   int           // requests in ten minutes
		within time.Duration // news take no longer
	}{"waits": {true, 24, time.Second}, "at-once": {false, 60, pollSeldom + time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				const news = 10 * time.Minute
				f, client := newForeign(t, func(ctx context.Context, in coap.Request) coap.Response {
					wait, _ := strconv.Atoi(argument(in.Options, "timeout"))
					left := time.Until(begun.Add(news))
					if c.waits && left > 0 {
						pause(ctx, min(left, time.Duration(wait)*time.Millisecond))
					}
					if time.Since(begun) >= news {
						return news3079(2, "at last")
					}
					return news3079(1, "")
				})
				since := "s1"
				for {
					body := pollOnce(t, client, since)
					if strings.Contains(body, "at last") {
						break
					}
					if time.Since(begun) > 2*news {
						t.Fatal("the news were not told")
					}
					since = nextBatch([]byte(body))
				}
				if late := time.Since(begun) - news; late > c.within {
					t.Errorf("told %v late", late)
				}
				if n := len(f.requests()); n > c.most {
					t.Errorf("%d requests in %v, want at most %d", n, news, c.most)
				}
			})
		})
	}
}

// TestAServerThatStaysSilentIsLeft: it has acknowledged a long poll, and nothing comes of it.
func TestAServerThatStaysSilentIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		_, client := newForeign(t, func(ctx context.Context, in coap.Request) coap.Response {
			n := asked.Add(1)
			if n == 2 {
				<-ctx.Done()
			}
			if n > 2 {
				return news3079(2, "again")
			}
			return news3079(1, "")
		})
		begun := time.Now()
		if body := pollOnce(t, client, "s1"); !strings.Contains(body, "again") {
			t.Errorf("got %s", body)
		}
		if took := time.Since(begun); took > 30*time.Second+answerWithin+10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestLessIsExpectedOfAServer that knows neither our option nor our formats and has forgotten the token, by syncs as by all else.
func TestLessIsExpectedOfAServer(t *testing.T) {
	for name, target := range map[string]string{"sync": "sync?timeout=30000", "other": "joined_rooms"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				forgotten := false
				var refused []codes.Code
				_, client := newForeign(t, func(_ context.Context, in coap.Request) coap.Response {
					refuse := func(code codes.Code) coap.Response {
						refused = append(refused, code)
						return coap.Response{Code: code}
					}
					_, brought := find(in.Options, optionToken)
					_, version := find(in.Options, optionVersion)
					_, wants := find(in.Options, message.Accept)
					switch {
					case version:
						return refuse(codes.BadOption)
					case wants:
						return refuse(codes.NotAcceptable)
					case !brought && !forgotten:
						forgotten = true
						return refuse(codes.Unauthorized)
					}
					return news3079(1, "here")
				})
				for range 2 {
					req := must(http.NewRequestWithContext(t.Context(), "GET", "http://hs/_matrix/client/v3/"+target, nil))
					req.Header.Set("Authorization", "Bearer tok")
					res, err := client.RoundTrip(req)
					if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(read(t, res), "here") {
						t.Fatal(res, err)
					}
				}
				want := []codes.Code{codes.BadOption, codes.NotAcceptable, codes.NotAcceptable, codes.Unauthorized}
				if !slices.Equal(refused, want) {
					t.Errorf("refused with %v, want %v", refused, want)
				}
			})
		})
	}
}
