package node

// GatewayMode says what stands between a server and the mesh (CONTRACTS.md).
type GatewayMode string

// The gateway modes of servers in containers.
const (
	// Observed: TLS is ended at the gateway in both directions, every transaction is seen.
	Observed GatewayMode = "observed"
	// PassThrough: the server's connections to others pass the gateway unopened.
	PassThrough GatewayMode = "pass-through"
	// NoGateway: nothing stands between.
	NoGateway GatewayMode = "none"
)

// Gatewayed is a Node that says what its gateway sees. Others are observed.
type Gatewayed interface {
	// Gateway returns the mode, and in a sentence what is not observable; empty where all is.
	Gateway() (mode GatewayMode, unseen string)
}

// GatewayWatcher is a Gatewayed of which more may turn out not to be observable while it runs.
type GatewayWatcher interface {
	// GatewayChanged is closed when what Gateway returns has changed; nil where it never does.
	GatewayChanged() <-chan struct{}
}
