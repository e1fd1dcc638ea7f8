package clientapi

import (
	"net/http"
	"net/url"
	"strings"
)

// table finds the route for a method and path. It is a tree of path segments and immutable once built.
type table struct{ root segment }

// segment is one step of a path. A literal step is preferred to a variable one.
type segment struct {
	literal  map[string]*segment
	variable *segment
	name     string // of the variable that leads here
	methods  map[string]route
}

// route is what serves one method of one path.
type route struct {
	serve func(*call) (any, error)
	open  bool // needs no access token
}

// vars are the variables of a matched path, unescaped.
type vars map[string]string

// add registers a route. The path is escaped, its variables are written {name}.
func (t *table) add(method, path string, r route) {
	at := &t.root
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		at = at.child(step)
	}
	if at.methods == nil {
		at.methods = map[string]route{}
	}
	at.methods[method] = r
}

func (s *segment) child(step string) *segment {
	if name, ok := strings.CutPrefix(step, "{"); ok {
		if s.variable == nil {
			s.variable = &segment{name: strings.TrimSuffix(name, "}")}
		}
		return s.variable
	}
	if s.literal[step] == nil {
		if s.literal == nil {
			s.literal = map[string]*segment{}
		}
		s.literal[step] = &segment{}
	}
	return s.literal[step]
}

// find returns the route for a request, or the error that says why there is none: 404 for an unknown path, 405
// for a known one with another method, both M_UNRECOGNIZED (client-server API, common error codes).
func (t *table) find(method, escapedPath string) (route, vars, error) {
	values := vars{}
	end := t.root.walk(strings.TrimPrefix(escapedPath, "/"), values)
	if end == nil {
		return route{}, nil, errorf(http.StatusNotFound, "M_UNRECOGNIZED", "this server has no endpoint %s", escapedPath)
	}
	r, ok := end.methods[method]
	if !ok {
		return route{}, nil, errorf(http.StatusMethodNotAllowed, "M_UNRECOGNIZED", "the endpoint %s does not take %s", escapedPath, method)
	}
	return r, values, nil
}

// walk returns the segment where the path ends, if routes end there, and fills in the variables. A path may
// end with a slash where a variable can be empty: /state/m.room.name/ has the empty state key.
func (s *segment) walk(path string, values vars) *segment {
	step, rest, more := strings.Cut(path, "/")
	for _, next := range [...]*segment{s.literal[step], s.variable} {
		if next == nil {
			continue
		}
		end := next
		if more {
			end = next.walk(rest, values)
		}
		if end == nil || end.methods == nil {
			continue
		}
		if next == s.variable {
			value, err := url.PathUnescape(step)
			if err != nil {
				return nil
			}
			values[next.name] = value
		}
		return end
	}
	return nil
}
