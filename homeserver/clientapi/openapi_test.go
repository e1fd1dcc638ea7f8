package clientapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// specified is an endpoint of the specification's OpenAPI (testdata/openapi.json, see scripts/spec-testdata).
type specified struct {
	Method     string
	Path       string
	Deprecated bool
	Open       bool // needs no access token
	Request    struct{ Examples []json.RawMessage }
	Answers    map[string]*struct{ Schema json.RawMessage }

	pattern *regexp.Regexp
	schemas sync.Map // by status, as compiled
}

func (s *specified) String() string { return s.Method + " " + s.Path }

var specification = sync.OnceValue(func() []*specified {
	raw, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		panic(err)
	}
	var all struct{ Endpoints []*specified }
	if err := json.Unmarshal(raw, &all); err != nil {
		panic(err)
	}
	variable := regexp.MustCompile(`\{[^}]*\}`)
	for _, e := range all.Endpoints {
		e.pattern = regexp.MustCompile("^" + variable.ReplaceAllString(e.Path, "[^/]*") + "$")
	}
	return all.Endpoints
})

// endpointOf is what the specification says of a request: nil where it knows none. Paths without variables come first.
func endpointOf(method, path string) (found *specified) {
	for _, e := range specification() {
		if e.Method != method || !e.pattern.MatchString(path) {
			continue
		}
		if found == nil || strings.Count(e.Path, "{") < strings.Count(found.Path, "{") {
			found = e
		}
	}
	return found
}

// unfit are answers that the specification's schemas do not mean, by what is in the request and why.
var unfit = map[string]string{
	"/voip/turnServer": "there is no TURN server, which clients understand by an empty object; the specification has no word for it",
	"format=event":     "the schemas of an event and of any content both match, and exactly one shall",
	"event_format":     "events in the form of the federation have no ids",
}

// conforms checks an answer against the specification's schema, where it has one. Every test's client calls it.
func conforms(t testing.TB, method, target string, status int, body []byte) {
	t.Helper()
	path, _, _ := strings.Cut(target, "?")
	e := endpointOf(method, path)
	if e == nil || status == http.StatusUnauthorized && bytes.Contains(body, []byte("_TOKEN")) { // said once for all endpoints
		return
	}
	for part := range unfit {
		if strings.Contains(target, part) {
			return
		}
	}
	answer := e.Answers[strconv.Itoa(status)]
	if answer == nil || len(answer.Schema) == 0 {
		return
	}
	schema, err := e.schema(status, answer.Schema)
	if err != nil {
		t.Fatalf("the schema of %s: %v", e, err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Errorf("%s answers no JSON: %v", e, err)
		return
	}
	if err := schema.Validate(instance); err != nil {
		t.Errorf("%s %s: the answer %d is not what the specification says: %v\n%.2000s", method, target, status, err, body)
	}
}

func (s *specified) schema(status int, raw json.RawMessage) (*jsonschema.Schema, error) {
	if known, ok := s.schemas.Load(status); ok {
		return known.(*jsonschema.Schema), nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	address := fmt.Sprintf("spec:/%p/%d", s, status)
	if err := compiler.AddResource(address, doc); err != nil {
		return nil, err
	}
	schema, err := compiler.Compile(address)
	if err == nil {
		s.schemas.Store(status, schema)
	}
	return schema, err
}

// absent are the endpoints of the specification that are not here, by the reason why.
var absent = map[string][]string{
	"there is no administrator": {
		"/_matrix/client/v3/admin/whois/{userId}", "/_matrix/client/v1/admin/suspend/{userId}", "/_matrix/client/v1/admin/lock/{userId}",
	},
	"no e-mail, no telephone and no identity server in a closed mesh": {
		"POST /_matrix/client/v3/account/3pid", "/_matrix/client/v3/account/3pid/add", "/_matrix/client/v3/account/3pid/bind",
		"/_matrix/client/v3/account/3pid/delete", "/_matrix/client/v3/account/3pid/unbind",
		"/_matrix/client/v3/account/3pid/email/requestToken", "/_matrix/client/v3/account/3pid/msisdn/requestToken",
		"/_matrix/client/v3/account/password/email/requestToken", "/_matrix/client/v3/account/password/msisdn/requestToken",
		"/_matrix/client/v3/register/email/requestToken", "/_matrix/client/v3/register/msisdn/requestToken",
	},
	"no application services": {
		"/_matrix/client/v1/appservice/{appserviceId}/ping", "/_matrix/client/v3/directory/list/appservice/{networkId}/{roomId}",
		"/_matrix/client/v3/thirdparty/protocol/{protocol}", "/_matrix/client/v3/thirdparty/location/{protocol}",
		"/_matrix/client/v3/thirdparty/user/{protocol}", "/_matrix/client/v3/thirdparty/location", "/_matrix/client/v3/thirdparty/user",
	},
	"logging in is by password or token": {
		"/_matrix/client/v1/login/get_token", "/_matrix/client/v1/auth_metadata",
		"/_matrix/client/v3/login/sso/redirect", "/_matrix/client/v3/login/sso/redirect/{idpId}",
	},
	"replaced by sync many versions ago": {
		"/_matrix/client/v3/events", "/_matrix/client/v3/initialSync", "/_matrix/client/v3/events/{eventId}",
		"/_matrix/client/v3/rooms/{roomId}/initialSync",
	},
	"nothing outside of the mesh is fetched": {"/_matrix/client/v1/media/preview_url", "/_matrix/media/v3/preview_url"},
	"nobody to name":                         {"/.well-known/matrix/support", "/.well-known/matrix/policy_server"},
}

func whyAbsent(e *specified) string {
	for reason, endpoints := range absent {
		for _, name := range endpoints {
			if name == e.Path || name == e.String() {
				return reason
			}
		}
	}
	return ""
}

// Every endpoint of the specification is there, or is absent for a reason and then answers 404 or 405 M_UNRECOGNIZED.
func TestEveryEndpoint(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	for _, e := range specification() {
		target := strings.NewReplacer("{", "", "}", "").Replace(e.Path)
		status, body := alice.raw(t.Context(), e.Method, target, "")
		unknown := strings.Contains(string(body), "M_UNRECOGNIZED") && (status == http.StatusNotFound || status == http.StatusMethodNotAllowed)
		if reason := whyAbsent(e); unknown != (reason != "") {
			t.Errorf("%s: answered %d %.200s; absent because: %q", e, status, body, reason)
		}
	}
}

// Who has no access token gets nothing that needs one.
func TestEveryEndpointWantsAToken(t *testing.T) {
	server, api := newServer(t, "hs0")
	nobody := &client{t: t, api: api, server: server}
	for _, e := range specification() {
		if whyAbsent(e) != "" || e.Open || strings.HasPrefix(e.Path, "/_matrix/media/") || strings.HasSuffix(e.Path, "/versions") {
			continue
		}
		target := strings.NewReplacer("{", "", "}", "").Replace(e.Path)
		if status, body := nobody.raw(t.Context(), e.Method, target, "{}"); status != http.StatusUnauthorized {
			t.Errorf("%s: without a token: %d %.200s", e, status, body)
		}
	}
}
