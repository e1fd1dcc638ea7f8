package matrix

import (
	"fmt"
	"strings"
)

// XMatrix is an Authorization header of scheme X-Matrix (server-server specification, "Request Authentication").
type XMatrix struct {
	Origin      string
	Destination string // "" when the sender did not say
	Key         string
	Signature   string
}

// String is the header in the form that all servers understand: one space, lower-case names, quoted values
// without backslashes.
func (x XMatrix) String() string {
	return fmt.Sprintf(`X-Matrix origin="%s",destination="%s",key="%s",sig="%s"`, x.Origin, x.Destination, x.Key, x.Signature)
}

// ParseXMatrix reads a header value. Names are case insensitive, values may be quoted or not, unknown
// parameters are ignored, a repeated one is an error.
func ParseXMatrix(header string) (XMatrix, error) {
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "X-Matrix") {
		return XMatrix{}, fmt.Errorf("the authorization scheme is %q, not X-Matrix", scheme)
	}
	var x XMatrix
	fields := map[string]*string{"origin": &x.Origin, "destination": &x.Destination, "key": &x.Key, "sig": &x.Signature}
	seen := map[string]bool{}
	for rest = skipSpace(rest); rest != ""; {
		name, value, after, err := parameter(rest)
		if err != nil {
			return XMatrix{}, err
		}
		if seen[name] {
			return XMatrix{}, fmt.Errorf("the parameter %q is there twice", name)
		}
		seen[name] = true
		if field := fields[name]; field != nil {
			*field = value
		}
		rest = after
	}
	return x, x.check()
}

func (x XMatrix) check() error {
	for name, value := range map[string]string{"origin": x.Origin, "key": x.Key, "sig": x.Signature} {
		if value == "" {
			return fmt.Errorf("the parameter %q is missing", name)
		}
	}
	if !ServerName(x.Origin).Valid() {
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
