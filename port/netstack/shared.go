package netstack

import (
	"math/rand"
	randv2 "math/rand/v2"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// What the stacks of a process can share, they share: two thirds of an idle stack's memory are tables that are never
// written to, counters, and random state that is as good when it is common.

// ipv4Factory makes the IPv4 protocol. The stacks share its 2048 counters for the identification field.
var ipv4Factory = sync.OnceValue(func() stack.NetworkProtocolFactory {
	return ipv4.NewProtocolWithOptions(ipv4.Options{})
})

// acceptAll are packet filter tables that let everything pass. Nothing changes them, so nothing in them runs.
var acceptAll = sync.OnceValue(func() *stack.IPTables {
	return stack.DefaultTables(tcpip.NewStdClock(), rand.New(source{}))
})

// allStats counts for all stacks together; nobody reads it, and gVisor cannot do without.
var allStats = sync.OnceValue(func() tcpip.Stats { return tcpip.Stats{}.FillIn() })

// source is a rand.Source64 over the runtime's generator, where gVisor would give every stack 5 KB of state.
type source struct{}

var _ rand.Source64 = source{}

func (source) Int63() int64   { return randv2.Int64() }
func (source) Uint64() uint64 { return randv2.Uint64() }
func (source) Seed(int64)     {}
