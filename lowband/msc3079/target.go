package msc3079

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/plgd-dev/go-coap/v3/message"

	"meshsim/lowband/shorthand"
)

// pathCharacters are the short names of the paths, in the order of the table.
const pathCharacters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstu"

const (
	clientPrefix = "/_matrix/client"
	present      = clientPrefix + "/v3"
	former       = clientPrefix + "/r0"
)

// paths is the table of appendix B: segments below the prefix, by character.
type paths [][]string

func newPaths() paths {
	var p paths
	for _, path := range shorthand.StandardPaths() {
		p = append(p, strings.Split(strings.TrimPrefix(path, clientPrefix), "/")[1:])
	}
	return p
}

// shorten finds the short form of the segments of a path, unescaped. Of two that match, the one with fewer arguments is
// meant.
func (p paths) shorten(segments []string) []string {
	if len(segments) == 3 && segments[0] == "_matrix" && segments[1] == "client" && segments[2] == "versions" {
		return []string{pathCharacters[:1]}
	}
	if len(segments) < 4 || segments[0] != "_matrix" || segments[1] != "client" || segments[2] != "v3" && segments[2] != "r0" {
		return segments
	}
	best := segments
	for i, pattern := range p[1:] {
		if args, ok := match(pattern, segments[3:]); ok && len(args)+1 < len(best) {
			best = append([]string{pathCharacters[i+1 : i+2]}, args...)
		}
	}
	return best
}

func match(pattern, segments []string) (args []string, ok bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	for i, s := range pattern {
		switch {
		case s == "*":
			args = append(args, segments[i])
		case s != segments[i]:
			return nil, false
		}
	}
	return args, true
}

// lengthen puts the escaped path together. A path that is not in short form is itself.
func (p paths) lengthen(segments []string) (string, error) {
	if len(segments) == 0 {
		return "/", nil
	}
	at := -1
	if len(segments[0]) == 1 {
		at = strings.Index(pathCharacters, segments[0])
	}
	if at < 0 {
		return "/" + strings.Join(escaped(segments), "/"), nil
	}
	if at == 0 && len(segments) == 1 {
		return clientPrefix + "/versions", nil
	}
	args := segments[1:]
	full := make([]string, 0, len(p[at]))
	for _, s := range p[at] {
		if s == "*" {
			if len(args) == 0 {
				return "", fmt.Errorf("msc3079: the path %q lacks an argument", segments[0])
			}
			s, args = args[0], args[1:]
		}
		full = append(full, s)
	}
	if len(args) > 0 {
		return "", fmt.Errorf("msc3079: the path %q has %d arguments too many", segments[0], len(args))
	}
	return present + "/" + strings.Join(escaped(full), "/"), nil
}

func escaped(segments []string) []string {
	out := make([]string, len(segments))
	for i, s := range segments {
		out[i] = url.PathEscape(s)
	}
	return out
}

// Lengths of options in bytes (RFC 7252, section 5.10).
const (
	maxSegment  = 255
	maxProxyURI = 1034
)

// targetOptions name the target of a request: Uri-Path and Uri-Query, or Proxy-Uri where an argument is too long for those.
func (p paths) targetOptions(u *url.URL) (message.Options, error) {
	var list message.Options
	segments, arguments, err := parts(u)
	if err != nil {
		return nil, err
	}
	fits := true
	for _, s := range p.shorten(segments) {
		fits = fits && len(s) <= maxSegment
		list = append(list, message.Option{ID: message.URIPath, Value: []byte(s)})
	}
	for _, a := range arguments {
		fits = fits && len(a) <= maxSegment
		list = append(list, message.Option{ID: message.URIQuery, Value: []byte(a)})
	}
	if fits && len(list) <= maxOptions {
		return list, nil
	}
	uri := "coap://homeserver" + u.EscapedPath()
	if u.RawQuery != "" {
		uri += "?" + u.RawQuery
	}
	if len(uri) > maxProxyURI {
		return nil, fmt.Errorf("msc3079: the target has %d bytes, and %d fit into CoAP: use a shorter query, such as the id of a filter", len(uri), maxProxyURI)
	}
	return message.Options{{ID: message.ProxyURI, Value: []byte(uri)}}, nil
}

// maxOptions leaves room for those that are not about the target.
const maxOptions = 48

func parts(u *url.URL) (segments, arguments []string, err error) {
	for _, s := range strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/") {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return nil, nil, fmt.Errorf("msc3079: the path %q: %w", u.EscapedPath(), err)
		}
		segments = append(segments, plain)
	}
	if u.RawQuery == "" {
		return segments, nil, nil
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		plain, err := url.QueryUnescape(pair)
		if err != nil {
			return nil, nil, fmt.Errorf("msc3079: the query %q: %w", u.RawQuery, err)
		}
		arguments = append(arguments, plain)
	}
	return segments, arguments, nil
}

// uri puts together the request URI that options name.
func (p paths) uri(list message.Options) (string, error) {
	var segments, arguments []string
	for _, o := range list {
		switch o.ID {
		case message.URIPath:
			segments = append(segments, string(o.Value))
		case message.URIQuery:
			key, value, assigned := strings.Cut(string(o.Value), "=")
			pair := url.QueryEscape(key)
			if assigned {
				pair += "=" + url.QueryEscape(value)
			}
			arguments = append(arguments, pair)
		case message.ProxyURI:
			return proxied(string(o.Value))
		}
	}
	path, err := p.lengthen(segments)
	if err != nil || len(arguments) == 0 {
		return path, err
	}
	return path + "?" + strings.Join(arguments, "&"), nil
}

// proxied takes the path and query of a Proxy-Uri: whatever host it names, the homeserver behind this end is meant.
func proxied(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "coap" && u.Scheme != "coaps" || !strings.HasPrefix(u.EscapedPath(), "/") {
		return "", fmt.Errorf("msc3079: Proxy-Uri is %.100q: it must be a coap URI with a path", uri)
	}
	return u.RequestURI(), nil
}
