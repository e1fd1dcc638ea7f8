package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"meshsim/lowband/msc3079"
	"meshsim/lowband/records"
)

// coapOptions are the flags of CoAP for the clients of a mesh.
type coapOptions struct {
	first    int
	psk      string
	insecure bool

	key records.PSK // of psk, or a random one
}

func (o *coapOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.first, "coap-ports", 0,
		"UDP `port` on loopback of server 0's CoAP for clients (MSC3079); server 1 has the next; 0 opens none, 20000 is usual ("+envPrefix+"COAP_PORTS)")
	f.StringVar(&o.psk, "coap-psk", "",
		"`IDENTITY:HEX`, the pre-shared key of those clients; absent is a random one, which is printed ("+envPrefix+"COAP_PSK)")
	f.BoolVar(&o.insecure, "lowband-insecure", false,
		"CoAP for clients without encryption, for experiments ("+envPrefix+"LOWBAND_INSECURE)")
}

// pskIdentity is the name of the key that is made where none is given.
const pskIdentity = "meshsim"

// check also makes the key.
func (o *coapOptions) check() error {
	switch {
	case o.first < 0 || o.first > maxClientPorts:
		return fmt.Errorf("--coap-ports is %d: it must be 0 (none) or a port from 1 to %d, as a thousand ports from it are used", o.first, maxClientPorts)
	case o.first == 0 && (o.psk != "" || o.insecure):
		return errors.New("--coap-psk and --lowband-insecure are about the ports that --coap-ports opens: give it too, e.g. --coap-ports 20000")
	case o.insecure && o.psk != "":
		return errors.New("--lowband-insecure means no encryption: leave out --coap-psk")
	case o.first == 0 || o.insecure:
		return nil
	case o.psk == "":
		o.key = records.PSK{Identity: pskIdentity, Key: make([]byte, minPSK)}
		_, err := rand.Read(o.key.Key)
		return err
	}
	var err error
	o.key, err = parsePSK("--coap-psk", o.psk)
	return err
}

// offer is what drivers of homeservers are given.
func (o *coapOptions) offer() msc3079.Offer {
	c := msc3079.Offer{FirstPort: o.first, Insecure: o.insecure}
	if o.key.Key != nil {
		c.PSKs = []records.PSK{o.key}
	}
	return c
}

// announce prints what clients need.
func (o *coapOptions) announce(out io.Writer) {
	switch {
	case o.first == 0:
	case o.insecure:
		fmt.Fprintf(out, "CoAP for clients is at UDP ports from %d, WITHOUT ENCRYPTION (--lowband-insecure)\n", o.first)
	default:
		fmt.Fprintf(out, "CoAP for clients is at UDP ports from %d: --psk %s:%s\n", o.first, o.key.Identity, hex.EncodeToString(o.key.Key))
	}
}
