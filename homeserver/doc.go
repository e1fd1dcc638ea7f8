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
//	commons.go     Commons: what the servers of a process share; knowledge.go: what it knows of an event
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
//	serve.go       answers to other servers' questions; briefjoin.go: that of a join without the room's members
//	thirdparty.go  invites of addresses
//	garbage.go     what other servers sent in vain
//	alias.go       room aliases
//	stream.go      the stream of positions
//	store.go       Store: what keeps all this; facts.go: the history of rooms, kept.go: the rest; restore.go: made again
//
// The user side:
//
//	user.go        users: the accounts and what belongs to them
//	account.go, device.go, password.go, transaction.go, refresh.go, openid.go
//	               registering and logging in; requests that may be repeated; tokens that expire, or say who one is
//	profile.go, accountdata.go, directory.go, summary.go, hierarchy.go, knock.go
//	               profiles; account data; finding rooms, what strangers learn of them, spaces, knocking
//	sync.go        what happened since a position (timeline.go: in one room; watch.go: waiting for it; sliding.go: room by room)
//	history.go     paging through a room's log, and who may see what of it; moment.go: the event closest to a time
//	unread.go, notifications.go, pushers.go, relations.go, search.go, report.go
//	               unread counts, what they count, who wants to be told; which events relate to which; finding messages; reports
//	edu.go         EDUs to and from other servers: ephemeral.go, presence.go, todevice.go, devicelist.go
//	devicekeys.go, crosssigning.go, keyquery.go, keybackup.go
//	               end-to-end encryption: keys of devices and users, asking for them, backups
//	media.go, thumbnail.go
//	               files, and smaller forms of images
package homeserver
