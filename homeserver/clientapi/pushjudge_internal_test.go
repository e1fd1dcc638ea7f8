package clientapi

import "testing"

func TestContainsWords(t *testing.T) {
	for name, c := range map[string]struct {
		text, pattern string
		want          bool
	}{
		"whole":             {"tea", "tea", true},
		"in-the-middle":     {"a tea, please", "tea", true},
		"part-of-a-word":    {"steam", "tea", false},
		"begin-of-a-word":   {"teapot", "tea", false},
		"wild-end":          {"teapot", "tea*", true},
		"wild-wrong-begin":  {"steam", "tea*", false},
		"one-character":     {"a bat here", "b?t", true},
		"two-words":         {"black tea", "black tea", true},
		"punctuation":       {"(tea)", "tea", true},
		"second-occurrence": {"steam and tea", "tea", true},
		"other-letters":     {"thé noir", "thé", true},
		"empty":             {"tea", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := containsWords(c.text, c.pattern); got != c.want {
				t.Errorf("%q in %q: %v", c.pattern, c.text, got)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	for path, want := range map[string][]string{
		`content.body`:                        {"content", "body"},
		`content.m\.mentions.user_ids`:        {"content", "m.mentions", "user_ids"},
		`a\\.b`:                               {`a\`, "b"},
		`a\b`:                                 {`a\b`},
		`type`:                                {"type"},
		`content.m\.relates_to.rel\\_type\.x`: {"content", "m.relates_to", `rel\_type.x`},
	} {
		var got []string
		for rest := path; rest != ""; {
			var step string
			step, rest = cutPath(rest)
			got = append(got, step)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %q, want %q", path, got, want)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
	}
}
