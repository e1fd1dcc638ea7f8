package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"

	"meshsim/node"
)

// TerminalSize is what a reader sends as a text message when its terminal has another size.
type TerminalSize struct {
	Rows    uint16 `json:"rows" minimum:"1" maximum:"1000"`
	Columns uint16 `json:"columns" minimum:"1" maximum:"1000"`
}

// TerminalEnd is the last message to the reader, as text: why there is no shell any more.
type TerminalEnd struct {
	End string `json:"end"`
}

const (
	// maxTerminals bounds how many shells are open.
	maxTerminals = 16
	// maxTyped bounds one message from a reader, e.g. what was pasted.
	maxTyped = 64 << 10
	// maxTerminalSide bounds the rows and columns of a terminal.
	maxTerminalSide = 1000
)

// terminals serves /api/v1/servers/{id}/terminal: a shell in a server's container. The guard lets in this machine alone,
// or who has the token.
type terminals struct {
	v1    *v1
	slots slots
	open  sync.WaitGroup
}

// describeTerminal adds the WebSocket, which is no operation of huma's, and the types of its text messages.
func describeTerminal(doc *huma.OpenAPI) {
	size := doc.Components.Schemas.Schema(reflect.TypeFor[TerminalSize](), true, "")
	end := doc.Components.Schemas.Schema(reflect.TypeFor[TerminalEnd](), true, "")
	number := func(in, name, about string, required bool) *huma.Param {
		return &huma.Param{Name: name, In: in, Required: required, Description: about, Schema: &huma.Schema{Type: huma.TypeInteger}}
	}
	doc.AddOperation(&huma.Operation{
		OperationID: "terminal",
		Method:      http.MethodGet,
		Path:        prefix + "/servers/{id}/terminal",
		Tags:        []string{"servers"},
		Summary:     "A shell in a server's container, over a WebSocket",
		Description: "Binary messages are what is typed and what is shown. A text message from the reader is the terminal's new " +
			"size (TerminalSize); the one from here, the last, says why the shell has ended (TerminalEnd).",
		Parameters: []*huma.Param{
			number("path", "id", "Id of a server.", true),
			number("query", "rows", "Of the terminal; absent is 24.", false),
			number("query", "columns", "Of the terminal; absent is 80.", false),
		},
		Responses: map[string]*huma.Response{
			"101": {
				Description: "The shell begins. Text messages have the schemas TerminalSize and TerminalEnd.",
				Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
					OneOf: []*huma.Schema{size, end},
				}}},
			},
		},
	})
}

// ServeHTTP implements http.Handler. The shell ends with the connection, and with meshsim.
func (s *terminals) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.open.Add(1)
	defer s.open.Done()
	host, size, err := s.request(r)
	if err != nil {
		writeProblem(w, statusOf(err), err.Error())
		return
	}
	if !s.slots.enter() {
		err := &busyError{what: "terminals", most: maxTerminals}
		writeProblem(w, statusOf(err), err.Error())
		return
	}
	defer s.slots.leave()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // the guard has checked
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxTyped)
	t := &terminal{conn: conn}
	end := t.serve(r.Context(), host, size)
	if r.Context().Err() != nil {
		end = errEnding
	}
	t.close(end)
}

// request reads what is asked for.
func (s *terminals) request(r *http.Request) (node.ShellHost, node.TerminalSize, error) {
	size := node.TerminalSize{Rows: 24, Columns: 80}
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return nil, size, badValue("id is %s: it must be the id of a server", quoted(r.PathValue("id")))
	}
	for name, side := range map[string]*uint16{"rows": &size.Rows, "columns": &size.Columns} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n < 1 || n > maxTerminalSide {
			return nil, size, badValue("%s is %s: it must be a number from 1 to %d", name, quoted(text), maxTerminalSide)
		}
		*side = uint16(n)
	}
	host, err := power[node.ShellHost](s.v1, id, "terminal")
	return host, size, err
}

// terminal is one reader with a shell.
type terminal struct {
	conn   *websocket.Conn
	typing sync.WaitGroup
	cut    context.CancelFunc // of what is read from the reader; it cuts the connection while something is read
}

// Why there is no shell any more.
var (
	errShellEnded = errors.New("the shell has ended")
	errReaderGone = errors.New("the reader is gone")
)

// serve connects a shell with its reader until either ends, and returns why.
func (t *terminal) serve(ctx context.Context, host node.ShellHost, size node.TerminalSize) error {
	reading, cut := context.WithCancel(context.WithoutCancel(ctx))
	t.cut = cut
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	context.AfterFunc(ctx, func() { time.AfterFunc(closeTimeout, t.hangUp) })
	shell, err := host.OpenShell(ctx, size)
	if err != nil {
		return err
	}
	defer shell.Close()
	t.typing.Go(func() { end(t.typed(reading, shell)) })
	t.typing.Go(func() { t.keepAlive(ctx, end) })
	buffer := make([]byte, 32<<10)
	for {
		n, err := shell.Read(buffer)
		if n > 0 && write(ctx, t.conn, websocket.MessageBinary, buffer[:n]) != nil {
			end(errReaderGone)
			return context.Cause(ctx)
		}
		if err != nil {
			end(errShellEnded) // unless that was caused by something else
			return context.Cause(ctx)
		}
	}
}

// hangUp cuts the connection, whether or not anything is read from it.
func (t *terminal) hangUp() {
	t.cut()
	_ = t.conn.CloseNow()
}

// typed hands on what the reader sends until it goes, or sends what is no size.
func (t *terminal) typed(ctx context.Context, shell node.Shell) error {
	for {
		kind, message, err := t.conn.Read(ctx)
		if err != nil {
			return errReaderGone
		}
		if kind != websocket.MessageBinary {
			if err := resize(ctx, shell, message); err != nil {
				return err
			}
			continue
		}
		if _, err := shell.Write(message); err != nil {
			return errShellEnded
		}
	}
}

func resize(ctx context.Context, shell node.Shell, message []byte) error {
	var size TerminalSize
	decoder := json.NewDecoder(bytes.NewReader(message))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&size); err != nil {
		return fmt.Errorf("a text message must be a size, {\"rows\":24,\"columns\":80}: %w", err)
	}
	if size.Rows < 1 || size.Columns < 1 || size.Rows > maxTerminalSide || size.Columns > maxTerminalSide {
		return errors.New("rows and columns must be 1 to 1000")
	}
	// That the shell has just ended is noticed by whoever reads from it.
	_ = shell.Resize(ctx, node.TerminalSize(size))
	return nil
}

// keepAlive finds out when a reader is gone without a word.
func (t *terminal) keepAlive(ctx context.Context, end context.CancelCauseFunc) {
	ticks := time.NewTicker(pingInterval)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			if err := ping(ctx, t.conn); err != nil {
				end(errReaderGone)
				return
			}
		}
	}
}

// close tells the reader why, if it is there, and waits for the goroutines. It comes after serve, which lets the connection
// be cut in time.
func (t *terminal) close(why error) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if encoded, err := marshalLine(TerminalEnd{End: why.Error()}); err == nil {
		_ = t.conn.Write(ctx, websocket.MessageText, encoded)
	}
	t.conn.Close(websocket.StatusNormalClosure, "")
	t.cut()
	t.typing.Wait()
}
