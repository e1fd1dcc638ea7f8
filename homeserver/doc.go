// Package homeserver is the embedded Matrix homeserver: the rooms it is in, their event graphs and state, its
// users, and what both need from other servers. It knows no network: requests to other servers go through
// the small interfaces it declares (federation.Client implements them), and packages federation and
// clientapi turn its methods into http.Handlers.
//
// One lock guards each room; a request to another server is never made while holding it. State is kept as
// immutable snapshots ([State]) that share structure, so that the state after every event costs little. What
// homeservers of one process can share stands in [Commons].
//
// Which file holds what:
//
//	config.go      Config, New, Server and its life cycle
//	commons.go     Commons: events, verify keys, verdicts and snapshots that servers of a process share
//	errors.go      Error and its kinds, which the APIs map to HTTP
//	remote.go      what the server needs from other servers, and the requests' types
//	state.go       State: immutable, hash-consed snapshots of a room's state
//	room.go        room: the event graph, extremities and current state; what clients see of it (Log)
//	graph.go       adding an event to a room's graph: state before and after, extremities
//	resolve.go     state at forks
//	create.go      CreateRoom
//	send.go        building, checking and sending events of local users
//	membership.go  Join, Leave, Invite, and which rooms a local user is in
//	residency.go   joins and leaves over federation, the asking side
//	resident.go    joins, leaves and invites over federation, the answering side
//	receive.go     PDUs from other servers: the checks on receipt
//	missing.go     fetching events that the graph lacks; backfill
//	serve.go       answers to other servers' questions (state, events, missing events)
//	alias.go       room aliases
//	stream.go      the stream position that clients wait on
//	user.go        users: the accounts and what belongs to them
//	account.go     registering, passwords (password.go: hashing them once for the process)
//	device.go      devices and access tokens; transaction.go: requests that a client may repeat
//	profile.go, accountdata.go, ephemeral.go, directory.go
//	               profiles; account data and filters; typing and receipts; the published rooms
//	sync.go        what happened since a position (timeline.go: in one room; watch.go: waiting for it)
//	history.go     paging through a room's log, and who may see what of it
package homeserver
