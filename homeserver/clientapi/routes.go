package clientapi

import "net/http"

// newTable lists all endpoints. Each stands below /_matrix/client/v3, with r0 and unstable as other names for
// it, which old clients use.
func newTable() *table {
	t := &table{}
	t.add(http.MethodGet, "/.well-known/matrix/client", route{wellKnown, true})
	t.add(http.MethodGet, "/_matrix/client/versions", route{versions, true})
	t.accounts()
	t.membership()
	t.rooms()
	t.directory()
	t.personal()
	t.encryption()
	t.finding()
	t.media()
	t.answeredOnly()
	return t
}

// stable registers an endpoint of v3.
func (t *table) stable(method, path string, serve func(*call) (any, error)) {
	t.everywhere(method, path, route{serve: serve})
}

// public registers an endpoint of v3 that needs no access token.
func (t *table) public(method, path string, serve func(*call) (any, error)) {
	t.everywhere(method, path, route{serve: serve, open: true})
}

func (t *table) everywhere(method, path string, r route) {
	for _, version := range [...]string{"v3", "r0", "unstable"} {
		t.add(method, "/_matrix/client/"+version+path, r)
	}
}

func (t *table) accounts() {
	t.public(http.MethodGet, "/login", loginFlows)
	t.public(http.MethodPost, "/login", login)
	t.public(http.MethodPost, "/register", register)
	t.public(http.MethodGet, "/register/available", registerAvailable)
	t.add(http.MethodGet, "/_matrix/client/v1/register/m.login.registration_token/validity", route{registrationTokenValidity, true})
	t.public(http.MethodPost, "/refresh", refresh)
	t.stable(http.MethodPost, "/logout", logout)
	t.stable(http.MethodPost, "/logout/all", logoutAll)
	t.stable(http.MethodGet, "/account/whoami", whoami)
	t.stable(http.MethodPost, "/account/password", changePassword)
	t.stable(http.MethodPost, "/account/deactivate", deactivate)
	t.stable(http.MethodGet, "/devices", listDevices)
	t.stable(http.MethodGet, "/devices/{deviceId}", getDevice)
	t.stable(http.MethodPut, "/devices/{deviceId}", putDevice)
	t.stable(http.MethodDelete, "/devices/{deviceId}", deleteDevice)
	t.stable(http.MethodPost, "/delete_devices", deleteDevices)
	t.stable(http.MethodGet, "/capabilities", capabilities)
}

func (t *table) membership() {
	t.stable(http.MethodPost, "/createRoom", createRoom)
	t.stable(http.MethodPost, "/rooms/{roomId}/upgrade", upgradeRoom)
	t.stable(http.MethodPost, "/join/{roomIdOrAlias}", joinAny)
	t.stable(http.MethodPost, "/rooms/{roomId}/join", joinRoom)
	t.stable(http.MethodPost, "/rooms/{roomId}/leave", leaveRoom)
	t.stable(http.MethodPost, "/rooms/{roomId}/forget", forgetRoom)
	t.stable(http.MethodPost, "/rooms/{roomId}/invite", inviteUser)
	t.stable(http.MethodPost, "/rooms/{roomId}/kick", kickUser)
	t.stable(http.MethodPost, "/rooms/{roomId}/ban", banUser)
	t.stable(http.MethodPost, "/rooms/{roomId}/unban", unbanUser)
	t.stable(http.MethodGet, "/rooms/{roomId}/members", members)
	t.stable(http.MethodGet, "/rooms/{roomId}/joined_members", joinedMembers)
	t.stable(http.MethodGet, "/joined_rooms", joinedRooms)
}

func (t *table) rooms() {
	t.stable(http.MethodGet, "/sync", getSync)
	t.add(http.MethodPost, "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", route{serve: slidingSync})
	t.stable(http.MethodPut, "/rooms/{roomId}/send/{eventType}/{txnId}", sendMessage)
	t.stable(http.MethodPut, "/rooms/{roomId}/redact/{eventId}/{txnId}", sendRedaction)
	t.stable(http.MethodGet, "/rooms/{roomId}/state", roomState)
	for _, path := range [...]string{"/rooms/{roomId}/state/{eventType}", "/rooms/{roomId}/state/{eventType}/{stateKey}"} {
		t.stable(http.MethodGet, path, getState)
		t.stable(http.MethodPut, path, putState)
	}
	t.stable(http.MethodGet, "/rooms/{roomId}/messages", messages)
	t.stable(http.MethodGet, "/rooms/{roomId}/event/{eventId}", getEvent)
	t.stable(http.MethodGet, "/rooms/{roomId}/context/{eventId}", getContext)
	t.stable(http.MethodPut, "/rooms/{roomId}/typing/{userId}", setTyping)
	t.stable(http.MethodPost, "/rooms/{roomId}/receipt/{receiptType}/{eventId}", setReceipt)
	t.stable(http.MethodPost, "/rooms/{roomId}/read_markers", setReadMarkers)
}

func (t *table) directory() {
	t.public(http.MethodGet, "/directory/room/{roomAlias}", getAlias)
	t.stable(http.MethodPut, "/directory/room/{roomAlias}", putAlias)
	t.stable(http.MethodDelete, "/directory/room/{roomAlias}", deleteAlias)
	t.public(http.MethodGet, "/directory/list/room/{roomId}", getListing)
	t.stable(http.MethodPut, "/directory/list/room/{roomId}", putListing)
	t.stable(http.MethodGet, "/rooms/{roomId}/aliases", roomAliases)
	t.public(http.MethodGet, "/publicRooms", publicRooms)
	t.stable(http.MethodPost, "/publicRooms", searchPublicRooms)
	t.stable(http.MethodPost, "/user_directory/search", searchUsers)
	t.public(http.MethodGet, "/profile/{userId}", getProfile)
	t.public(http.MethodGet, "/profile/{userId}/{field}", getProfileField)
	t.stable(http.MethodPut, "/profile/{userId}/{field}", putProfileField)
	t.stable(http.MethodDelete, "/profile/{userId}/{field}", deleteProfileField)
}

func (t *table) personal() {
	t.stable(http.MethodPost, "/user/{userId}/filter", createFilter)
	t.stable(http.MethodGet, "/user/{userId}/filter/{filterId}", getFilter)
	for _, path := range [...]string{"/user/{userId}/account_data/{type}", "/user/{userId}/rooms/{roomId}/account_data/{type}"} {
		t.stable(http.MethodGet, path, getAccountData)
		t.stable(http.MethodPut, path, putAccountData)
	}
	t.stable(http.MethodGet, "/presence/{userId}/status", getPresence)
	t.stable(http.MethodPut, "/presence/{userId}/status", putPresence)
	t.pushRules()
	t.stable(http.MethodGet, "/pushers", getPushers)
	t.stable(http.MethodPost, "/pushers/set", setPusher)
	t.stable(http.MethodGet, "/notifications", notifications)
}

func (t *table) pushRules() {
	t.stable(http.MethodGet, "/pushrules", getPushRules)
	t.stable(http.MethodGet, "/pushrules/", getPushRules)
	t.stable(http.MethodGet, "/pushrules/global", getGlobalPushRules)
	t.stable(http.MethodGet, "/pushrules/global/", getGlobalPushRules)
	t.stable(http.MethodGet, "/pushrules/global/{kind}/{ruleId}", getPushRule)
	t.stable(http.MethodGet, "/pushrules/global/{kind}/{ruleId}/{attr}", getPushRule)
	t.stable(http.MethodPut, "/pushrules/global/{kind}/{ruleId}", putPushRule)
	t.stable(http.MethodPut, "/pushrules/global/{kind}/{ruleId}/{attr}", setPushRule)
	t.stable(http.MethodDelete, "/pushrules/global/{kind}/{ruleId}", deletePushRule)
}

func (t *table) encryption() {
	t.stable(http.MethodPost, "/keys/upload", uploadKeys)
	t.stable(http.MethodPost, "/keys/query", queryKeys)
	t.stable(http.MethodPost, "/keys/claim", claimKeys)
	t.stable(http.MethodGet, "/keys/changes", keyChanges)
	t.stable(http.MethodPost, "/keys/device_signing/upload", uploadCrossSigning)
	t.stable(http.MethodPost, "/keys/signatures/upload", uploadSignatures)
	t.stable(http.MethodPut, "/sendToDevice/{eventType}/{txnId}", sendToDevice)
	t.stable(http.MethodPost, "/room_keys/version", createBackup)
	t.stable(http.MethodGet, "/room_keys/version", getBackup)
	t.stable(http.MethodGet, "/room_keys/version/{version}", getBackup)
	t.stable(http.MethodPut, "/room_keys/version/{version}", putBackup)
	t.stable(http.MethodDelete, "/room_keys/version/{version}", deleteBackup)
	for _, path := range [...]string{"/room_keys/keys", "/room_keys/keys/{roomId}", "/room_keys/keys/{roomId}/{sessionId}"} {
		t.stable(http.MethodPut, path, putBackupKeys)
		t.stable(http.MethodGet, path, getBackupKeys)
		t.stable(http.MethodDelete, path, deleteBackupKeys)
	}
}

// finding are the endpoints that help users to find rooms, and things in them.
func (t *table) finding() {
	t.stable(http.MethodPost, "/knock/{roomIdOrAlias}", knock)
	t.v1(http.MethodGet, "/rooms/{roomId}/hierarchy", hierarchy)
	for _, path := range [...]string{"", "/{relType}", "/{relType}/{eventType}"} {
		t.v1(http.MethodGet, "/rooms/{roomId}/relations/{eventId}"+path, relations)
	}
	t.v1(http.MethodGet, "/rooms/{roomId}/threads", threads)
	t.stable(http.MethodPost, "/search", search)
	t.v1(http.MethodGet, "/rooms/{roomId}/timestamp_to_event", timestampToEvent)
	t.v1(http.MethodGet, "/room_summary/{roomIdOrAlias}", roomSummary)
	t.v1(http.MethodGet, "/mutual_rooms", mutualRooms)
	t.stable(http.MethodPost, "/rooms/{roomId}/report", reportRoom)
	t.stable(http.MethodPost, "/rooms/{roomId}/report/{eventId}", reportEvent)
	t.stable(http.MethodPost, "/users/{userId}/report", reportUser)
	t.stable(http.MethodPost, "/user/{userId}/openid/request_token", openIDToken)
	t.stable(http.MethodGet, "/user/{userId}/rooms/{roomId}/tags", getTags)
	t.stable(http.MethodPut, "/user/{userId}/rooms/{roomId}/tags/{tag}", putTag)
	t.stable(http.MethodDelete, "/user/{userId}/rooms/{roomId}/tags/{tag}", deleteTag)
}

// v1 registers an endpoint that stands below /_matrix/client/v1.
func (t *table) v1(method, path string, serve func(*call) (any, error)) {
	t.add(method, "/_matrix/client/v1"+path, route{serve: serve})
}

// media are the endpoints of the content repository. Uploads stand below /_matrix/media; downloads below
// /_matrix/client/v1, and without an access token where older clients look for them.
func (t *table) media() {
	for _, version := range [...]string{"v3", "r0", "v1"} {
		base := "/_matrix/media/" + version
		t.add(http.MethodPost, base+"/upload", route{serve: uploadMedia})
		t.add(http.MethodPut, base+"/upload/{serverName}/{mediaId}", route{serve: uploadReserved})
		t.add(http.MethodPost, base+"/create", route{serve: createMedia})
		t.downloads(base, true)
	}
	t.downloads("/_matrix/client/v1/media", false)
}

func (t *table) downloads(base string, open bool) {
	t.add(http.MethodGet, base+"/config", route{serve: mediaConfig})
	t.add(http.MethodGet, base+"/download/{serverName}/{mediaId}", route{downloadMedia, open})
	t.add(http.MethodGet, base+"/download/{serverName}/{mediaId}/{fileName}", route{downloadMedia, open})
	t.add(http.MethodGet, base+"/thumbnail/{serverName}/{mediaId}", route{thumbnail, open})
}

// answeredOnly are endpoints that clients ask when they start, of things that this server does not have.
func (t *table) answeredOnly() {
	t.stable(http.MethodGet, "/voip/turnServer", turnServer)
	t.stable(http.MethodGet, "/thirdparty/protocols", thirdParties)
	t.stable(http.MethodGet, "/account/3pid", threePIDs)
}
