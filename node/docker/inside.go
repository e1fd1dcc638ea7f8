//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strconv"
	"syscall"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/gateway/resolver"
	"meshsim/node"
	"meshsim/node/directory"
	"meshsim/port/tun"
)

// routes are what a container reaches through its device: the mesh and its clients.
var routes = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),          // node.Prefix4 and node.ClientPrefix4
	netip.MustParsePrefix("fd6d:6573:6873::/48"), // node.Prefix6 and node.ClientPrefix6
}

// The proxy's address for the homeserver, and where names are resolved (CONTRACTS.md).
var (
	proxyAddress    = netip.MustParseAddrPort("127.0.0.1:3128")
	resolverAddress = netip.MustParseAddrPort("127.0.0.1:53")
)

// join puts the container's network namespace into the mesh, and into the namespace what stands beside the homeserver.
func (n *running) join(mesh node.Network) error {
	var err error
	if n.namespace, err = tun.OpenNamespace(n.pid); err != nil {
		return explainNamespace(err)
	}
	d, spec := n.driver, n.resident.spec
	v4, v6 := node.Addrs(spec.ID)
	at := fabric.NodeConfig{ID: node.FabricNode(spec.ID), Name: spec.Name, Addrs: []netip.Addr{v4, v6}}
	if n.device, err = tun.Attach(d.cfg.Fabric, at, n.namespace, tun.Config{Routes: routes, Congestion: d.cfg.Options.Congestion}); err != nil {
		return err
	}
	view := directory.Directory{Mesh: mesh, From: spec.ID}
	n.inside = n.newTransport()
	n.client = n.homeserver(d.cfg.Preset.ClientPort)
	if err := errors.Join(n.serveNames(view), n.serveDatabase(), n.serveCoAP()); err != nil {
		return err
	}
	if d.cfg.Options.Gateway == node.NoGateway {
		return nil
	}
	n.gateway = gateway.New(gateway.Config{
		ID:             spec.ID,
		Name:           spec.Name,
		CA:             d.cfg.CA,
		Directory:      view,
		Dial:           n.namespace.DialContext,
		Rooms:          d.cfg.Rooms,
		Publisher:      d.cfg.Publisher,
		Connections:    d.cfg.Connections,
		Transports:     d.cfg.Transports,
		LowbandTap:     d.cfg.LowbandTap,
		ReportReceived: true,
		Log:            d.cfg.Log,
		PassThrough:    d.cfg.Options.Gateway == node.PassThrough,
		Logger:         d.cfg.Logger,
	})
	return n.serveGateway(at.Addrs)
}

// explainNamespace says why a container's network namespace could not be opened.
func explainNamespace(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("meshsim may not look into its processes: run it as root, or with the capability SYS_PTRACE (%w)", err)
	}
	return fmt.Errorf("its processes are not visible here; the Docker engine must be on this machine, "+
		"and a meshsim in a container needs --pid host: %w", err)
}

// serveGateway starts the gateway in the namespace: the proxy, and unless the homeserver does it itself what answers the
// mesh.
func (n *running) serveGateway(addrs []netip.Addr) error {
	federation := n.homeserver(n.driver.cfg.Preset.FederationPort)
	if err := n.serveLowband(federation); err != nil { // before there are requests
		return err
	}
	proxy, err := n.listen(proxyAddress, "the proxy")
	if err != nil {
		return err
	}
	n.serving.Go(func() { n.ended(n.gateway.ServeProxy(proxy)) })
	if n.values.TLSPort != 0 {
		return nil
	}
	for _, a := range addrs {
		ln, err := n.listen(netip.AddrPortFrom(a, node.PortFederation), "federation")
		if err != nil {
			return err
		}
		n.serving.Go(func() { n.ended(n.gateway.Serve(ln, federation)) })
	}
	return nil
}

// serveLowband serves federation over the low-bandwidth transport too. What is not looked at cannot be translated.
func (n *running) serveLowband(federation http.Handler) error {
	if n.driver.cfg.Transports == nil || n.driver.cfg.Options.Gateway == node.PassThrough {
		return nil
	}
	v4, _ := node.Addrs(n.resident.spec.ID)
	conn, err := n.listenPacket(netip.AddrPortFrom(v4, node.PortCoAP), "federation over CoAP")
	if err != nil {
		return err
	}
	return n.gateway.AttachLowband(conn, federation)
}

// serveCoAP serves clients over CoAP too, where the mesh has it. They come across the client link, as to the homeserver's own
// port.
func (n *running) serveCoAP() error {
	cfg, spec := &n.driver.cfg, n.resident.spec
	if !cfg.CoAP.Holds() {
		return nil
	}
	v4, _ := node.Addrs(spec.ID)
	conn, err := n.listenPacket(netip.AddrPortFrom(v4, node.PortCoAPS), "clients over CoAP")
	if err != nil {
		return err
	}
	if n.coap, err = cfg.CoAP.NewServer(conn, spec.Name, cfg.CoAP.Advertised(n.client, spec.ID), cfg.Logger); err != nil {
		return err
	}
	n.serving.Go(func() { n.ended(n.coap.Serve()) })
	return nil
}

// listen accepts connections inside the container, for a purpose.
func (n *running) listen(at netip.AddrPort, purpose string) (net.Listener, error) {
	ln, err := n.namespace.Listen(at)
	if err != nil {
		return nil, n.driver.cfg.Preset.explainListen(at, purpose, err)
	}
	return newBoundedListener(ln, accepted(), n.driver.cfg.Logger), nil
}

// listenPacket receives datagrams inside the container, for a purpose.
func (n *running) listenPacket(at netip.AddrPort, purpose string) (net.PacketConn, error) {
	conn, err := n.namespace.ListenPacket(at)
	return conn, n.driver.cfg.Preset.explainListen(at, purpose, err)
}

// explainListen says what to do where the homeserver itself has taken a port that is served beside it.
func (p *Preset) explainListen(at netip.AddrPort, purpose string, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	return fmt.Errorf("port %d inside the container is taken by the homeserver itself, and meshsim serves %s there: "+
		"have the files or the command of %s make it listen elsewhere (%w)", at.Port(), purpose, p.source, err)
}

func (n *running) serveNames(names resolver.Names) error {
	udp, err := n.listenPacket(resolverAddress, "names")
	if err != nil {
		return err
	}
	tcp, err := n.listen(resolverAddress, "names")
	if err != nil {
		udp.Close()
		return err
	}
	n.serving.Go(func() { n.ended(resolver.Serve(n.ctx, udp, tcp, names)) })
	return nil
}

// ended logs why something that serves ended, unless it was told to.
func (n *running) ended(err error) {
	if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		n.driver.cfg.Logger.Error("a listener ended", "server", n.resident.spec.Name, "error", err)
	}
}

// newTransport connects to the homeserver's ports on loopback inside the namespace: these bytes cross no link.
func (n *running) newTransport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return nil, err
			}
			return n.namespace.DialContext(ctx, to)
		},
		DisableCompression:     true,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// homeserver passes requests to one of the homeserver's ports, as they come.
func (n *running) homeserver(port uint16) http.Handler {
	host := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", host
			p.Out.URL.RawQuery = p.In.URL.RawQuery // signed as it is, well formed or not
			p.Out.Host = p.In.Host
		},
		Transport:     n.inside,
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(n.driver.cfg.Logger.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, fmt.Sprintf("%s does not answer: %v", n.resident.spec.Name, err), http.StatusBadGateway)
		},
	}
}

// Gateway implements node.Gatewayed.
func (n *running) Gateway() (mode node.GatewayMode, unseen string) {
	preset := n.driver.cfg.Preset
	mode = n.driver.cfg.Options.Gateway
	switch {
	case mode == node.NoGateway:
		unseen = "This server talks to others with nothing between: none of its events is seen, neither sent nor received, " +
			"only its packets. Choose --gateway observed to see them."
	case mode == node.PassThrough:
		unseen = "This server's connections pass its gateway unopened: none of its events is seen, neither sent nor received, " +
			"only its packets and the connections that fail. Choose --gateway observed to see them."
	case preset.IgnoresProxy || n.bypassed():
		unseen = "This server does not use the mesh's proxy: the events that it sends are seen only where they are received, " +
			"and not at all where that is a server without a gateway."
	}
	return mode, unseen
}

// GatewayChanged implements node.GatewayWatcher.
func (n *running) GatewayChanged() <-chan struct{} {
	cfg := &n.driver.cfg
	if n.gateway == nil || cfg.Options.Gateway == node.PassThrough || cfg.Preset.IgnoresProxy {
		return nil
	}
	return n.gateway.Bypassed()
}

// bypassed tells whether the homeserver was noticed not to use the proxy.
func (n *running) bypassed() bool {
	select {
	case <-n.GatewayChanged():
		return true
	default:
		return false
	}
}

// release ends what this process does in the namespace, and takes the server out of the mesh.
func (n *running) release() {
	n.end()
	if n.coap != nil {
		n.coap.Close()
	}
	if n.gateway != nil {
		n.gateway.Close()
	}
	n.serving.Wait()
	if n.inside != nil {
		n.inside.CloseIdleConnections()
	}
	if n.device != nil {
		n.device.Close()
	}
	if n.namespace != nil {
		n.namespace.Close()
	}
}
