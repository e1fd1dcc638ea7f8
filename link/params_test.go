package link_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"meshsim/link"
)

func TestValidate(t *testing.T) {
	cases := map[string]struct {
		p    link.Params
		want string // in the error; "" for none
	}{
		"zero":               {link.Params{}, ""},
		"slowest":            {link.Params{Rate: 100}, ""},
		"all":                {link.Params{Rate: 1e12, Delay: time.Hour, Jitter: time.Hour, Loss: 1, Burst: &link.GilbertElliott{P: 1}, MTU: 1280}, ""},
		"rate-too-low":       {link.Params{Rate: 99}, "link rate is 99; allowed is unlimited, or 100bit to 1000Gbit"},
		"rate-negative":      {link.Params{Rate: -1}, "rate"},
		"delay-negative":     {link.Params{Delay: -1}, "link delay is -1ns; allowed is 0 to 24h0m0s"},
		"delay-absurd":       {link.Params{Delay: 25 * time.Hour}, "delay"},
		"jitter-negative":    {link.Params{Jitter: -1}, "jitter"},
		"distribution":       {link.Params{JitterDistribution: 9}, "uniform, normal, pareto or paretonormal"},
		"correlation":        {link.Params{JitterCorrelation: 1.1}, "jitter correlation"},
		"loss-nan":           {link.Params{Loss: math.NaN()}, "link loss is NaN; allowed is 0 to 1"},
		"burst":              {link.Params{Burst: &link.GilbertElliott{LossBad: 2}}, "burst loss in the bad state"},
		"duplicate":          {link.Params{Duplicate: -0.1}, "duplicate"},
		"reorder":            {link.Params{Reorder: math.Inf(1)}, "reorder"},
		"corrupt":            {link.Params{Corrupt: 2}, "corrupt"},
		"queue-negative":     {link.Params{QueueLimit: -1}, "queue limit"},
		"queue-absurd":       {link.Params{QueueLimit: 1 << 40}, "queue limit"},
		"overhead-negative":  {link.Params{Overhead: -1}, "overhead"},
		"mtu-below-rfc-791":  {link.Params{MTU: 67}, "link MTU is 67; allowed is 0 (the default), or 68 to 65535 bytes"},
		"mtu-beyond-a-field": {link.Params{MTU: 65536}, "MTU"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.p.Validate()
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var wrong *link.ParamError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestUnimpaired(t *testing.T) {
	for _, p := range []link.Params{{}, {Delay: time.Second}, {MTU: 9000}, {QueueLimit: 5}, {Overhead: 38}} {
		if !p.Unimpaired() {
			t.Errorf("%+v is impaired", p)
		}
	}
	for _, p := range []link.Params{
		{Rate: 1e9}, {Jitter: 1}, {Loss: 0.1}, {Burst: &link.GilbertElliott{}}, {Duplicate: 0.1},
		{Reorder: 0.1}, {Corrupt: 0.1}, {Down: true},
	} {
		if p.Unimpaired() {
			t.Errorf("%+v is unimpaired", p)
		}
	}
}

func TestParseBitRate(t *testing.T) {
	good := map[string]link.BitRate{
		"250kbit": 250_000, "1.5Mbit": 1_500_000, "2gbit": 2e9, "1Tbit": 1e12, "9600": 9600, "100bit": 100,
		"2Kibit": 2048, "1mibit": 1 << 20, "1GIBIT": 1 << 30, " 10 mbit ": 10e6, "1e3": 1000, "64kbit/s": 64_000,
		"unlimited": link.Unlimited, "Unlimited": link.Unlimited,
	}
	for text, want := range good {
		if got, err := link.ParseBitRate(text); err != nil || got != want {
			t.Errorf("%q is %d (%v), want %d", text, got, err, want)
		}
	}
	bad := []string{"", "0", "0kbit", "99", "-5mbit", "2tbit", "1mbps", "kbit", "fast", "inf", "nan", "0x10", "1_000", "1 2kbit", "1kbit2"}
	for _, text := range bad {
		var wrong *link.RateError
		if got, err := link.ParseBitRate(text); !errors.As(err, &wrong) {
			t.Errorf("%q is %d (%v), want a RateError", text, got, err)
		}
	}
}

func TestBitRateText(t *testing.T) {
	for rate, want := range map[link.BitRate]string{
		0: "unlimited", 100: "100bit", 999: "999bit", 1000: "1kbit", 250_000: "250kbit", 1_500_000: "1.5Mbit",
		1_234_567: "1.234567Mbit", 1e9: "1Gbit", 1e12: "1000Gbit",
	} {
		if got := rate.String(); got != want {
			t.Errorf("%d is %q, want %q", int64(rate), got, want)
		}
	}
}

func TestTextForms(t *testing.T) {
	type document struct {
		Rate   link.BitRate
		Jitter link.Distribution
	}
	out, err := json.Marshal(document{1_500_000, link.ParetoNormal})
	if want := `{"Rate":"1.5Mbit","Jitter":"paretonormal"}`; err != nil || string(out) != want {
		t.Fatalf("got %s (%v), want %s", out, err, want)
	}
	var in document
	if err := json.Unmarshal(out, &in); err != nil || in != (document{1_500_000, link.ParetoNormal}) {
		t.Errorf("got %+v (%v)", in, err)
	}
	if err := json.Unmarshal([]byte(`{"Jitter":"gauss"}`), &in); err == nil {
		t.Error("an unknown distribution was taken")
	}
	if _, err := json.Marshal(link.Distribution(9)); err == nil {
		t.Error("an unknown distribution was written")
	}
}

func TestDropReasonNamesAreDistinct(t *testing.T) {
	seen := make(map[string]bool)
	for r := range link.DropReasons {
		name := link.DropReason(r).String()
		if name == "" || seen[name] {
			t.Errorf("reason %d is called %q", r, name)
		}
		seen[name] = true
	}
}

func FuzzParseBitRate(f *testing.F) {
	for _, seed := range []string{"250kbit", "1.5Mbit", "unlimited", "1e400", "9007199254740993", "1bps", "..5", "1e-3tbit"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rate, err := link.ParseBitRate(text)
		if err != nil {
			return
		}
		if err := (link.Params{Rate: rate}).Validate(); err != nil {
			t.Fatalf("%q is accepted as %d, which is invalid: %v", text, int64(rate), err)
		}
		if again, err := link.ParseBitRate(rate.String()); err != nil || again != rate {
			t.Fatalf("%q is %d, written %q, read back as %d (%v)", text, int64(rate), rate.String(), int64(again), err)
		}
	})
}
