package netstack

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"gvisor.dev/gvisor/pkg/log"
)

// LogTo sends what gVisor logs, which it does for the whole process and by itself to standard error, to logger at
// level debug: a handshake that a peer broke off is not worth a warning here. Call it once, before the first stack.
func LogTo(logger *slog.Logger) {
	// In place: gVisor's rate-limited loggers hold the logger that was there when the program started, and with
	// log.SetTarget they would go on writing to standard error.
	log.Log().Emitter = emitter{logger}
}

type emitter struct{ log *slog.Logger }

// Emit implements gVisor's log.Emitter.
func (e emitter) Emit(_ int, level log.Level, _ time.Time, format string, args ...any) {
	if !e.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	e.log.Debug("network stack", "level", level.String(), "message", fmt.Sprintf(format, args...))
}
