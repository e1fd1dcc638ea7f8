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

func TestBoundOfTheAutomaticChoice(t *testing.T) {
	transports := NewTransports(Automatic)
	transports.offer("hs0")
	transports.offer("hs1")
	if err := transports.SetBelow(1_000_000); err != nil {
		t.Fatal(err)
	}
	https, lowband := telemetry.HTTPS, telemetry.Lowband
	for i, step := range []struct {
		rate link.BitRate
		want telemetry.Transport
	}{{1_000_000, https}, {999_999, lowband}, {1_499_999, lowband}, {1_500_000, https}, {1_400_000, https}} {
		if got := transports.pick("hs0", "hs1", Path{Rate: step.rate}); got != step.want {
			t.Errorf("step %d at %d bit/s: %s", i, step.rate, got)
		}
	}
	for _, rate := range []link.BitRate{link.Unlimited, link.MinRate, -1} {
		var bad *RateError
		if err := transports.SetBelow(rate); !errors.As(err, &bad) || transports.Below() != 1_000_000 {
			t.Errorf("%d: %v, %v", rate, err, transports.Below())
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
