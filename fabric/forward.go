package fabric

import (
	"meshsim/link"
)

// enterLocked puts a packet into the network at n, where it comes from.
func (f *Fabric) enterLocked(n *node, p Packet, dst *node, now link.Instant) {
	p.Ingress, p.Hops = now, 0
	f.arriveLocked(n, flight{Packet: p, dst: dst}, now)
}

// arriveLocked handles a packet that is at node n at time now, and takes it as far as it gets without
// waiting.
func (f *Fabric) arriveLocked(n *node, p flight, now link.Instant) {
	for {
		if p.damaged && !f.readAgainLocked(n, &p) {
			return
		}
		if p.dst.id == n.id {
			f.arrivedLocked(n, p)
			return
		}
		d := f.nextLocked(n, &p, now)
		if d == nil || !f.crossLocked(d, &p, now) {
			return
		}
		n = d.to
		p.Hops++
	}
}

// readAgainLocked reads the header of a packet that the medium has damaged, and drops it where that cannot
// be done. The bit may have made it a packet for somebody else.
func (f *Fabric) readAgainLocked(n *node, p *flight) bool {
	h, ok := parseHeader(p.Data, p.super())
	if !ok {
		f.dropLocked(n, p.Data, link.DropMalformed)
		return false
	}
	p.damaged = false
	p.Data = p.Data[:h.total]
	if p.dst = f.addrs[h.dst]; p.dst == nil {
		f.dropLocked(n, p.Data, link.DropNoRoute)
		return false
	}
	return true
}

// nextLocked returns the direction that p leaves node n by. Where there is none it answers as a router does,
// drops p and returns nil.
func (f *Fabric) nextLocked(n *node, p *flight, now link.Instant) *direction {
	if p.Hops > 0 && !decrementTTL(p.Data) {
		f.refuseLocked(n, p.Data, errTimeExceeded, now)
		return nil
	}
	if f.router != nil {
		if next, ok := f.router.NextHop(n.id, p.dst.id); ok && n.out[next] != nil {
			return n.out[next]
		}
	}
	f.refuseLocked(n, p.Data, errNoRoute, now)
	return nil
}

// crossLocked sends a packet over d at time now. It is true when the packet is at the far end at once: the
// link takes no time and nothing is on it. Otherwise the packet was taken care of.
func (f *Fabric) crossLocked(d *direction, p *flight, now link.Instant) bool {
	if p.super() && (!d.whole || segmentLength(p.Data, p.SegmentSize) > d.mtu) {
		for segment := range segments(p.Data, int(p.SegmentSize)) {
			s := *p
			s.Data, s.SegmentSize = segment, 0
			f.launchLocked(d, s, now)
		}
		Free(p.Data)
		return false
	}
	if !p.super() && len(p.Data) > d.mtu {
		f.tooBigLocked(d, p, now)
		return false
	}
	return f.admitLocked(d, p, now)
}

// launchLocked sends a packet over d and goes on with it if it is at the far end at once.
func (f *Fabric) launchLocked(d *direction, p flight, now link.Instant) {
	if f.crossLocked(d, &p, now) {
		p.Hops++
		f.arriveLocked(d.to, p, now)
	}
}

// admitLocked submits a packet to the shaper of d. Its result is that of crossLocked.
func (f *Fabric) admitLocked(d *direction, p *flight, now link.Instant) bool {
	packets, bytes := p.weigh()
	v := f.judgeLocked(d, p, now)
	d.offered(p, now, v.Drop)
	if v.Drop != link.NotDropped {
		d.counters.drops[v.Drop] += packets
		f.totals.Drops[v.Drop] += packets
		Free(p.Data)
		return false
	}
	d.counters.packets += packets
	d.counters.bytes += bytes
	if v.Duplicated {
		f.copyLocked(d, p, now, v.CopyArrives)
	}
	if v.Corrupted {
		d.counters.corrupted++
		p.Data[v.CorruptBit/8] ^= 1 << (v.CorruptBit % 8)
		p.damaged = true
	}
	if v.Reordered {
		d.counters.reordered++
	}
	if v.Arrives == now && d.flights.len() == 0 {
		return true
	}
	f.flyLocked(d, *p, now, v.Arrives)
	return false
}

// judgeLocked asks the shaper of d, unless there is no room for the packet anywhere.
func (f *Fabric) judgeLocked(d *direction, p *flight, now link.Instant) link.Verdict {
	if f.inFlight+footprint(p.Data) > f.maxInFlight {
		return link.Verdict{Drop: link.DropOverload}
	}
	return d.shaper.Admit(now, len(p.Data))
}

// copyLocked puts the second copy of a duplicated packet on its way.
func (f *Fabric) copyLocked(d *direction, p *flight, now, arrives link.Instant) {
	d.counters.duplicated++
	twin := *p
	twin.Data = Alloc(len(p.Data))
	copy(twin.Data, p.Data)
	f.flyLocked(d, twin, now, arrives)
}

func (f *Fabric) flyLocked(d *direction, p flight, now, arrives link.Instant) {
	f.admitted++
	f.inFlight += footprint(p.Data)
	p.sent, p.arrives, p.order = now, arrives, f.admitted
	f.due.add(d, p)
}

// dropLocked counts a packet that node n drops and takes back its buffer.
func (f *Fabric) dropLocked(n *node, data []byte, why link.DropReason) {
	n.drops[why]++
	f.totals.Drops[why]++
	Free(data)
}
