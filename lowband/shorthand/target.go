package shorthand

import (
	"net/url"
	"strings"
)

// style is how the arguments of a path are escaped. It matters: requests between servers are signed with the spelling.
type style uint64

const (
	styleGo     style = iota // url.PathEscape
	stylePython              // everything but unreserved characters (RFC 3986), as Synapse does
)

func (s style) escape(arg string) string {
	if s == styleGo {
		return url.PathEscape(arg)
	}
	// QueryEscape differs from that in nothing but the space.
	return strings.ReplaceAll(url.QueryEscape(arg), "+", "%20")
}

// route is one path of the tables.
type route struct {
	code     int64 // without the style: even numbers
	segments []string
}

// pathTree finds routes by their number of segments, and by code.
type pathTree struct {
	byLength map[int][]*route
	byCode   map[int64]*route
}

const clientPrefix = "/_matrix/client"

func newPathTree() pathTree {
	t := pathTree{byLength: map[int][]*route{}, byCode: map[int64]*route{}}
	for i, path := range federationPaths {
		t.add(int64(-2-2*i), path)
	}
	for i, path := range clientPaths {
		if strings.HasPrefix(path, clientPrefix) {
			t.add(int64(4*i), path)
			continue
		}
		t.add(int64(4*i), clientPrefix+"/r0"+path)
		t.add(int64(4*i+2), clientPrefix+"/v3"+path)
	}
	return t
}

func (t *pathTree) add(code int64, path string) {
	r := &route{code: code, segments: strings.Split(path, "/")}
	t.byLength[len(r.segments)] = append(t.byLength[len(r.segments)], r)
	t.byCode[code] = r
}

// match finds the route of a path and its arguments, still escaped. Of two that match, the one with fewer arguments is
// meant; a path that gives the same again either way is as good.
func (t *pathTree) match(segments []string) (found *route, args []string) {
	for _, r := range t.byLength[len(segments)] {
		if a, ok := r.arguments(segments); ok && (found == nil || len(a) < len(args)) {
			found, args = r, a
		}
	}
	return found, args
}

func (r *route) arguments(segments []string) (args []string, ok bool) {
	for i, s := range r.segments {
		switch {
		case s == "*":
			args = append(args, segments[i])
		case s != segments[i]:
			return nil, false
		}
	}
	return args, true
}

// build puts a path together.
func (r *route) build(args []string, s style) string {
	var b strings.Builder
	for i, segment := range r.segments {
		if i > 0 {
			b.WriteByte('/')
		}
		if segment == "*" {
			segment, args = s.escape(args[0]), args[1:]
		}
		b.WriteString(segment)
	}
	return b.String()
}

func (r *route) wildcards() int {
	n := 0
	for _, s := range r.segments {
		if s == "*" {
			n++
		}
	}
	return n
}

// short is a request's target in the short form.
type short struct {
	code  int64 // of the route and the style
	args  []string
	query []string // keys and values in turn
}

// shorten finds the short form of a request URI, if the same URI comes out of it again.
func (t *pathTree) shorten(uri string) (short, bool) {
	path, query, asked := strings.Cut(uri, "?")
	r, raw := t.match(strings.Split(path, "/"))
	if r == nil {
		return short{}, false
	}
	s := short{args: make([]string, len(raw))}
	for i, a := range raw {
		plain, err := url.PathUnescape(a)
		if err != nil {
			return short{}, false
		}
		s.args[i] = plain
	}
	if asked {
		var ok bool
		if s.query, ok = pairs(query); !ok {
			return short{}, false
		}
	}
	for _, st := range []style{styleGo, stylePython} {
		s.code = r.code | int64(st)
		if full, ok := t.lengthen(s); ok && full == uri {
			return s, true
		}
	}
	return short{}, false
}

func pairs(query string) ([]string, bool) {
	var all []string
	for pair := range strings.SplitSeq(query, "&") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, false
		}
		for _, part := range []string{key, value} {
			plain, err := url.QueryUnescape(part)
			if err != nil {
				return nil, false
			}
			all = append(all, plain)
		}
	}
	return all, true
}

// lengthen is the inverse of shorten. It is false for a code or a number of arguments that is in no table.
func (t *pathTree) lengthen(s short) (uri string, ok bool) {
	r := t.byCode[s.code&^1]
	if r == nil || len(s.args) != r.wildcards() || len(s.query)%2 != 0 {
		return "", false
	}
	uri = r.build(s.args, style(s.code&1))
	for i := 0; i < len(s.query); i += 2 {
		sep := "&"
		if i == 0 {
			sep = "?"
		}
		uri += sep + url.QueryEscape(s.query[i]) + "=" + url.QueryEscape(s.query[i+1])
	}
	return uri, true
}
