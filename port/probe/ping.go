package probe

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// DefaultTTL is what requests are sent with unless they are told: a mesh may have long paths.
const DefaultTTL = 255

// PingConfig says what Ping asks. All fields but TTL are needed.
type PingConfig struct {
	To       netip.Addr
	Count    int
	Interval time.Duration // between two requests
	Timeout  time.Duration // after which a request is Lost
	Size     int           // of the echo's data in bytes
	TTL      int           // 0 is DefaultTTL
}

// Ping sends requests at an interval and calls each for every answer as it comes, and for every request that got none. It
// returns when all are answered or lost, and fails when each does, when the requests cannot be sent, and when ctx ends. It
// closes the socket in any case.
func Ping(ctx context.Context, conn Conn, c PingConfig, each func(Reply) error) error {
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	x, err := newExchange(conn, c.To, c.Size)
	if err != nil {
		conn.Close()
		return err
	}
	defer x.close()
	next := time.NewTimer(0)
	defer next.Stop()
	for x.sent < c.Count || len(x.open) > 0 {
		select {
		case <-next.C:
			if err := x.send(c.TTL, c.Timeout); err != nil {
				return err
			}
			if x.sent < c.Count {
				next.Reset(c.Interval)
			}
		case a := <-x.answers:
			if r, ok := x.settle(a); ok {
				err = each(r)
			}
		case <-x.expiry.C:
			err = x.expire(each)
		case err = <-x.broken:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TraceConfig says what Trace asks. All fields are needed.
type TraceConfig struct {
	To      netip.Addr
	MaxHops int
	Queries int // requests for each hop
	Timeout time.Duration
	Size    int
}

// Trace asks the nodes on the path, one hop after the other, who they are, and calls each for every hop. It returns when the
// destination has answered or is unreachable, and after MaxHops. It closes the socket; its errors are those of Ping.
func Trace(ctx context.Context, conn Conn, c TraceConfig, each func(Hop) error) error {
	x, err := newExchange(conn, c.To, c.Size)
	if err != nil {
		conn.Close()
		return err
	}
	defer x.close()
	for ttl := 1; ttl <= c.MaxHops; ttl++ {
		hop, err := x.hop(ctx, ttl, c)
		if err != nil {
			return err
		}
		if err := each(hop); err != nil || hop.Arrived() {
			return err
		}
	}
	return nil
}

// hop sends the requests for one hop at once and waits for what becomes of them.
func (x *exchange) hop(ctx context.Context, ttl int, c TraceConfig) (Hop, error) {
	hop := Hop{TTL: ttl, Replies: make([]Reply, c.Queries)}
	first := x.sent + 1
	keep := func(r Reply) error {
		hop.Replies[r.Seq-first] = r
		return nil
	}
	for range c.Queries {
		if err := x.send(ttl, c.Timeout); err != nil {
			return hop, err
		}
	}
	for len(x.open) > 0 {
		var err error
		select {
		case a := <-x.answers:
			if r, ok := x.settle(a); ok {
				err = keep(r)
			}
		case <-x.expiry.C:
			err = x.expire(keep)
		case err = <-x.broken:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return hop, err
		}
	}
	return hop, nil
}

// checkFamily refuses an address that cannot be reached from the socket's.
func checkFamily(local, to netip.Addr) error {
	if local.Is4() != to.Is4() {
		return fmt.Errorf("%v cannot be asked from %v: one is IPv4, the other IPv6", to, local)
	}
	return nil
}
