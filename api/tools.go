package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"meshsim/mesh"
	"meshsim/node"
)

// Usage is what a server uses of the machine. What is not known is absent, and the note says why.
type Usage struct {
	MemoryBytes      *int64   `json:"memory_bytes,omitempty" doc:"Without the page cache."`
	MemoryLimitBytes *int64   `json:"memory_limit_bytes,omitempty" doc:"Absent where there is no limit."`
	MergedBytes      *int64   `json:"merged_bytes,omitempty" doc:"Of its memory that the kernel keeps once for several servers (--ksm); absent where nothing is merged."`
	CPUMS            *float64 `json:"cpu_ms,omitempty" doc:"Processor time used since the server was started; two readings give a rate."`
	Note             string   `json:"note,omitempty" doc:"What is not known, and why."`
}

// LogLine is one line of a server's log, or the error that ended it.
type LogLine struct {
	Line  string `json:"line"`
	Error string `json:"error,omitempty"`
}

type logGet struct {
	ID     int  `path:"id" minimum:"0" maximum:"8388605" doc:"Id of a server."`
	Lines  int  `query:"lines" default:"200" minimum:"0" maximum:"10000" doc:"How many of the last lines."`
	Follow bool `query:"follow" doc:"Go on with what it writes, until the reader goes or the server ends."`
}

func (v *v1) registerTools(api huma.API) {
	const tag = "servers"
	v.registerAction(api, "restart", "Stop a server and start it again with its data", (*mesh.Mesh).Restart)
	v.registerAction(api, "kill", "End a server's process as kill -9 does; it fails and can be started again with its data", (*mesh.Mesh).Kill)
	huma.Register(api, operation("get-usage", http.MethodGet, "/servers/{id}/usage", tag, "What a server uses of the machine", ""), v.usage)
	huma.Register(api, streaming[LogLine](api, operation("follow-log", http.MethodGet, "/servers/{id}/log", tag, "The log of a server",
		"Lines of JSON, one for each line of the log. A server in a container gives it while it is being started; one that has stopped or failed "+
			"gives its last lines, of a container up to 200, until it is started again. "+
			"A reader that falls far behind misses lines of an embedded server.")), v.followLog)
	v.registerProbes(api)
	v.registerPeers(api)
	describeTerminal(api.OpenAPI())
}

// streaming is an operation that answers one JSON value a line, each as soon as it is there.
func streaming[T any](api huma.API, op huma.Operation) huma.Operation {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
	op.Responses = map[string]*huma.Response{
		"200": {
			Description: "One JSON value of this schema a line, as they come.",
			Content:     map[string]*huma.MediaType{linesType: {Schema: schema}},
		},
	}
	return op
}

// linesType is the media type of JSON values, one a line.
const linesType = "application/x-ndjson"

// notSupportedError is returned for what a kind of server cannot do.
type notSupportedError struct{ server, kind, what string }

func (e *notSupportedError) Error() string {
	return fmt.Sprintf("server %s has no %s: its kind is %s", e.server, e.what, e.kind)
}

// notRunningError is returned for what only a running server can do.
type notRunningError struct {
	server string
	state  mesh.State
}

func (e *notRunningError) Error() string {
	return fmt.Sprintf("server %s is %s: it must run for this", e.server, e.state)
}

// noLogError is returned where nothing is kept of the log of a server that has ended.
type noLogError struct {
	server string
	state  mesh.State
}

func (e *noLogError) Error() string {
	return fmt.Sprintf("server %s is %s and has no log: nothing that it wrote is kept; start it to read what it writes", e.server, e.state)
}

// busyError is returned where as much goes on as is allowed.
type busyError struct {
	what string
	most int
}

func (e *busyError) Error() string {
	return fmt.Sprintf("%d %s are open already, which is the most: close one", e.most, e.what)
}

// power returns what a running server can do, where its kind can.
func power[T any](v *v1, id int, what string) (T, error) {
	var none T
	server, err := v.find(id)
	if err != nil {
		return none, err
	}
	n, ok := v.mesh.Node(id)
	if !ok {
		return none, &notRunningError{server: server.Name, state: server.State}
	}
	able, ok := n.(T)
	if !ok {
		return none, &notSupportedError{server: server.Name, kind: server.Kind, what: what}
	}
	return able, nil
}

func (v *v1) usage(ctx context.Context, in *serverID) (*result[Usage], error) {
	meter, err := power[node.Meter](v, in.ID, "figures of what it uses")
	if err != nil {
		return nil, problemOf(err)
	}
	used, err := meter.Usage(ctx)
	return answer(Usage{
		MemoryBytes:      used.Memory,
		MemoryLimitBytes: used.MemoryLimit,
		MergedBytes:      used.Merged,
		CPUMS:            mapped(used.CPU, milliseconds),
		Note:             used.Note,
	}, err)
}

func (v *v1) followLog(_ context.Context, in *logGet) (*huma.StreamResponse, error) {
	server, err := v.find(in.ID)
	if err != nil {
		return nil, problemOf(err)
	}
	reader, err := v.logOf(&server)
	if err != nil {
		return nil, problemOf(err)
	}
	return v.lines(func(ctx context.Context, out *lineWriter) error {
		err := reader.ReadLog(ctx, in.Lines, in.Follow, func(line string) error { return out.write(LogLine{Line: line}) })
		if err != nil {
			return out.write(LogLine{Error: err.Error()})
		}
		return nil
	})
}

// logOf returns the log of a server that runs or is being started, be it without a word yet, or the last words of one that has
// stopped or failed.
func (v *v1) logOf(server *mesh.Server) (node.LogReader, error) {
	reader, err := power[node.LogReader](v, server.ID, "log")
	if !isA[*notRunningError](err) {
		return reader, err
	}
	switch server.State {
	case mesh.Added, mesh.Starting:
		return &startingLog{mesh: v.mesh, id: server.ID}, nil
	case mesh.Stopped, mesh.Failed:
		if last, ok := v.mesh.LastLog(server.ID); ok {
			return last, nil
		}
		return nil, &noLogError{server: server.Name, state: server.State}
	}
	return nil, err
}

// startingLog is the log of a server that is being started and may not write yet.
type startingLog struct {
	mesh *mesh.Mesh
	id   int
}

// startingPause is the time between two looks whether a server writes.
const startingPause = 100 * time.Millisecond

// ReadLog implements node.LogReader. With follow it waits until there is a log, or the start is over.
func (s *startingLog) ReadLog(ctx context.Context, lines int, follow bool, each func(string) error) error {
	for {
		if early, ok := s.mesh.StartingLog(s.id); ok {
			return early.ReadLog(ctx, lines, follow, each)
		}
		n, runs := s.mesh.Node(s.id)
		if reader, ok := n.(node.LogReader); runs && ok {
			return reader.ReadLog(ctx, lines, follow, each)
		}
		server, ok := s.mesh.Snapshot().Server(s.id)
		switch {
		case !ok || runs || !follow:
			return nil
		case server.State == mesh.Stopped || server.State == mesh.Failed:
			if last, ok := s.mesh.LastLog(s.id); ok {
				return last.ReadLog(ctx, lines, follow, each)
			}
			return nil
		case server.State == mesh.Gone || server.State == mesh.Paused:
			return nil
		}
		select {
		case <-time.After(startingPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// maxStreams bounds how many readers there are of logs, pings and traces together.
const maxStreams = 64

// lines answers with values that come over time. What write returns is only logged: it has told the reader.
func (v *v1) lines(write func(context.Context, *lineWriter) error) (*huma.StreamResponse, error) {
	if !v.streams.enter() {
		return nil, problemOf(&busyError{what: "logs, pings and traces", most: maxStreams})
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer v.streams.leave()
		r, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", linesType)
		w.Header().Set("X-Accel-Buffering", "no") // proxies hold nothing back
		out := &lineWriter{to: w, control: http.NewResponseController(w)}
		if err := out.begin(); err != nil {
			return
		}
		if err := write(r.Context(), out); err != nil && r.Context().Err() == nil {
			v.log.Debug("a reader was lost", "path", r.URL.Path, "error", err)
		}
	}}, nil
}

// lineWriter writes JSON values, one a line.
type lineWriter struct {
	to      http.ResponseWriter
	control *http.ResponseController
}

// begin sends the head, so that the reader knows that nothing is wrong.
func (w *lineWriter) begin() error {
	w.to.WriteHeader(http.StatusOK)
	return w.control.Flush()
}

// write sends a value; a reader that does not take it in time is given up.
func (w *lineWriter) write(value any) error {
	encoded, err := marshalLine(value)
	if err != nil {
		return err
	}
	if err := w.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := w.to.Write(encoded); err != nil {
		return err
	}
	return w.control.Flush()
}
