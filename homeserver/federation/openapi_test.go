package federation

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// specified is an endpoint of the specification's OpenAPI (testdata/openapi.json, see scripts/spec-testdata).
type specified struct {
	Method  string
	Path    string
	Request struct{ Examples []json.RawMessage }
	Answers map[string]struct{ Examples []json.RawMessage }
}

func (s specified) String() string { return s.Method + " " + s.Path }

func specification(t *testing.T) []specified {
	t.Helper()
	raw, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Endpoints []specified }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all.Endpoints
}

// elsewhere are the endpoints that are not here, and why.
var elsewhere = map[string]string{
	"GET /.well-known/matrix/server": "names of the mesh lead straight to servers; there is nothing to delegate",
	"POST /_matrix/policy/v1/sign":   "is asked of a policy server, which this is not; 404 says so",
}

// Every endpoint of the specification is there, with its method and no other.
func TestEveryEndpoint(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		methods := map[string][]string{}
		for _, e := range specification(t) {
			methods[e.Path] = append(methods[e.Path], e.Method)
		}
		for path, allowed := range methods {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
				rec := httptest.NewRecorder()
				uri := strings.NewReplacer("{", "", "}", "").Replace(path)
				m.peers["b"].Handler.ServeHTTP(rec, httptest.NewRequest(method, uri, strings.NewReader("{}")))
				unknown := strings.Contains(rec.Body.String(), "M_UNRECOGNIZED")
				want := http.StatusMethodNotAllowed
				if slices.Contains(allowed, method) {
					want = 0
				}
				if elsewhere[allowed[0]+" "+path] != "" || strings.HasSuffix(path, "{queryType}") {
					want = http.StatusNotFound
				}
				if unknown != (want != 0) || unknown && rec.Code != want {
					t.Errorf("%s %s: answered %d %s, want status %d", method, path, rec.Code, rec.Body, want)
				}
			}
		}
	}, "a", "b")
}

// wire is what reads or writes the bodies of an endpoint. except are members of the examples that are left out when
// they are read: nothing here depends on them.
type wireType struct {
	body   any
	except []string
}

var (
	pdus     = wireType{body: pduList{}}
	template = wireType{homeserver.Template{}, nil}
	keysOf   = wireType{body: keyAnswer{}}
	rooms    = wireType{homeserver.RoomsPage{}, nil}
	nothing  = wireType{body: empty{}}
)

// requests and answers are the types that the handler reads and the client writes, and the other way round.
var requests = map[string]wireType{
	"POST /_matrix/federation/v1/get_missing_events/{roomId}":         {body: homeserver.MissingQuery{}},
	"PUT /_matrix/federation/v2/invite/{roomId}/{eventId}":            {body: homeserver.InviteRequest{}},
	"POST /_matrix/key/v2/query":                                      {body: keyQuery{}},
	"POST /_matrix/federation/v1/publicRooms":                         {homeserver.RoomsQuery{}, []string{"include_all_networks", "third_party_instance_id"}},
	"PUT /_matrix/federation/v1/exchange_third_party_invite/{roomId}": {body: homeserver.ThirdPartyInvite{}},
	"PUT /_matrix/federation/v1/3pid/onbind":                          {body: homeserver.PendingInvites{}},
	"PUT /_matrix/federation/v1/send/{txnId}":                         {incoming{}, []string{"origin", "origin_server_ts"}},
	"POST /_matrix/federation/v1/user/keys/claim":                     {body: keysClaim{}},
	"POST /_matrix/federation/v1/user/keys/query":                     {body: keysQuery{}},
}

// unfinished are requests whose example is the beginning of an event only, which no type of a whole event can hold.
var unfinished = []string{
	"PUT /_matrix/federation/v1/invite/{roomId}/{eventId}",
	"PUT /_matrix/federation/v2/send_join/{roomId}/{eventId}",
	"PUT /_matrix/federation/v1/send_knock/{roomId}/{eventId}",
	"PUT /_matrix/federation/v2/send_leave/{roomId}/{eventId}",
}

var answers = map[string]wireType{
	"GET /_matrix/federation/v1/backfill/{roomId}":                    pdus,
	"POST /_matrix/federation/v1/get_missing_events/{roomId}":         {body: missingEvents{}},
	"GET /_matrix/federation/v1/event_auth/{roomId}/{eventId}":        {body: authChain{}},
	"GET /_matrix/federation/v1/state/{roomId}":                       {body: homeserver.StateAnswer{}},
	"GET /_matrix/federation/v1/state_ids/{roomId}":                   {body: homeserver.StateIDs{}},
	"GET /_matrix/federation/v1/event/{eventId}":                      pdus,
	"GET /_matrix/federation/v1/timestamp_to_event/{roomId}":          {body: homeserver.Moment{}},
	"PUT /_matrix/federation/v2/invite/{roomId}/{eventId}":            {body: eventAnswer{}},
	"GET /_matrix/federation/v1/make_join/{roomId}/{userId}":          template,
	"PUT /_matrix/federation/v2/send_join/{roomId}/{eventId}":         {body: homeserver.JoinAnswer{}},
	"GET /_matrix/key/v2/query/{serverName}":                          keysOf,
	"POST /_matrix/key/v2/query":                                      keysOf,
	"GET /_matrix/key/v2/server":                                      {serverKeys{}, []string{"signatures"}}, // checked on the bytes
	"GET /_matrix/federation/v1/make_knock/{roomId}/{userId}":         template,
	"PUT /_matrix/federation/v1/send_knock/{roomId}/{eventId}":        {body: homeserver.KnockAnswer{}},
	"GET /_matrix/federation/v1/make_leave/{roomId}/{userId}":         template,
	"PUT /_matrix/federation/v2/send_leave/{roomId}/{eventId}":        nothing,
	"GET /_matrix/federation/v1/openid/userinfo":                      {body: userInfo{}},
	"GET /_matrix/federation/v1/publicRooms":                          rooms,
	"POST /_matrix/federation/v1/publicRooms":                         rooms,
	"GET /_matrix/federation/v1/query/directory":                      {body: homeserver.DirectoryAnswer{}},
	"GET /_matrix/federation/v1/query/profile":                        {body: homeserver.Profile{}},
	"GET /_matrix/federation/v1/hierarchy/{roomId}":                   {body: homeserver.HierarchyAnswer{}},
	"PUT /_matrix/federation/v1/exchange_third_party_invite/{roomId}": nothing,
	"PUT /_matrix/federation/v1/3pid/onbind":                          nothing,
	"PUT /_matrix/federation/v1/send/{txnId}":                         {body: transactionAnswer{}},
	"GET /_matrix/federation/v1/user/devices/{userId}":                {body: homeserver.DeviceListing{}},
	"POST /_matrix/federation/v1/user/keys/claim":                     {body: homeserver.ClaimAnswer{}},
	"POST /_matrix/federation/v1/user/keys/query":                     {body: homeserver.KeyAnswer{}},
	"GET /_matrix/federation/v1/version":                              {body: versionAnswer{}},
}

// The events in the examples are not events (their ids and signatures are words), so they are kept as bytes here; the
// vectors of package event are for them. Every other example of the specification is read by the type that the handler or the client reads it with, and written again
// as it was. An example without a type fails the test.
func TestExamplesRoundTrip(t *testing.T) {
	for _, e := range specification(t) {
		name := e.String()
		if elsewhere[name] != "" || slices.Contains(unfinished, name) && len(e.Answers) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, example := range e.Request.Examples {
				if !slices.Contains(unfinished, name) {
					roundTrip(t, requests[name], example)
				}
			}
			for status, answer := range e.Answers {
				for _, example := range answer.Examples {
					if status == "200" && name != "PUT /_matrix/federation/v1/invite/{roomId}/{eventId}" {
						roundTrip(t, answers[name], example)
					} else if status != "200" {
						refusedAs(t, status, example)
					}
				}
			}
		})
	}
}

func roundTrip(t *testing.T, by wireType, example json.RawMessage) {
	t.Helper()
	if by.body == nil {
		t.Fatalf("there is no type for the example %s", example)
	}
	into := reflect.New(reflect.TypeOf(by.body))
	if err := json.Unmarshal(example, into.Interface()); err != nil {
		t.Fatalf("%T does not read the example: %v\n%s", by.body, err, example)
	}
	again, err := json.Marshal(into.Interface())
	if err != nil {
		t.Fatal(err)
	}
	want := matrix.AppendFiltered(nil, canonical(t, example), func(member []byte) bool { return !slices.Contains(by.except, string(member)) })
	if got := canonical(t, again); string(got) != string(want) {
		t.Errorf("%T makes\n%s out of\n%s", by.body, got, want)
	}
}

func canonical(t *testing.T, raw []byte) []byte {
	t.Helper()
	out, err := matrix.CanonicalJSONLenient(raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refusedAs reads an answer that refuses as the client does, and writes it as the handler does for what the client makes
// of it. What may be different a moment later, or is this server's own fault, has no code of its own here.
func refusedAs(t *testing.T, status string, example json.RawMessage) {
	t.Helper()
	code, err := strconv.Atoi(status)
	if err != nil {
		t.Fatal(err)
	}
	var want failure
	if err := json.Unmarshal(example, &want); err != nil {
		t.Fatal(err)
	}
	if want.Code == "M_UNKNOWN" {
		return // says nothing
	}
	refusal := refusal(call{}, code, example)
	own := want.Code == "M_INVALID_PARAM"
	if code == http.StatusTooManyRequests || code >= 500 || own {
		if kind := homeserver.KindOf(refusal); kind != homeserver.Unreachable {
			t.Errorf("%s is understood as %s", example, kind.Code())
		}
		return
	}
	rec := httptest.NewRecorder()
	writeFailure(rec, refusal)
	var got failure
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Code != want.Code || got.RoomVersion != want.RoomVersion {
		t.Errorf("%s is given on as %s", example, rec.Body)
	}
}
