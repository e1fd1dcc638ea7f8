package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"meshsim/gateway"
	"meshsim/link"
	"meshsim/mesh"
	"meshsim/node/embedded"
)

// options are the flags of serve.
type options struct {
	listen       string
	clientPorts  int
	logLevel     string
	seed         uint64
	token        string
	homeserver   string
	containers   containerOptions
	transport    string
	lowbandBelow string
	capture      string // of what lowband carries, the name of a file; empty for none
	otlp         string
	data         string
	ownWork      bool
	presence     bool
	coap         coapOptions
	stopTimeout  time.Duration
	keepRemoved  time.Duration

	level  slog.Level     // of logLevel
	choice gateway.Choice // of transport
	slow   link.BitRate   // what it counts as slow
	file   string         // the mesh file, empty for none
}

// envPrefix is before the name of a flag in its environment variable.
const envPrefix = "MESHSIM_"

func (o *options) flags(f *pflag.FlagSet) {
	f.StringVar(&o.listen, "listen", "127.0.0.1:3000",
		"serve the page and the interface at this `address`; beyond loopback a token is needed ("+envPrefix+"LISTEN)")
	f.IntVar(&o.clientPorts, "client-ports", 18000,
		"TCP `port` on loopback of server 0's client API; server 1 has the next, and so on to 999; 0 opens none ("+envPrefix+"CLIENT_PORTS)")
	f.StringVar(&o.logLevel, "log-level", "warn",
		"least `level` of what is logged: debug, info, warn or error ("+envPrefix+"LOG_LEVEL)")
	f.Uint64Var(&o.seed, "seed", 0,
		"`number` from which every link draws its randomness; absent is the mesh file's, or a random one ("+envPrefix+"SEED)")
	f.StringVar(&o.token, "token", "",
		"the `text` that beyond loopback every request must bring; absent is a random one ("+envPrefix+"TOKEN)")
	f.StringVar(&o.homeserver, "homeserver", embedded.Kind,
		"`kind` of a server that is added without one: "+strings.Join(kinds(), " or ")+", or a --preset's ("+envPrefix+"HOMESERVER)")
	f.StringVar(&o.otlp, "otlp", "",
		"`URL` of an OpenTelemetry collector that is told of every event's way, e.g. http://localhost:4318 ("+envPrefix+"OTLP)")
	f.StringVar(&o.transport, "transport", string(gateway.AlwaysHTTPS),
		"how servers talk to each other: https, lowband (CoAP, CBOR and Noise over UDP), or auto (lowband on slow paths); absent is the mesh file's ("+envPrefix+"TRANSPORT)")
	f.StringVar(&o.lowbandBelow, "lowband-below", gateway.DefaultSlow.String(),
		"what --transport auto counts as slow; absent is the mesh file's ("+envPrefix+"LOWBAND_BELOW)")
	f.StringVar(&o.capture, "lowband-capture", "",
		"write what servers send each other over lowband, as CoAP before encryption, into this pcapng `file`, which grows with it ("+envPrefix+"LOWBAND_CAPTURE)")
	f.BoolVar(&o.presence, "presence", false,
		"servers tell each other who is there, which grows with the square of the users ("+envPrefix+"PRESENCE)")
	f.StringVar(&o.data, "data", "",
		"`directory` for what embedded servers do: keys, accounts, rooms; absent keeps it in memory ("+envPrefix+"DATA)")
	f.BoolVar(&o.ownWork, "own-work", false,
		"let each embedded server check and keep every event by itself: more work and memory, and honest figures of it ("+envPrefix+"OWN_WORK)")
	f.DurationVar(&o.stopTimeout, "stop-timeout", mesh.DefaultStopTimeout,
		"`how long` a server may take to stop before it is forced ("+envPrefix+"STOP_TIMEOUT)")
	f.DurationVar(&o.keepRemoved, "keep-removed", mesh.DefaultKeepRemoved,
		"`how long` a removed server can be restored before its data is deleted; 0 deletes at once ("+envPrefix+"KEEP_REMOVED)")
	o.coap.flags(f)
	containerFlags(f, o)
}

// kinds are the homeservers that this system can run.
func kinds() []string { return append([]string{embedded.Kind}, containerKinds()...) }

// complete takes flags that were not given from the environment, and checks all.
func (o *options) complete(f *pflag.FlagSet, getenv func(string) string) error {
	var errs []error
	f.VisitAll(func(flag *pflag.Flag) {
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		value := getenv(name)
		if flag.Changed || value == "" || flag.Name == "help" {
			return
		}
		if err := f.Set(flag.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: %w", name, explained(err)))
		}
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return o.check()
}

// explained says what a flag may be, where its value is not of its type.
func explained(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	must := "a whole number"
	switch bad.GetFlag().Value.Type() {
	case "bool":
		must = "true or false"
	case "duration":
		must = "a number with a unit, e.g. 10s"
	}
	return fmt.Errorf("--%s is %q: it must be %s", bad.GetFlag().Name, bad.GetValue(), must)
}

func (o *options) check() error {
	if err := o.level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return fmt.Errorf("--log-level is %q: it must be debug, info, warn or error", o.logLevel)
	}
	var err error
	if o.choice, err = gateway.ParseChoice(o.transport); err != nil {
		return fmt.Errorf("--transport: %w", err)
	}
	if o.slow, err = link.ParseBitRate(o.lowbandBelow); err == nil {
		err = gateway.CheckBelow(o.slow)
	}
	if err != nil {
		return fmt.Errorf("--lowband-below: %w", err)
	}
	if o.clientPorts < 0 || o.clientPorts > maxClientPorts {
		return fmt.Errorf("--client-ports is %d: it must be 0 (none) or a port from 1 to %d, as a thousand ports from it are used",
			o.clientPorts, maxClientPorts)
	}
	if o.stopTimeout <= 0 {
		return fmt.Errorf("--stop-timeout is %v: it must be more than 0, e.g. 10s", o.stopTimeout)
	}
	if o.keepRemoved < 0 {
		return fmt.Errorf("--keep-removed is %v: it must be 0 (delete at once) or more, e.g. 10m", o.keepRemoved)
	}
	if err := o.coap.check(); err != nil {
		return err
	}
	if err := o.checkCollector(); err != nil {
		return err
	}
	if err := o.checkContainers(); err != nil {
		return err
	}
	if kinds := append([]string{embedded.Kind}, o.containers.kinds()...); !slices.Contains(kinds, o.homeserver) {
		return fmt.Errorf("--homeserver is %q: it must be %s", o.homeserver, strings.Join(kinds, " or "))
	}
	_, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return fmt.Errorf("--listen is %q: it must be an address with a port, e.g. 127.0.0.1:3000", o.listen)
	}
	if number, err := strconv.Atoi(port); err != nil || number < 0 || number > 65535 {
		return fmt.Errorf("--listen is %q: the port must be a number from 0 (any that is free) to 65535", o.listen)
	}
	return nil
}

// maxClientPorts leaves room for a thousand ports.
const maxClientPorts = 65535 - 999

// randomSeed is a seed that JavaScript shows without loss.
func randomSeed() uint64 { return rand.Uint64N(1 << 53) }
