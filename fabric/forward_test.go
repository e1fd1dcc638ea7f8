package fabric

import (
	"testing"
	"time"

	"meshsim/link"
)

func TestForwardingTakesTheSumOfTheDelays(t *testing.T) {
	inLine(t, 4, link.Params{Delay: 10 * time.Millisecond}, func(t *testing.T, l *line) {
		l.send(0, ipv4(0, 3, 100, 7), ipv6(0, 3, 100, 8))
		l.sleep(time.Second)
		got, when := l.ports[3].packets(), l.ports[3].times()
		if len(got) != 2 || id(got[0]) != 7 || id(got[1]) != 8 {
			t.Fatalf("got %v", got)
		}
		if when[0] != link.Instant(30*time.Millisecond) {
			t.Errorf("arrived at %v, want 30ms", time.Duration(when[0]))
		}
		if ttl := got[0].Data[8]; ttl != 62 || got[0].Hops != 3 || got[0].Ingress != 0 {
			t.Errorf("ttl %d, hops %d, ingress %d", ttl, got[0].Hops, got[0].Ingress)
		}
		if checksum(got[0].Data[:20], 0) != 0 {
			t.Error("IPv4 checksum is wrong after the TTL was decremented")
		}
		if got[1].Data[7] != 62 {
			t.Errorf("hop limit is %d, want 62", got[1].Data[7])
		}
	})
}

func TestCutThroughWithoutDelay(t *testing.T) {
	inLine(t, 6, link.Params{}, func(t *testing.T, l *line) {
		l.send(0, ipv4(0, 5, 100, 1))
		l.sleep(0)
		if n := len(l.ports[5].packets()); n != 1 {
			t.Fatalf("%d packets arrived at once, want 1", n)
		}
	})
}
