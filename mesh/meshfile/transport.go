package meshfile

import (
	"cmp"

	"meshsim/gateway"
	"meshsim/link"
)

// Transport is how servers talk to each other. The zero value of each field means that the file does not say.
type Transport struct {
	Choice gateway.Choice
	Below  link.BitRate // what the automatic choice counts as slow
}

// OrDefault fills in what the file does not say.
func (t Transport) OrDefault() Transport {
	return Transport{Choice: cmp.Or(t.Choice, gateway.AlwaysHTTPS), Below: cmp.Or(t.Below, gateway.DefaultSlow)}
}

// Chooser knows how servers talk to each other now.
type Chooser interface {
	Choice() gateway.Choice
	Below() link.BitRate
}

// TransportOf is what c says now.
func TransportOf(c Chooser) Transport { return Transport{Choice: c.Choice(), Below: c.Below()} }
