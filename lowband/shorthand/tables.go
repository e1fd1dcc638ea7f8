package shorthand

import (
	"slices"
	"strings"
)

// keyNames lists the integer keys in order, from 1 on. The first 104 are version 1 of MSC3079's appendix A; those
// behind them are this package's, for the server-server API. A number is never given to another key.
const keyNames = `event_id type content state_key room_id sender user_id origin_server_ts unsigned prev_content state
timeline events limited prev_batch transaction_id age redacted_because next_batch presence avatar_url account_data rooms
join membership displayname body msgtype format formatted_body ephemeral invite_state leave third_party_invite is_direct
hashes signatures depth prev_events prev_state auth_events origin creator join_rule history_visibility ban events_default
kick redact state_default users users_default reason visibility room_alias_name name topic invite invite_3pid room_version
creation_content initial_state preset servers identifier user medium address password token device_id
initial_device_display_name access_token home_server well_known base_url device_lists to_device peek last_seen_ip
display_name typing last_seen_ts algorithm sender_key session_id ciphertext one_time_keys timeout recent_rooms chunk
m.fully_read device_keys failures device_display_name prev_sender replaces_state changed unstable_features versions devices
errcode error room_alias
pdus edus edu_type sha256 event auth_chain members_omitted servers_in_room pdu_ids auth_chain_ids earliest_events
latest_events limit min_depth redacts notifications allow aliases alias server_name verify_keys old_verify_keys
valid_until_ts expired_ts key server_keys minimum_valid_until_ts keys stream_id prev_id deleted messages message_id
m.read m.read.private data event_ids ts thread_id last_active_ago currently_active push status_msg invite_room_state
knock_room_state knock additional_creators predecessor m.federate federate url info mimetype size w h thumbnail_url
thumbnail_info thumbnail_file m.relates_to rel_type m.in_reply_to m.mentions user_ids is_falling_back m.new_content
retry_after_ms soft_logout flows stages completed params session summary m.heroes m.joined_member_count
m.invited_member_count unread_notifications highlight_count notification_count device_one_time_keys_count
device_unused_fallback_key_types start end server version capabilities refresh_token expires_in_ms results users_in_room
room_types children_state inaccessible_children guest_access world_readable num_joined_members canonical_alias
guest_can_join join_authorised_via_users_server public_key key_validity_url public_keys mxid signed v file hashes_v2`

// stringNames lists the strings that are sent as simple values of CBOR (RFC 8949, section 3.3): the first 20 as one
// byte, those behind them as two. They stand for themselves in values and in keys.
const stringNames = `m.room.message m.text m.room.member ed25519:1 join m.room.create m.room.power_levels
m.room.join_rules m.room.history_visibility m.typing m.receipt m.presence invite leave public shared m.room.name
m.room.topic m.room.redaction m.room.encrypted
m.notice m.emote m.image m.file m.audio m.video m.reaction m.annotation m.replace m.thread m.reference ban knock
restricted knock_restricted private world_readable invited joined can_join forbidden m.room.guest_access
m.room.canonical_alias m.room.avatar m.room.aliases m.room.encryption m.room.tombstone m.room.server_acl
m.room.third_party_invite m.room.pinned_events m.space.child m.space.parent m.space m.direct m.push_rules m.fully_read
m.megolm.v1.aes-sha2 m.olm.v1.curve25519-aes-sha2 m.room_key m.room_key_request m.device_list_update m.direct_to_device
m.signing_key_update org.matrix.signing_key_update m.login.password m.login.token m.login.sso m.login.dummy
m.login.recaptcha m.login.terms m.id.user m.id.thirdparty online offline unavailable 1 2 6 9 10 11 12
public_chat private_chat trusted_private_chat M_FORBIDDEN M_UNKNOWN_TOKEN M_MISSING_TOKEN M_BAD_JSON M_NOT_JSON
M_NOT_FOUND M_LIMIT_EXCEEDED M_UNKNOWN M_UNRECOGNIZED M_UNAUTHORIZED M_USER_IN_USE M_INVALID_USERNAME M_ROOM_IN_USE
M_INVALID_PARAM M_MISSING_PARAM M_TOO_LARGE M_UNSUPPORTED_ROOM_VERSION M_INCOMPATIBLE_ROOM_VERSION M_GUEST_ACCESS_FORBIDDEN
M_EXCLUSIVE M_BAD_STATE M_UNABLE_TO_AUTHORISE_JOIN M_UNABLE_TO_GRANT_JOIN org.matrix.custom.html ver event_id limit v dir
b f timeout since filter full_state set_presence from to at membership field user_id room_alias displayname avatar_url
omit_members partial minimum_valid_until_ts via server_name access_token signed_curve25519 ed25519 curve25519 ed25519:auto
ed25519:0 ed25519:a_0 matrix.org method status content-type retry-after location content-disposition etag range
if-none-match application/octet-stream text/plain text/html image/png image/jpeg m.federate guest default`

// federationPaths are the paths of the server-server API (Matrix 1.16), numbered in this order. A star stands for one
// argument.
var federationPaths = []string{
	"/_matrix/federation/v1/send/*",
	"/_matrix/federation/v1/make_join/*/*",
	"/_matrix/federation/v2/send_join/*/*",
	"/_matrix/federation/v2/invite/*/*",
	"/_matrix/federation/v1/get_missing_events/*",
	"/_matrix/federation/v1/backfill/*",
	"/_matrix/federation/v1/event/*",
	"/_matrix/federation/v1/state_ids/*",
	"/_matrix/federation/v1/state/*",
	"/_matrix/federation/v1/event_auth/*/*",
	"/_matrix/key/v2/server",
	"/_matrix/federation/v1/query/profile",
	"/_matrix/federation/v1/make_leave/*/*",
	"/_matrix/federation/v2/send_leave/*/*",
	"/_matrix/federation/v1/query/directory",
	"/_matrix/federation/v1/user/devices/*",
	"/_matrix/federation/v1/user/keys/query",
	"/_matrix/federation/v1/user/keys/claim",
	"/_matrix/federation/v1/version",
	"/_matrix/key/v2/query",
	"/_matrix/key/v2/query/*",
	"/_matrix/federation/v1/make_knock/*/*",
	"/_matrix/federation/v1/send_knock/*/*",
	"/_matrix/federation/v1/send_join/*/*",
	"/_matrix/federation/v1/send_leave/*/*",
	"/_matrix/federation/v1/invite/*/*",
	"/_matrix/federation/v1/3pid/onbind",
	"/_matrix/federation/v1/exchange_third_party_invite/*",
	"/_matrix/federation/v1/publicRooms",
	"/_matrix/federation/v1/hierarchy/*",
	"/_matrix/federation/v1/timestamp_to_event/*",
	"/_matrix/federation/v1/openid/userinfo",
	"/_matrix/federation/v1/query/*",
	"/_matrix/federation/v1/media/download/*",
	"/_matrix/federation/v1/media/thumbnail/*",
	"/_matrix/key/v2/server/*",
}

// clientPaths are the paths of MSC3079's appendix B in its order, below /_matrix/client/r0 or /_matrix/client/v3
// except for the first.
var clientPaths = []string{
	"/_matrix/client/versions", "/login", "/capabilities", "/logout", "/register", "/user/*/filter", "/user/*/filter/*",
	"/sync", "/rooms/*/state/*/*", "/rooms/*/send/*/*", "/rooms/*/event/*", "/rooms/*/state", "/rooms/*/members",
	"/rooms/*/joined_members", "/rooms/*/messages", "/rooms/*/redact/*/*", "/createRoom", "/directory/room/*",
	"/joined_rooms", "/rooms/*/invite", "/rooms/*/join", "/join/*", "/rooms/*/leave", "/rooms/*/forget", "/rooms/*/kick",
	"/rooms/*/ban", "/rooms/*/unban", "/directory/list/room/*", "/publicRooms", "/user_directory/search",
	"/profile/*/displayname", "/profile/*/avatar_url", "/profile/*", "/voip/turnServer", "/rooms/*/typing/*",
	"/rooms/*/receipt/*/*", "/rooms/*/read_markers", "/presence/*/status", "/sendToDevice/*/*", "/devices", "/devices/*",
	"/delete_devices", "/keys/upload", "/keys/query", "/keys/claim", "/keys/changes", "/pushers", "/pushers/set",
	"/notifications", "/pushrules/", "/search", "/user/*/rooms/*/tags", "/user/*/rooms/*/tags/*",
	"/user/*/account_data/*", "/user/*/rooms/*/account_data/*", "/rooms/*/context/*", "/rooms/*/report/*",
	"/account/whoami", "/rooms/*/state/*",
}

// names are the tables in the form that coding needs.
type names struct {
	keys    []string // by number; 0 is unused
	keyOf   map[string]uint64
	strings []string
	simple  map[string]byte // the simple value of a string
	paths   pathTree
}

func newNames() *names {
	n := &names{keyOf: map[string]uint64{}, simple: map[string]byte{}, keys: append([]string{""}, strings.Fields(keyNames)...)}
	for i, key := range n.keys[1:] {
		n.keyOf[key] = uint64(i + 1)
	}
	n.strings = strings.Fields(stringNames)
	for i, s := range n.strings {
		n.simple[s] = simpleValue(i)
	}
	n.paths = newPathTree()
	return n
}

// The simple values 20 to 31 are taken: false, true, null, undefined and the reserved ones.
const (
	shortSimple = 20
	firstLong   = 32
)

func simpleValue(index int) byte {
	if index < shortSimple {
		return byte(index)
	}
	return byte(index - shortSimple + firstLong)
}

// text returns the string of a simple value.
func (n *names) text(simple byte) (string, bool) {
	index := int(simple)
	if simple >= firstLong {
		index = int(simple) - firstLong + shortSimple
	} else if simple >= shortSimple {
		return "", false
	}
	if index >= len(n.strings) {
		return "", false
	}
	return n.strings[index], true
}

// Lengths of the tables of MSC3079, version 1.
const (
	standardKeys  = 104
	standardPaths = 57
)

// StandardKeys returns the keys of MSC3079's appendix A; the first one has the number 1.
func StandardKeys() []string { return strings.Fields(keyNames)[:standardKeys] }

// StandardPaths returns the paths of MSC3079's appendix B in the order of its characters 0-9, A-Z, a-u. A star stands for
// one argument. All but the first are below /_matrix/client/r0.
func StandardPaths() []string { return slices.Clone(clientPaths[:standardPaths]) }
