package federation

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"meshsim/matrix"
)

// shrinkAttempts bounds how many histories are run to find a short one that fails.
const shrinkAttempts = 400

// try runs the history of a seed, all of it or the steps that are named, and returns "" when all is well. Otherwise it
// looks for a shorter history that fails, unless steps were named, and reports that.
func (s scenario) try(t *testing.T, seed uint64, steps string) (report string) {
	p := newPlan(seed, s.plan)
	keep, err := parseSteps(steps, len(p.steps))
	if err != nil {
		t.Fatal(err)
	}
	h := s.play(t, p, keep)
	if len(h.failures) == 0 {
		return ""
	}
	if steps == "" {
		keep = shrink(keep, shrinkAttempts, func(keep []int) bool {
			shorter := s.play(t, p, keep)
			if len(shorter.failures) == 0 {
				return false
			}
			h = shorter
			return true
		})
	}
	return s.report(p, keep, h)
}

// shrink leaves out as much as it can without fails becoming false, in at most so many attempts: first everything, then
// halves, quarters and so on, and single items until none can go ("Simplifying and Isolating Failure-Inducing Input",
// Zeller and Hildebrandt 2002, without its test of subsets).
func shrink(items []int, attempts int, fails func([]int) bool) []int {
	for size := len(items); size > 0; {
		left := len(items)
		for at := 0; at < len(items); {
			if attempts == 0 {
				return items
			}
			attempts--
			if fewer := slices.Delete(slices.Clone(items), at, min(at+size, len(items))); fails(fewer) {
				items = fewer
			} else {
				at += size
			}
		}
		if size > 1 || len(items) == left {
			size /= 2
		}
	}
	return items
}

// formatSteps writes ascending indices as a list with ranges, "none" for none.
func formatSteps(steps []int) string {
	if len(steps) == 0 {
		return "none"
	}
	var parts []string
	for i := 0; i < len(steps); {
		last := i
		for last+1 < len(steps) && steps[last+1] == steps[last]+1 {
			last++
		}
		part := strconv.Itoa(steps[i])
		if last > i {
			part += "-" + strconv.Itoa(steps[last])
		}
		parts = append(parts, part)
		i = last + 1
	}
	return strings.Join(parts, ",")
}

// parseSteps is the reverse of formatSteps; "" means all of n steps.
func parseSteps(list string, n int) (steps []int, err error) {
	switch list {
	case "":
		list = fmt.Sprintf("0-%d", n-1)
	case "none":
		return nil, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, ranged := strings.Cut(part, "-")
		if !ranged {
			to = from
		}
		first, errFirst := strconv.Atoi(from)
		last, errLast := strconv.Atoi(to)
		if errFirst != nil || errLast != nil || first < 0 || last < first || last >= n {
			return nil, fmt.Errorf("-keep %s: %q names none of the steps 0 to %d", list, part, n-1)
		}
		for i := first; i <= last; i++ {
			steps = append(steps, i)
		}
	}
	return steps, nil
}

func TestShrink(t *testing.T) {
	all, err := parseSteps("", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]int{nil, {0}, {99}, {3, 77}, {10, 11, 12, 50}} {
		attempts := 0
		got := shrink(all, 400, func(items []int) bool {
			attempts++
			return !slices.ContainsFunc(want, func(i int) bool { return !slices.Contains(items, i) })
		})
		if !slices.Equal(got, want) {
			t.Errorf("of what fails with %v, %v is left after %d attempts", want, got, attempts)
		}
	}
	attempts := 0
	if got := shrink(all, 5, func(items []int) bool { attempts++; return false }); len(got) != 100 || attempts != 5 {
		t.Errorf("%d items are left after %d attempts of 5", len(got), attempts)
	}
}

func TestSteps(t *testing.T) {
	for _, list := range []string{"none", "0", "0,2", "0-2", "1,3-5,9"} {
		steps, err := parseSteps(list, 10)
		if err != nil || formatSteps(steps) != list {
			t.Errorf("%s is read as %v: %v", list, steps, err)
		}
	}
	for _, list := range []string{"10", "x", "-1", "3-2", "1,,2"} {
		if steps, err := parseSteps(list, 10); err == nil {
			t.Errorf("%s is read as %v", list, steps)
		}
	}
}

// TestFailureIsShort: of a history in which one server stops to take events in once it has got a topic, what is left
// are few steps of which none can go; and with the flags that are printed it fails again.
func TestFailureIsShort(t *testing.T) {
	broken := peaceful
	broken.plant = func(h *history) { h.m.instead["hs1"] = &forgetful{h: h} }
	report := broken.try(t, 3, "")
	_, flags, _ := strings.Cut(report, "go test ./homeserver/federation -run '^TestConvergence$' -seeds 1 -seed 3 -keep ")
	flags, _, _ = strings.Cut(flags, "\n")
	p := newPlan(3, broken.plan)
	steps, err := parseSteps(flags, len(p.steps))
	if err != nil || len(steps) == 0 || len(steps) > 5 || len(p.steps) < 100 {
		t.Fatalf("of %d steps, 1 to 5 were to be left:\n%s", len(p.steps), report)
	}
	var said []string
	for i, step := range steps {
		said = append(said, p.steps[step].says)
		if !strings.Contains(report, p.steps[step].says) {
			t.Errorf("the report does not speak of %q:\n%s", p.steps[step].says, report)
		}
		if fewer := broken.play(t, p, slices.Delete(slices.Clone(steps), i, i+1)); len(fewer.failures) > 0 {
			t.Errorf("without %q it fails as well", p.steps[step].says)
		}
	}
	if text := strings.Join(said, "\n"); !strings.Contains(text, "hs1 joins") || !strings.Contains(text, matrix.TypeTopic) {
		t.Errorf("what is left has nothing to do with the fault:\n%s", text)
	}
	if again := broken.try(t, 3, flags); again == "" {
		t.Error("with the flags of the report nothing fails")
	}
	if well := peaceful.try(t, 3, flags); well != "" {
		t.Errorf("without the fault it fails as well:\n%s", well)
	}
}

// forgetful acknowledges transactions without looking at them once it has got a topic.
type forgetful struct {
	h    *history
	seen bool
}

func (f *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	honest := f.h.m.peers["hs1"].Handler
	if !strings.Contains(r.URL.Path, "/send/") {
		honest.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.h.mu.Lock()
	seen := f.seen
	f.seen = f.seen || bytes.Contains(body, []byte(`"`+matrix.TypeTopic+`"`))
	f.h.mu.Unlock()
	if seen {
		fmt.Fprint(w, `{"pdus":{}}`)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	honest.ServeHTTP(w, r)
}
