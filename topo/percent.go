package topo

import "math"

// Percent is a share of a hundred: 2.5 is 2.5 %.
type Percent float64

// PercentOf is a share of 1 in percent, without the last digits that the way to a share and back leaves: what a
// person wrote is read back as it was.
func PercentOf(share float64) Percent { return Percent(math.Round(share*1e11) / 1e9) }

// Share is the percentage as a share of 1.
func (p Percent) Share() float64 { return float64(p) / 100 }

// String formats the percentage as it is written in mesh files.
func (p Percent) String() string { return formatFloat(float64(p)) + " %" }
