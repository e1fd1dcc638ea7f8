package api

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"meshsim/link"
	"meshsim/topo"
)

// fields is a JSON object of the original's interface, whose numbers may also come as strings.
type fields map[string]json.RawMessage

// readFields reads a request's body, an object with no other fields than those allowed.
func readFields(r *http.Request, allowed ...string) (fields, error) {
	decoder := json.NewDecoder(r.Body)
	var body fields
	if err := decoder.Decode(&body); err != nil {
		return nil, notAnObject(err)
	}
	if body == nil {
		return nil, badValue("the body is null: a JSON object is needed, with %s", strings.Join(allowed, ", "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, badValue("the body goes on after its JSON object")
	}
	for name := range body {
		if !slices.Contains(allowed, name) {
			return nil, badValue("there is no %s here: allowed are %s", quoted(name), strings.Join(allowed, ", "))
		}
	}
	return body, nil
}

// notAnObject explains a body that cannot be decoded. A body that is too long stays the error that it is.
func notAnObject(err error) error {
	if isA[*http.MaxBytesError](err) {
		return err
	}
	return badValue("the body is no JSON object: %v", err)
}

// number reads a field that is a number, or a string that holds one, within bounds. It is required.
func (f fields) number(name string, least, most float64) (float64, error) {
	raw, ok := f[name]
	if !ok {
		return 0, badValue("%s is missing: it must be a number from %v to %v", name, least, most)
	}
	text := string(raw)
	if unquoted, ok := jsonString(raw); ok {
		text = strings.TrimSpace(unquoted)
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || value < least || value > most || strings.ContainsAny(text, "xXpP_") {
		return 0, badValue("%s is %s: it must be a number from %s to %s", name, shown(raw), plain(least), plain(most))
	}
	return value, nil
}

// plain writes a number without an exponent.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func jsonString(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// text reads an optional field that is a string.
func (f fields) text(name string) (string, error) {
	raw, ok := f[name]
	if !ok {
		return "", nil
	}
	s, ok := jsonString(raw)
	if !ok {
		return "", badValue("%s is %s: it must be a string", name, shown(raw))
	}
	return s, nil
}

// boolean reads a required field that is true or false, perhaps in quotes.
func (f fields) boolean(name string) (bool, error) {
	raw := f[name]
	text := string(raw)
	if unquoted, ok := jsonString(raw); ok {
		text = unquoted
	}
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, badValue("%s is %s: it must be true or false", name, shown(raw))
}

func (f fields) position() (x, y float64, err error) {
	if x, err = f.number("x", -topo.MaxCoordinate, topo.MaxCoordinate); err != nil {
		return 0, 0, err
	}
	y, err = f.number("y", -topo.MaxCoordinate, topo.MaxCoordinate)
	return x, y, err
}

func (f fields) latency(name string) (time.Duration, error) {
	ms, err := f.number(name, 0, milliseconds(link.MaxDelay))
	return duration(ms), err
}

func (f fields) percent(name string) (topo.Percent, error) {
	share, err := f.number(name, 0, 100)
	return topo.Percent(share), err
}

// originalUnlimited stands for an unlimited bandwidth in the original's interface, which has no word for it: what it
// counts as where bandwidths are compared (CONTRACTS.md).
const originalUnlimited = topo.UnlimitedCounts

// bandwidth reads a rate.
func (f fields) bandwidth(name string) (link.BitRate, error) {
	if text, ok := jsonString(f[name]); ok && strings.TrimSpace(text) == unlimited {
		return link.Unlimited, nil
	}
	rate, err := f.number(name, float64(link.MinRate), float64(link.MaxRate))
	if err != nil || rate == float64(originalUnlimited) {
		return link.Unlimited, err
	}
	return link.BitRate(math.Round(rate)), nil
}

// pin reads the parameter that a link is pinned to.
func (f fields) pin(param string) (topo.Pin, error) {
	switch param {
	case "latency":
		latency, err := f.latency(param)
		return topo.Pin{Latency: &latency}, err
	case "bandwidth":
		rate, err := f.bandwidth(param)
		return topo.Pin{Bandwidth: &rate}, err
	case "jitter":
		jitter, err := f.percent(param)
		return topo.Pin{Jitter: &jitter}, err
	default:
		loss, err := f.percent(param)
		return topo.Pin{Loss: &loss}, err
	}
}

// minBandwidth reads a rate where 0 means none.
func (f fields) minBandwidth(name string) (link.BitRate, error) {
	rate, err := f.number(name, 0, float64(originalUnlimited-1))
	return link.BitRate(math.Round(rate)), err
}

// scale reads a percentage of which package topo refuses 0.
func (f fields) scale(name string) (topo.Percent, error) {
	scale, err := f.number(name, 0, float64(topo.MaxLatencyScale))
	return topo.Percent(scale), err
}

func (f fields) cost(name string) (topo.Cost, error) {
	text, err := f.text(name)
	if err != nil {
		return "", err
	}
	switch cost := topo.Cost(text); cost {
	case topo.MinLatency, topo.MaxBandwidth:
		return cost, nil
	}
	return "", badValue("%s is %s: it must be %s or %s", name, quoted(text), topo.MinLatency, topo.MaxBandwidth)
}
