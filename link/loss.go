package link

// burstState is the state of the Gilbert-Elliott model.
type burstState struct{ bad bool }

// lost draws whether the medium loses this packet.
func (s *Shaper) lost() bool {
	g := s.params.Burst
	if g == nil {
		return s.chance(s.params.Loss)
	}
	// As in netem: the packet is judged in the state that it finds, then the state moves.
	share, leave := g.LossGood, g.P
	if s.burst.bad {
		share, leave = g.LossBad, g.R
	}
	lost := s.chance(share)
	if s.chance(leave) {
		s.burst.bad = !s.burst.bad
	}
	return lost
}
