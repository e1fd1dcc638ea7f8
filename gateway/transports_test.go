package gateway

import (
	"errors"
	"testing"

	"meshsim/link"
	"meshsim/telemetry"
)

func TestTransportsPick(t *testing.T) {
	rates := []link.BitRate{link.Unlimited, 512_000, 25_000, 19_999, 25_000, 30_000, 25_000}
	https, lowband := telemetry.HTTPS, telemetry.Lowband
	for _, c := range []struct {
		choice Choice
		to     string
		want   []telemetry.Transport // at each rate, in this order
	}{
		{AlwaysHTTPS, "hs1", []telemetry.Transport{https, https, https, https, https, https, https}},
		{AlwaysLowband, "hs1", []telemetry.Transport{lowband, lowband, lowband, lowband, lowband, lowband, lowband}},
		{Automatic, "hs1", []telemetry.Transport{https, https, https, lowband, lowband, https, https}},
		{AlwaysLowband, "stock", []telemetry.Transport{https, https, https, https, https, https, https}},
		{Automatic, "stock", []telemetry.Transport{https, https, https, https, https, https, https}},
		{"", "hs1", []telemetry.Transport{https, https, https, https, https, https, https}},
	} {
		transports := NewTransports(c.choice)
		transports.offer("hs0")
		transports.offer("hs1")
		for i, rate := range rates {
			if got := transports.pick("hs0", c.to, Path{Rate: rate}); got != c.want[i] {
				t.Errorf("%q to %s, step %d at %d bit/s: %s", c.choice, c.to, i, rate, got)
			}
		}
	}
}

func TestParseChoice(t *testing.T) {
	for _, word := range []string{"https", "lowband", "auto"} {
		if c, err := ParseChoice(word); err != nil || string(c) != word {
			t.Errorf("%s: %q, %v", word, c, err)
		}
	}
	var bad *ChoiceError
	if _, err := ParseChoice("HTTPS"); !errors.As(err, &bad) || bad.Word != "HTTPS" {
		t.Errorf("got %v", err)
	}
}
