//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// tuwunel reads the file that TUWUNEL_CONFIG names (tuwunel-example.toml).
func tuwunel() (*server, error) {
	text, err := os.ReadFile(os.Getenv("TUWUNEL_CONFIG"))
	if err != nil {
		return nil, fmt.Errorf("TUWUNEL_CONFIG: %w", err)
	}
	values, err := readTOML(string(text))
	if err != nil {
		return nil, err
	}
	var addresses []string
	var ports []int
	for _, v := range []struct {
		key string
		to  any
	}{{"global.address", &addresses}, {"global.port", &ports}} {
		if err := json.Unmarshal([]byte(values[v.key]), v.to); err != nil {
			return nil, fmt.Errorf("%s = %s: %w", v.key, values[v.key], err)
		}
	}
	s := &server{token: true}
	for key, to := range map[string]*string{"server_name": &s.name, "registration_token": &s.secret, "database_path": &s.data} {
		if *to, err = strconv.Unquote(values["global."+key]); err != nil {
			return nil, fmt.Errorf("global.%s = %s: %w", key, values["global."+key], err)
		}
	}
	if values["global.allow_registration"] != "true" {
		return nil, fmt.Errorf("nobody may register")
	}
	s.proxy, err = proxyOf(values["global.proxy.global"])
	for _, port := range ports {
		// One socket for both families, as Go makes it of the unspecified address.
		s.listen = append(s.listen, net.JoinHostPort("", strconv.Itoa(port)))
	}
	if len(addresses) != 2 {
		return nil, fmt.Errorf("global.address = %q: it must be those of both families", addresses)
	}
	return s, err
}

// readTOML reads as much of TOML as the preset writes: the values of keys as they stand there, with the names of their tables.
func readTOML(text string) (map[string]string, error) {
	values, table := make(map[string]string), ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(line, " = "); {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			table = strings.Trim(line, "[]") + "."
		case ok:
			values[table+key] = value
		default:
			return nil, fmt.Errorf("%q is no line of TOML", line)
		}
	}
	return values, nil
}

// proxyOf reads the inline table { url = "..." }.
func proxyOf(text string) (func(*http.Request) (*url.URL, error), error) {
	address, err := strconv.Unquote(strings.TrimSuffix(strings.TrimPrefix(text, "{ url = "), " }"))
	if err != nil {
		return nil, fmt.Errorf("global.proxy.global = %s: %w", text, err)
	}
	proxy, err := url.Parse(address)
	return http.ProxyURL(proxy), err
}
