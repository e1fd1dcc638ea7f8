package shorthand

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
)

const testLimit = 1 << 20

// plain decodes one CBOR value as a body.
func plain(t testing.TB, c *Coder, item []byte) (string, error) {
	t.Helper()
	message := append([]byte{0, majorArray<<5 | 1}, item...)
	res, err := c.DecodeResponse(message, 200, nil, testLimit)
	return string(res.Body), err
}

// The test object of MSC3079, in canonical CBOR.
const (
	vectorJSON = `{"content":{"body":"Hello World","msgtype":"m.text"},"room_id":"!foo:localhost","sender":"@alice:localhost",` +
		`"type":"m.room.message","unsigned":{"bool_value":true,"null_value":null}}`
	vectorCBOR = "a5026e6d2e726f6f6d2e6d65737361676503a2181b6b48656c6c6f20576f726c64181c666d2e74657874056e21666f6f3a6c6f63" +
		"616c686f7374067040616c6963653a6c6f63616c686f737409a26a626f6f6c5f76616c7565f56a6e756c6c5f76616c7565f6"
)

func TestVectorOfMSC3079(t *testing.T) {
	item, err := hex.DecodeString(vectorCBOR)
	if err != nil {
		t.Fatal(err)
	}
	if len(item) != 102 {
		t.Fatalf("the vector has %d bytes, want 102", len(item))
	}
	got, err := plain(t, NewCoder(), item)
	if err != nil {
		t.Fatal(err)
	}
	if got != vectorJSON {
		t.Errorf("got %s\nwant %s", got, vectorJSON)
	}
}

// An encoder that knows nothing of this package writes the same data; they are read alike.
func TestReadsAnIndependentEncoder(t *testing.T) {
	for _, mode := range []cbor.EncOptions{cbor.CanonicalEncOptions(), cbor.PreferredUnsortedEncOptions(), cbor.CTAP2EncOptions()} {
		enc, err := mode.EncMode()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			vectorJSON, `[]`, `{}`, `"x"`, `-9007199254740991`, `9007199254740991`, `[1,-1,true,false,null,"\u0001\"\\ä😀"]`,
			`{"a":{"b":[{},[],""]},"zz":[0,23,24,255,256,65535,65536,4294967296],"ä":"\n\t"}`,
		} {
			var value any
			d := json.NewDecoder(strings.NewReader(want))
			d.UseNumber()
			if err := d.Decode(&value); err != nil {
				t.Fatal(err)
			}
			item, err := enc.Marshal(integers(t, value))
			if err != nil {
				t.Fatal(err)
			}
			got, err := plain(t, NewCoder(), item)
			if err != nil || got != want {
				t.Errorf("%x: got %s, %v\nwant %s", item, got, err, want)
			}
		}
	}
}

// integers makes int64 out of json.Number.
func integers(t *testing.T, v any) any {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			t.Fatal(err)
		}
		return n
	case []any:
		for i := range v {
			v[i] = integers(t, v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = integers(t, v[k])
		}
	}
	return v
}

func TestStringKeyHoldsAgainstItsNumber(t *testing.T) {
	for _, item := range []string{"a20201647479706502", "a26474797065020201"} {
		raw, err := hex.DecodeString(item)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := plain(t, NewCoder(), raw); err != nil || got != `{"type":2}` {
			t.Errorf("%s: got %s, %v", item, got, err)
		}
	}
}

func TestTablesHaveNoDoubles(t *testing.T) {
	n := newNames()
	if got := n.keys[104]; got != "room_alias" {
		t.Errorf("key 104 is %q, want room_alias", got)
	}
	if len(n.keyOf) != len(n.keys)-1 {
		t.Errorf("%d keys have %d names", len(n.keys)-1, len(n.keyOf))
	}
	if len(n.simple) != len(n.strings) || len(n.strings) > 20+224 {
		t.Errorf("%d of %d strings are distinct", len(n.simple), len(n.strings))
	}
	if got := clientPaths[len("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstu")-1]; got != "/rooms/*/report/*" {
		t.Errorf("path u is %s", got)
	}
}

// TestEveryWordOfTheTables: each string and each key, in both places.
func TestEveryWordOfTheTables(t *testing.T) {
	n := newNames()
	for _, word := range append(append([]string{}, n.strings...), n.keys[1:]...) {
		body := fmt.Sprintf(`{%q:[%q,{"x":%q}]}`, word, word, word)
		newPair().exchange(t, Request{Method: "PUT", Target: "/x", Body: []byte(body)}, Response{Status: 200, Body: []byte(body)})
	}
}

// pair is both ends of a session.
type pair struct {
	coder  *Coder
	client *Table
	server *Table
}

func newPair() pair {
	c := NewCoder()
	return pair{c, c.NewTable(), c.NewTable()}
}

// exchange carries a request and its answer over, and returns the bytes of each.
func (p pair) exchange(t testing.TB, req Request, res Response) (up, down int) {
	t.Helper()
	message, sent := p.coder.EncodeRequest(req, p.client, DictionaryVersion)
	gotReq, err := p.coder.DecodeRequest(message, codedMethod(req.Method), p.server, testLimit)
	if err != nil {
		t.Fatalf("request %s %s: %v", req.Method, req.Target, err)
	}
	if diff := cmp.Diff(wanted(req), gotReq); diff != "" {
		t.Fatalf("request (-want +got):\n%s", diff)
	}
	answer, answered := p.coder.EncodeResponse(res, 200, p.server, DictionaryVersion)
	gotRes, err := p.coder.DecodeResponse(answer, 200, p.client, testLimit)
	if err != nil {
		t.Fatalf("answer: %v", err)
	}
	if gotRes.Status != res.Status || string(gotRes.Body) != string(res.Body) {
		t.Fatalf("answer: got %d %s\nwant %d %s", gotRes.Status, gotRes.Body, res.Status, res.Body)
	}
	sent.Acknowledge()
	answered.Acknowledge()
	return len(message), len(answer)
}

func codedMethod(m string) string {
	if hasCode(m) {
		return m
	}
	return http.MethodPost
}

func wanted(req Request) Request {
	req.Header = req.Header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if req.Body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", jsonType)
	}
	return req
}

func TestTargetsComeBackExactly(t *testing.T) {
	for _, target := range []string{
		"/_matrix/federation/v1/send/12-ab",
		"/_matrix/federation/v1/send/%31",
		"/_matrix/federation/v1/make_join/%21room:hs0/@alice:hs1?ver=10&ver=11&ver=12",
		"/_matrix/federation/v1/make_join/%21room%3Ahs0/%40alice%3Ahs1?ver=10",
		"/_matrix/federation/v1/state/!room:hs0?event_id=%24abc",
		"/_matrix/federation/v1/state/!room:hs0?event_id=$abc",
		"/_matrix/federation/v1/unheard/of?x",
		"/_matrix/key/v2/server",
		"/_matrix/key/v2/server/",
		"/_matrix/client/v3/sync?timeout=30000&since=s1_2_3",
		"/_matrix/client/r0/rooms/!x:y/state/m.room.name/",
		"/_matrix/client/v3/pushrules/",
		"/_matrix/client/versions",
		"/_matrix/client/v3/sync?",
		"/_matrix/client/v3/sync?a=b+c&d=%20&filter=" + strings.Repeat("x", 3000),
		"/", "", "*", "/a b", "/%zz",
	} {
		newPair().exchange(t, Request{Method: "GET", Target: target}, Response{Status: 200})
	}
}

func TestEveryPathOfTheTables(t *testing.T) {
	for _, r := range newNames().paths.byCode {
		target := strings.ReplaceAll(strings.Join(r.segments, "/"), "*", "a@b")
		p := newPair()
		up, _ := p.exchange(t, Request{Method: "GET", Target: target}, Response{Status: 200})
		if len(target) > 30 && up > len(target)/2+6 {
			t.Errorf("%s takes %d bytes", target, up)
		}
	}
}

func TestStatusesAndHeaders(t *testing.T) {
	p := newPair()
	for _, status := range []int{200, 201, 302, 401, 418, 429, 503, 599} {
		p.exchange(t, Request{Method: "OPTIONS", Target: "/x", Header: http.Header{"Content-Type": {"text/plain"}, "Authorization": {"Bearer syt_x"}}, Body: []byte("not JSON")},
			Response{Status: status, Header: http.Header{"Retry-After": {"17"}}, Body: []byte(`{"errcode":"M_LIMIT_EXCEEDED","error":"later"}`)})
	}
}

func TestXMatrixIsCarriedInAnyOrder(t *testing.T) {
	sig := matrix.EncodeBase64(make([]byte, 64))
	c := NewCoder()
	for _, header := range []string{
		`X-Matrix origin="a.example",key="ed25519:a_b",sig="` + sig + `",destination="b.example"`,
		`X-Matrix origin="a.example",destination="b.example",key="ed25519:a_b",sig="` + sig + `"`,
	} {
		message, _ := c.EncodeRequest(Request{Method: "GET", Target: "/", Header: http.Header{"Authorization": {header}}}, nil, 0)
		req, err := c.DecodeRequest(message, "GET", nil, testLimit)
		if err != nil {
			t.Fatal(err)
		}
		want := `X-Matrix origin="a.example",destination="b.example",key="ed25519:a_b",sig="` + sig + `"`
		if got := req.Header.Get("Authorization"); got != want {
			t.Errorf("got %s", got)
		}
		if len(message) > 110 {
			t.Errorf("takes %d bytes", len(message))
		}
	}
	odd := `X-Matrix origin=a,key="k",sig="s\"",extra="1"`
	message, _ := c.EncodeRequest(Request{Method: "GET", Target: "/", Header: http.Header{"Authorization": {odd}}}, nil, 0)
	req, err := c.DecodeRequest(message, "GET", nil, testLimit)
	if err != nil || req.Header.Get("Authorization") != odd {
		t.Errorf("got %q, %v", req.Header.Get("Authorization"), err)
	}
}

// transaction is what a server sends with one event.
func transaction(pdus ...*event.PDU) Request {
	var list []json.RawMessage
	for _, p := range pdus {
		list = append(list, p.JSON())
	}
	body, err := json.Marshal(map[string]any{"edus": []any{}, "origin": "hs0", "origin_server_ts": 1700000000000, "pdus": list})
	if err != nil {
		panic(err)
	}
	sig := matrix.EncodeBase64([]byte(strings.Repeat("s\x90", 32)))
	return Request{
		Method: "PUT", Target: "/_matrix/federation/v1/send/1x2y3z-7", Body: body,
		Header: http.Header{"Authorization": {`X-Matrix origin="hs0",destination="hs1",key="ed25519:1",sig="` + sig + `"`}},
	}
}

func taken(pdus ...*event.PDU) Response {
	answer := map[string]any{}
	for _, p := range pdus {
		answer[string(p.ID())] = map[string]any{}
	}
	body, err := json.Marshal(map[string]any{"pdus": answer})
	if err != nil {
		panic(err)
	}
	return Response{Status: 200, Body: body}
}

// TestMessageEventIsSmall: the third message of a room in an established session. The bound leaves 450 bytes for both
// datagrams with their headers (28 each for IPv4 and UDP, 21 of the channel, 6 of CoAP).
func TestMessageEventIsSmall(t *testing.T) {
	p := newPair()
	room := eventtest.New(t, "12", "@alice:hs0", nil)
	join := room.Member("@alice:hs0", "@alice:hs0", matrix.Join)
	last := join
	var up, down int
	for i := range 3 {
		e := room.Event(matrix.TypeMessage, "@alice:hs0", map[string]any{"msgtype": "m.text", "body": fmt.Sprintf("a message of thirty-five characters%d", i)},
			eventtest.Prev(last), eventtest.Auth(join))
		up, down = p.exchange(t, transaction(e), taken(e))
		t.Logf("message %d: %d bytes up, %d down; JSON has %d", i, up, down, len(transaction(e).Body))
		last = e
	}
	if sum := up + down + 2*(28+21+6); sum > 450 {
		t.Errorf("one event takes %d bytes there and back", sum)
	}
}

// TestUnknownReferences: the receiver has lost its table, as after a restart; the message without references arrives.
func TestUnknownReferences(t *testing.T) {
	p := newPair()
	room := eventtest.New(t, "11", "@alice:hs0", nil)
	p.exchange(t, transaction(room.Create), taken(room.Create))
	p.server = p.coder.NewTable()
	e := room.Event(matrix.TypeMessage, "@alice:hs0", map[string]any{"body": "x"})
	message, _ := p.coder.EncodeRequest(transaction(e), p.client, DictionaryVersion)
	if _, err := p.coder.DecodeRequest(message, "PUT", p.server, testLimit); !errors.Is(err, ErrUnknownReference) {
		t.Fatalf("got %v", err)
	}
	message, _ = p.coder.EncodeRequest(transaction(e), nil, DictionaryVersion)
	req, err := p.coder.DecodeRequest(message, "PUT", p.server, testLimit)
	if err != nil {
		t.Fatal(err)
	}
	if string(req.Body) != string(transaction(e).Body) {
		t.Errorf("got %s", req.Body)
	}
}

// TestConcurrentMessages: many messages are encoded before any arrives, they overtake each other and some are lost.
func TestConcurrentMessages(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := NewCoder()
		client, server := c.NewTable(), c.NewTable()
		type flight struct {
			message []byte
			sent    Sent
			body    string
		}
		var air []flight
		for range rapid.IntRange(1, 200).Draw(r, "steps") {
			if len(air) == 0 || rapid.Bool().Draw(r, "send") {
				body := fmt.Sprintf(`["@u%d:hs","#%d:x","@u%d:hs"]`, rapid.IntRange(0, 40).Draw(r, "a"), rapid.IntRange(0, 4000).Draw(r, "b"), rapid.IntRange(0, 40).Draw(r, "c"))
				message, sent := c.EncodeRequest(Request{Method: "PUT", Target: "/", Body: []byte(body)}, client, 0)
				air = append(air, flight{message, sent, body})
				continue
			}
			i := rapid.IntRange(0, len(air)-1).Draw(r, "which")
			f := air[i]
			air = append(air[:i], air[i+1:]...)
			if rapid.IntRange(0, 3).Draw(r, "lost") == 0 {
				continue
			}
			req, err := c.DecodeRequest(f.message, "PUT", server, testLimit)
			if err != nil {
				r.Fatal(err)
			}
			if string(req.Body) != f.body {
				r.Fatalf("got %s, want %s", req.Body, f.body)
			}
			f.sent.Acknowledge()
		}
	})
}

// value draws any JSON value that canonical JSON allows, with strings of the kinds that have forms of their own.
func value(depth int) *rapid.Generator[any] {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"m.room.message", "@alice:hs0", "$" + strings.Repeat("A", 43), "!" + strings.Repeat("_", 43), "$" + strings.Repeat("A", 42) + "B",
		"abcdefghijklmnop", strings.Repeat("A", 86), "hashes", "type", "\u0000\u001f\"\\", "type\"", "1",
	}))
	leaf := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) any { return text.Draw(t, "text") }),
		rapid.Custom(func(t *rapid.T) any {
			return rapid.Int64Range(-matrix.MaxSafeInteger, matrix.MaxSafeInteger).Draw(t, "n")
		}),
		rapid.SampledFrom([]any{nil, true, false}),
	)
	if depth == 0 {
		return leaf
	}
	inner := value(depth - 1)
	return rapid.OneOf(leaf,
		rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(inner, 0, 5).Draw(t, "array") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.MapOfN(text, inner, 0, 5).Draw(t, "object") }),
	)
}

func TestCanonicalJSONSurvives(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newPair()
		for range 3 {
			raw, err := json.Marshal(value(4).Draw(r, "value"))
			if err != nil {
				r.Fatal(err)
			}
			canonical, err := matrix.CanonicalJSON(raw)
			if err != nil {
				r.Skip()
			}
			p.exchange(t, Request{Method: "POST", Target: "/x", Body: canonical}, Response{Status: 200, Body: canonical})
		}
	})
}

// TestEventsKeepTheirReferenceHash: any valid event, with its hashes and signatures, in rooms of every version.
func TestEventsKeepTheirReferenceHash(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		version := rapid.SampledFrom(matrix.RoomVersions()).Draw(r, "version")
		room := eventtest.New(t, version, "@alice:hs0", nil)
		p := newPair()
		last := room.Create
		for range 3 {
			content := rapid.MapOfN(rapid.String(), value(2), 0, 5).Draw(r, "content")
			e := room.Event(rapid.SampledFrom([]string{matrix.TypeMessage, "org.example.custom"}).Draw(r, "type"), "@alice:hs0", content, eventtest.Prev(last))
			message, sent := p.coder.EncodeRequest(transaction(e), p.client, DictionaryVersion)
			req, err := p.coder.DecodeRequest(message, "PUT", p.server, testLimit)
			if err != nil {
				r.Fatal(err)
			}
			sent.Acknowledge()
			var body struct{ PDUs []json.RawMessage }
			if err := json.Unmarshal(req.Body, &body); err != nil {
				r.Fatal(err)
			}
			got, err := event.Parse(body.PDUs[0], room.Version)
			if err != nil {
				r.Fatal(err)
			}
			if got.ID() != e.ID() || string(got.JSON()) != string(e.JSON()) || !got.CheckContentHash() {
				r.Fatalf("got %s\nwant %s", got.JSON(), e.JSON())
			}
			last = e
		}
	})
}

func TestJSONThatIsNotCanonicalComesLiterally(t *testing.T) {
	for _, body := range []string{`{"a":1.5}`, `{"a":1,"a":2}`, `{"order":0.1}`, `[1e400]`, `{"a":`, "\xff\x00", `{"a":"\ud800"}`} {
		newPair().exchange(t, Request{Method: "PUT", Target: "/x", Body: []byte(body)}, Response{Status: 200, Body: []byte(body)})
	}
}

func TestBombsAreRefused(t *testing.T) {
	c := NewCoder()
	message, _ := c.EncodeRequest(Request{Method: "PUT", Target: "/x", Body: []byte(`{"a":"` + strings.Repeat("a", 10<<20) + `"}`)}, nil, DictionaryVersion)
	if len(message) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(message))
	}
	var size *SizeError
	if _, err := c.DecodeRequest(message, "PUT", nil, testLimit); !errors.As(err, &size) {
		t.Errorf("got %v", err)
	}
	// A reference of two bytes stands for up to 255: one identifier, then an array of references to it.
	item := appendText(appendHead(nil, majorArray, 60000), "@"+strings.Repeat("a", 254))
	for i := range 59999 {
		_ = i
		item = append(item, majorTag<<5|tagMine, 1)
	}
	bomb := append([]byte{hasBase, 0, majorArray<<5 | 1}, item...)
	if _, err := c.DecodeResponse(bomb, 200, c.NewTable(), testLimit); !errors.As(err, &size) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	c := NewCoder()
	vector, _ := hex.DecodeString("0081" + vectorCBOR)
	f.Add(vector)
	message, _ := c.EncodeRequest(Request{Method: "PUT", Target: "/_matrix/federation/v1/send/x", Body: []byte(vectorJSON)}, c.NewTable(), DictionaryVersion)
	f.Add(message)
	f.Fuzz(func(t *testing.T, message []byte) {
		table := c.NewTable()
		req, err := c.DecodeRequest(message, "PUT", table, testLimit)
		if err == nil {
			again, _ := c.EncodeRequest(req, nil, DictionaryVersion)
			if _, err := c.DecodeRequest(again, codedMethod(req.Method), nil, 2*testLimit); err != nil {
				t.Fatalf("what was decoded cannot be decoded again: %v", err)
			}
		}
		if res, err := c.DecodeResponse(message, 200, table, testLimit); err == nil && len(res.Body) > 4*testLimit {
			t.Fatalf("%d bytes became %d", len(message), len(res.Body))
		}
	})
}

func BenchmarkMessageEvent(b *testing.B) {
	p := newPair()
	room := eventtest.New(b, "12", "@alice:hs0", nil)
	e := room.Event(matrix.TypeMessage, "@alice:hs0", map[string]any{"msgtype": "m.text", "body": "a message of thirty-five characters"})
	req, res := transaction(e), taken(e)
	b.ReportAllocs()
	for b.Loop() {
		p.exchange(b, req, res)
	}
}

// FuzzBodies: whatever a body is, it comes back: canonical if it can be, literally if not.
func FuzzBodies(f *testing.F) {
	f.Add([]byte(vectorJSON))
	f.Add([]byte(`{"a":1.5}`))
	f.Add(transaction(eventtest.New(f, "12", "@alice:hs0", nil).Create).Body)
	f.Fuzz(func(t *testing.T, body []byte) {
		want := body
		if canonical, err := matrix.CanonicalJSON(body); err == nil {
			want = canonical
		}
		if len(want) == 0 {
			want = nil
		}
		p := newPair()
		for range 2 {
			message, sent := p.coder.EncodeRequest(Request{Method: "PUT", Target: "/", Body: body}, p.client, DictionaryVersion)
			req, err := p.coder.DecodeRequest(message, "PUT", p.server, testLimit)
			if err != nil {
				t.Fatal(err)
			}
			if string(req.Body) != string(want) {
				t.Fatalf("got %q, want %q", req.Body, want)
			}
			sent.Acknowledge()
		}
	})
}
