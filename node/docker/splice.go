//go:build linux

package docker

import (
	"context"
	"io"
	"net"
	"sync"
)

// splice carries bytes both ways until both connections have ended, or ctx has. It closes both.
func splice(ctx context.Context, a, b net.Conn) {
	end := func() {
		a.Close()
		b.Close()
	}
	detach := context.AfterFunc(ctx, end)
	defer detach()
	defer end()
	var other sync.WaitGroup
	other.Go(func() { pour(a, b) })
	pour(b, a)
	other.Wait()
}

// pour copies what comes from one connection to another; where it ends, both do: neither database nor server leaves one
// direction open.
func pour(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}
