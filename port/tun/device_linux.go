package tun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The kernel's names of a device and of what it lets us do.
const (
	devicePath  = "/dev/net/tun"
	defaultName = "mesh0"
	defaultMTU  = 1500
)

// Config describes the device.
type Config struct {
	// Name is the interface's; "" means mesh0.
	Name string
	// MTU is the largest IP packet in bytes that is not a superpacket; 0 means 1500. Smaller links on the path announce
	// themselves by ICMP.
	MTU int
	// Routes are the networks that are reached through the device.
	Routes []netip.Prefix
	// Congestion is TCP's congestion control in the namespace. "" means cubic, as in-process stacks have, so that a mesh is
	// the same on every machine; where the kernel has none, the machine's own.
	Congestion string
}

func (c Config) complete() Config {
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.MTU == 0 {
		c.MTU = defaultMTU
	}
	return c
}

// open makes the device in the namespace of the calling thread, up and configured.
func open(cfg Config, addrs []netip.Addr) (*os.File, error) {
	fd, err := openDevice(devicePath)
	if err != nil {
		return nil, err
	}
	// Non-blocking and not yet a device: os.NewFile is only called once it can be polled.
	if err := create(fd, cfg.Name); err != nil {
		unix.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), devicePath)
	if err := configure(cfg, addrs); err != nil {
		file.Close()
		return nil, fmt.Errorf("tun: configure %s: %w", cfg.Name, err)
	}
	return file, nil
}

// openDevice opens the kernel's file for devices, not yet any of them.
func openDevice(path string) (fd int, err error) {
	fd, err = unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return -1, fmt.Errorf("this machine has no TUN device: load the kernel's module with modprobe tun, "+
			"or start the container that meshsim runs in with --privileged (%s: %w)", path, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return -1, fmt.Errorf("this user may not open the TUN device: run meshsim as root, "+
			"or start the container that it runs in with --privileged (%s: %w)", path, err)
	default:
		return -1, fmt.Errorf("the TUN device %s cannot be opened: %w", path, err)
	}
}

// create makes fd a device that offloads checksums and TCP segmentation to us.
func create(fd int, name string) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("tun: %q is no name for an interface: %w", name, err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return fmt.Errorf("the TUN device %s cannot be made, for which meshsim must run as root (NET_ADMIN): %w", name, err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6); err != nil {
		return fmt.Errorf("tun: offload segmentation of %s: %w", name, err)
	}
	return nil
}

// configure gives the interface its addresses and routes.
func configure(cfg Config, addrs []netip.Addr) error {
	if err := tune(cfg.Name); err != nil {
		return err
	}
	if err := setCongestion(cfg.Congestion); err != nil {
		return err
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	device, err := h.LinkByName(cfg.Name)
	if err != nil {
		return err
	}
	if err := h.LinkSetMTU(device, cfg.MTU); err != nil {
		return fmt.Errorf("MTU %d: %w", cfg.MTU, err)
	}
	if err := h.LinkSetUp(device); err != nil {
		return err
	}
	for _, a := range addrs {
		address := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(a, a.BitLen())), Flags: unix.IFA_F_NODAD}
		if a.Is4() {
			address.Flags = 0
		}
		if err := h.AddrAdd(device, address); err != nil {
			return fmt.Errorf("address %v: %w", a, err)
		}
	}
	if err := settle(h, addrs); err != nil {
		return err
	}
	return addRoutes(h, device, cfg.Routes, addrs)
}

// settle waits until the kernel has taken the addresses into use. For IPv6 it does so a moment after they were added,
// also where nothing is to be detected; what comes before is lost.
func settle(h *netlink.Handle, addrs []netip.Addr) error {
	end := time.Now().Add(settleLimit)
	for _, a := range addrs {
		for !local(h, a) {
			if time.Now().After(end) {
				return fmt.Errorf("the kernel has not taken %v into use within %v", a, settleLimit)
			}
			time.Sleep(settlePause)
		}
	}
	return nil
}

// local tells whether packets for a stay in the namespace.
func local(h *netlink.Handle, a netip.Addr) bool {
	routes, err := h.RouteGet(a.AsSlice())
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}

const (
	settleLimit = 2 * time.Second
	settlePause = time.Millisecond
)

func addRoutes(h *netlink.Handle, device netlink.Link, routes []netip.Prefix, addrs []netip.Addr) error {
	for _, r := range routes {
		route := &netlink.Route{LinkIndex: device.Attrs().Index, Dst: ipNet(r), Scope: netlink.SCOPE_LINK, Src: source(addrs, r)}
		if err := h.RouteAdd(route); err != nil {
			return fmt.Errorf("route %v: %w", r, err)
		}
	}
	return nil
}

// setting is a kernel setting of a namespace, below /proc/sys/net.
type setting struct{ key, value string }

// settings undo what container engines switch off. They keep the kernel from inventing a link-local address, which the
// mesh does not know. And they let it believe what the fabric says of a packet that got no further than its own node:
// such an ICMP error comes from the node's own address.
func settings(name string) []setting {
	return []setting{
		{"ipv4/conf/" + name + "/accept_local", "1"},
		{"ipv4/conf/" + name + "/rp_filter", "0"},
		{"ipv4/conf/all/rp_filter", "0"},
		{"ipv6/conf/all/disable_ipv6", "0"},
		{"ipv6/conf/lo/disable_ipv6", "0"},
		{"ipv6/conf/" + name + "/disable_ipv6", "0"},
		{"ipv6/conf/" + name + "/addr_gen_mode", "1"}, // IN6_ADDR_GEN_MODE_NONE
	}
}

// tune makes the settings in the namespace of the calling thread.
func tune(name string) error {
	for _, s := range settings(name) {
		err := os.WriteFile("/proc/sys/net/"+s.key, []byte(s.value), 0)
		if errors.Is(err, unix.EROFS) {
			return fmt.Errorf("the kernel's settings may not be changed: start the container that meshsim runs in with --privileged "+
				"or --security-opt systempaths=unconfined (%w)", err)
		}
		if err != nil {
			return fmt.Errorf("set net/%s to %s: %w", s.key, s.value, err)
		}
	}
	return nil
}

// source is the address that packets into a network come from.
func source(addrs []netip.Addr, to netip.Prefix) net.IP {
	for _, a := range addrs {
		if a.Is4() == to.Addr().Is4() {
			return a.AsSlice()
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
