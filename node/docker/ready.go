//go:build linux

package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// What is asked of a homeserver until it answers.
const (
	readyPause   = 20 * time.Millisecond // between two looks, at first
	readyLongest = time.Second           // and at last
	readyShare   = 50                    // of the time that has passed, a pause is this part
	readyAnswer  = 10 * time.Second      // how long one answer may take
	readyWithin  = 5 * time.Minute       // how long all of it may, where the preset says nothing
)

// maxHeader bounds the head of a homeserver's answer, in bytes.
const maxHeader = 64 << 10

// awaitReady waits until the homeserver answers, the container ends, its time is over, or ctx ends.
func (n *running) awaitReady(ctx context.Context) error {
	preset := n.driver.cfg.Preset
	within := cmp.Or(preset.ReadyWithin, readyWithin)
	last, err := poll(ctx, n.exited, within, n.ready)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errEnded):
		return cmp.Or(n.err, errClosed) // the latter when it was ended by us
	case errors.Is(err, errTooLate):
		return fmt.Errorf("it has not answered GET %s on port %d with status 200 within %v, last %s: see its log, and ready and ready_within in %s",
			preset.Ready, preset.ClientPort, within, last, preset.source)
	default:
		return fmt.Errorf("it did not answer in time: %w", err)
	}
}

// Why poll gave up.
var (
	errEnded   = errors.New("it has ended")
	errTooLate = errors.New("its time is over")
)

// poll asks until it is answered as wanted: at first often, later each second. It fails with errEnded, errTooLate or ctx's
// error, and says what the last answer was.
func poll(ctx context.Context, ended <-chan struct{}, within time.Duration, ask func(context.Context) (answer string, ok bool)) (last string, err error) {
	begun := time.Now()
	for {
		one, cancel := context.WithTimeout(ctx, readyAnswer)
		last, ok := ask(one)
		cancel()
		if ok {
			return last, nil
		}
		passed := time.Since(begun)
		select {
		case <-time.After(min(readyLongest, max(readyPause, passed/readyShare))):
		case <-ended:
			return last, errEnded
		case <-ctx.Done():
			return last, ctx.Err()
		}
		if time.Since(begun) >= within {
			return last, errTooLate
		}
	}
}

// ready tells whether the homeserver answers its clients, and what it says if not.
func (n *running) ready(ctx context.Context) (answer string, ok bool) {
	preset := n.driver.cfg.Preset
	url := fmt.Sprintf("http://127.0.0.1:%d%s", preset.ClientPort, preset.Ready)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error(), false
	}
	resp, err := n.inside.RoundTrip(req)
	if err != nil {
		return err.Error(), false
	}
	resp.Body.Close()
	return resp.Status, resp.StatusCode == http.StatusOK
}
