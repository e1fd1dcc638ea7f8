package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"meshsim/api"
)

// listen opens the address of --listen. An address of IPv4 loopback is opened in IPv6 too, because some
// resolvers try ::1 first for localhost.
func listen(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "localhost" || host == "127.0.0.1" {
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		listeners, err := api.ListenLoopback(number)
		return listeners, withRemedy(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, withRemedy(fmt.Errorf("cannot listen at %s: %w", address, err))
	}
	return []net.Listener{l}, nil
}

// names are the hosts under which browsers may ask for the page, besides localhost and IP addresses.
func names(address string) []string {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return nil
	}
	return []string{host}
}

func withRemedy(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; choose another with --listen, e.g. --listen 127.0.0.1:3001", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w; choose a port above 1023 with --listen", err)
	}
	return err
}

// onLoopback says whether only this machine reaches the listeners.
func onLoopback(listeners []net.Listener) bool {
	for _, l := range listeners {
		address, err := netip.ParseAddrPort(l.Addr().String())
		if err != nil || !address.Addr().IsLoopback() {
			return false
		}
	}
	return true
}
