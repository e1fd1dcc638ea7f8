package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/felixge/httpsnoop"

	"meshsim/node"
)

// journalLines is how many lines are kept of each server: a thousand servers then keep 20 MB when all are busy.
const journalLines = 200

// stamp is how the time stands before a line.
const stamp = "15:04:05.000 "

// note writes a line into the server's journal.
func (r *resident) note(format string, args ...any) {
	r.journal.Write(time.Now().Format(stamp) + fmt.Sprintf(format, args...))
}

// noted writes a line for every request that was answered.
func (r *resident) noted(side string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		did := httpsnoop.CaptureMetrics(h, w, req)
		r.note("%s %s %s: %d, %d bytes in %v", side, req.Method, req.URL.EscapedPath(), did.Code, did.Written,
			did.Duration.Round(time.Microsecond))
	})
}

// journalHandler is a slog.Handler that copies what a homeserver logs, whatever its level, into its journal.
type journalHandler struct {
	slog.Handler // where it goes besides
	journal      slog.Handler
}

func newLogger(to *slog.Logger, journal *node.Journal) *slog.Logger {
	lines := slog.NewTextHandler(lineWriter{journal}, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	return slog.New(journalHandler{Handler: to.Handler(), journal: lines})
}

// lineWriter takes the lines of a text handler.
type lineWriter struct{ journal *node.Journal }

func (w lineWriter) Write(line []byte) (int, error) {
	w.journal.Write(time.Now().Format(stamp) + string(line[:len(line)-1]))
	return len(line), nil
}

// Enabled implements slog.Handler.
func (journalHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h journalHandler) Handle(ctx context.Context, record slog.Record) error {
	if err := h.journal.Handle(ctx, record); err != nil {
		return err
	}
	if !h.Handler.Enabled(ctx, record.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journalHandler{Handler: h.Handler.WithAttrs(attrs), journal: h.journal.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h journalHandler) WithGroup(name string) slog.Handler {
	return journalHandler{Handler: h.Handler.WithGroup(name), journal: h.journal.WithGroup(name)}
}
