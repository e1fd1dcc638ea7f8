// Package tun is a TUN device inside a network namespace, attached to a fabric as one node: whatever runs in the
// namespace, unmodified, is on the mesh.
//
// A [Namespace] is entered from outside: sockets made through it belong to the namespace and are used by this process.
// [Attach] makes the device in it, gives it the node's addresses and routes, and moves packets between the kernel and
// the fabric. The kernel's own TCP/IP stack is the host behind the port. Segments larger than the MTU cross whole in
// both directions (virtio-net headers, offload.go), which is most of the speed.
//
// It needs Linux, /dev/net/tun and the capabilities NET_ADMIN, SYS_ADMIN and SYS_PTRACE, as root has them; [Check] says what
// is missing. Elsewhere the package is empty.
package tun
