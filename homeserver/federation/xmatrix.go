package federation

import (
	"fmt"
	"strings"

	"meshsim/matrix"
)

// xMatrix is an Authorization header of scheme X-Matrix ("Request Authentication").
type xMatrix struct {
	Origin      string
	Destination string // "" when the sender did not say
	Key         string
	Signature   string
}

// String is the header in the form that all servers understand: one space, lower-case names, quoted values
// without backslashes.
func (x xMatrix) String() string {
	return fmt.Sprintf(`X-Matrix origin="%s",destination="%s",key="%s",sig="%s"`, x.Origin, x.Destination, x.Key, x.Signature)
}

// parseXMatrix reads a header value. Names are case insensitive, values may be quoted or not, unknown
// parameters are ignored, a repeated one is an error.
func parseXMatrix(header string) (xMatrix, error) {
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "X-Matrix") {
		return xMatrix{}, fmt.Errorf("the authorization scheme is %q, not X-Matrix", scheme)
	}
	var x xMatrix
	fields := map[string]*string{"origin": &x.Origin, "destination": &x.Destination, "key": &x.Key, "sig": &x.Signature}
	seen := map[string]bool{}
	for rest = skipSpace(rest); rest != ""; {
		name, value, after, err := parameter(rest)
		if err != nil {
			return xMatrix{}, err
		}
		if seen[name] {
			return xMatrix{}, fmt.Errorf("the parameter %q is there twice", name)
		}
		seen[name] = true
		if field := fields[name]; field != nil {
			*field = value
		}
		rest = after
	}
	return x, x.check()
}

func (x xMatrix) check() error {
	for name, value := range map[string]string{"origin": x.Origin, "key": x.Key, "sig": x.Signature} {
		if value == "" {
			return fmt.Errorf("the parameter %q is missing", name)
		}
	}
	if !matrix.ServerName(x.Origin).Valid() {
		return fmt.Errorf("the origin %q is no server name", x.Origin)
	}
	return nil
}

// parameter reads name=value and the comma behind it.
func parameter(s string) (name, value, rest string, err error) {
	name, s, found := strings.Cut(s, "=")
	if !found {
		return "", "", "", fmt.Errorf("the parameter %q has no value", name)
	}
	name = strings.ToLower(strings.Trim(name, " \t"))
	s = skipSpace(s)
	if strings.HasPrefix(s, `"`) {
		value, s, err = quoted(s[1:])
	} else {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		value, s = s[:end], s[end:]
	}
	if err != nil {
		return "", "", "", err
	}
	s = skipSpace(s)
	if s == "" {
		return name, value, "", nil
	}
	if s[0] != ',' {
		return "", "", "", fmt.Errorf("expected a comma after the parameter %q", name)
	}
	return name, value, skipSpace(s[1:]), nil
}

// quoted reads up to the closing quote and undoes backslashes.
func quoted(s string) (value, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			i++
			if i == len(s) {
				return "", "", fmt.Errorf("a quoted value ends with a backslash")
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", fmt.Errorf("a quoted value has no end")
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t") }

// signedRequest is what the signature of a request covers, as canonical JSON. content is canonical JSON too,
// nil for a request without a body.
func signedRequest(method, uri, origin, destination string, content []byte) ([]byte, error) {
	var b []byte
	b = append(b, '{')
	if content != nil {
		b = append(b, `"content":`...)
		b = append(b, content...)
		b = append(b, ',')
	}
	for i, member := range [...][2]string{{"destination", destination}, {"method", method}, {"origin", origin}, {"uri", uri}} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, member[0]...)
		b = append(b, `":`...)
		value, err := canonicalString(member[1])
		if err != nil {
			return nil, err
		}
		b = append(b, value...)
	}
	return append(b, '}'), nil
}
