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
//	commons.go     Commons: what the servers of a process share
//	errors.go      Error and its kinds, which the APIs map to HTTP
//	remote.go      what the server needs from other servers, and the requests' types
//	state.go       State: immutable snapshots of a room's state
//	resolve.go     the state where branches meet
//	room.go        a room and what clients see of it
//	graph.go       an event's place in the graph: checks, state before and after, extremities
//	redaction.go   redactions
//	create.go      CreateRoom
//	send.go        building, checking and sending events of local users
//	membership.go  Join, Leave, Invite, and which rooms a local user is in
//	residency.go   joins, leaves and invites over federation, the asking side
//	resident.go    joins and leaves over federation, the answering side
//	invited.go     invites over federation, the answering side
//	restricted.go  restricted rooms
//	acl.go         server access control lists
//	vet.go         format, signatures and hashes of other servers' events
//	receive.go     PDUs of transactions
//	missing.go     fetching events that the graph lacks
//	learn.go       states and auth chains that other servers tell
//	parking.go     PDUs whose missing events cannot be had yet
//	backfill.go    events before this server's part of the graph
//	serve.go       answers to other servers' questions
//	alias.go       room aliases
//	stream.go      the stream of positions
//
// The other files are the user side: accounts, devices, sync, timelines, EDUs.
package homeserver
