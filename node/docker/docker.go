// Package docker is the driver for homeservers that run unmodified in containers.
//
// A container has no Docker network, no privileges and no published ports. Its one interface is a TUN device of the
// fabric, made in its network namespace from outside (package port/tun). In the same namespace, but served by this
// process, are the gateway (federation on port 8448 of the mesh addresses, an HTTPS proxy on loopback) and a resolver
// for the names of the mesh. The homeserver itself speaks plain HTTP: clients on port 8008, federation on loopback to its
// gateway. What an image is and how it is configured is data: see [Preset].
//
// A server's identity and data are a volume and the secrets that this process remembers. They outlive Stop and end with
// Forget or with the driver. What a process that was killed has left behind is found by its labels and removed by the
// next one, or by [Clean].
//
// It needs Linux and what port/tun needs; elsewhere the package is empty. The engine must be on the same machine and its
// processes visible in this one's PID namespace.
package docker
