package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// prefix is where version 1 of the interface lives.
const prefix = "/api/v1"

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// OpenAPI returns the OpenAPI 3.1 document of /api/v1, indented.
func OpenAPI() ([]byte, error) {
	compact, err := json.Marshal(newV1(http.NewServeMux(), &v1{}).OpenAPI())
	if err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, compact, "", "  "); err != nil {
		return nil, err
	}
	indented.WriteByte('\n')
	return indented.Bytes(), nil
}

// newV1 registers the operations of /api/v1 with the mux.
func newV1(mux *http.ServeMux, v *v1) huma.API {
	config := huma.DefaultConfig("meshsim", "1")
	config.Info.Description = description
	config.OpenAPIPath = prefix + "/openapi"
	config.DocsPath = ""     // its page would load scripts from elsewhere
	config.SchemasPath = ""  // the document holds them all
	config.CreateHooks = nil // no $schema field in every answer
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{sentences}
	api := humago.New(mux, config)

	v.registerServers(api)
	v.registerSettings(api)
	v.registerTransport(api)
	v.registerLinks(api)
	v.registerPins(api)
	v.registerExchange(api)
	v.registerRooms(api)
	v.registerChatter(api)
	v.registerCaptures(api)
	v.registerVersion(api)
	describeStream(api.OpenAPI())
	listsAreNeverNull(api.OpenAPI().Components.Schemas)
	return api
}

const description = `The interface of a running meshsim: servers on a canvas, the links that follow from it, ` +
	`and what is said across them.

Numbers carry their unit in their name; percentages are 0 to 100. Errors are problem details (RFC 9457) whose
"detail" is a sentence. Unknown fields and unknown query parameters are refused. Fields may be added to answers.`

// describeStream adds the WebSocket, which is no operation of huma's, and the types of its frames.
func describeStream(doc *huma.OpenAPI) {
	frame := doc.Components.Schemas.Schema(reflect.TypeFor[Frame](), true, "Frame")
	doc.AddOperation(&huma.Operation{
		OperationID: "stream",
		Method:      http.MethodGet,
		Path:        prefix + "/stream",
		Tags:        []string{"stream"},
		Summary:     "Follow the mesh over a WebSocket",
		Description: "Answers a WebSocket handshake (RFC 6455). Each text message is one frame: a snapshot " +
			"first, then what changes, telemetry within 10 ms, and counters four times a second. A reader that " +
			"does not keep up gets a new snapshot and the number of notifications it lost. Messages from the " +
			"reader are ignored.",
		Responses: map[string]*huma.Response{
			"101": {
				Description: "The stream begins. The messages have the schema Frame.",
				Content:     map[string]*huma.MediaType{"application/json": {Schema: frame}},
			},
		},
	})
}

// listsAreNeverNull says of all lists what holds for them: a list may be empty, never null.
func listsAreNeverNull(registry huma.Registry) {
	for _, schema := range registry.Map() {
		for _, property := range schema.Properties {
			noNullLists(property)
		}
		noNullLists(schema)
	}
}

func noNullLists(schema *huma.Schema) {
	if schema == nil || schema.Type != huma.TypeArray {
		return
	}
	schema.Nullable = false
	noNullLists(schema.Items)
}
