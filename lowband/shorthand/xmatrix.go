package shorthand

import "strings"

// xMatrix is an Authorization header of scheme X-Matrix (server-server specification, "Request Authentication").
type xMatrix struct{ origin, destination, key, sig string }

// render is the spelling that every server understands.
func (x xMatrix) render() string {
	s := `X-Matrix origin="` + x.origin + `",`
	if x.destination != "" {
		s += `destination="` + x.destination + `",`
	}
	return s + `key="` + x.key + `",sig="` + x.sig + `"`
}

// parseXMatrix takes a header apart whose parameters are the four known ones, quoted, in any order. Any other header is
// sent as it is.
func parseXMatrix(header string) (x xMatrix, ok bool) {
	rest, ok := strings.CutPrefix(header, "X-Matrix ")
	if !ok {
		return xMatrix{}, false
	}
	fields := map[string]*string{"origin": &x.origin, "destination": &x.destination, "key": &x.key, "sig": &x.sig}
	for parameter := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(parameter, "=")
		field := fields[name]
		if field == nil || !plainlyQuoted(value) {
			return xMatrix{}, false
		}
		*field = value[1 : len(value)-1]
		delete(fields, name)
	}
	delete(fields, "destination")
	return x, len(fields) == 0
}

func plainlyQuoted(s string) bool {
	return len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' && !strings.ContainsAny(s[1:len(s)-1], `"\`)
}
