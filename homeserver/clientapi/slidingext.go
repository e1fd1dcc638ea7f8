package clientapi

import (
	"meshsim/homeserver"
	"meshsim/matrix"
)

// maxToDevice is how many messages to devices one answer holds.
const maxToDevice = 100

// slidingExtensions are what a client wants to be told of besides rooms.
type slidingExtensions struct {
	ToDevice struct {
		Enabled bool   `json:"enabled"`
		Limit   int    `json:"limit"`
		Since   string `json:"since"`
	} `json:"to_device"`
	Encryption  extension `json:"e2ee"`
	AccountData extension `json:"account_data"`
	Receipts    extension `json:"receipts"`
	Typing      extension `json:"typing"`
}

type extension struct {
	Enabled bool `json:"enabled"`
}

type slidingExtensionAnswer struct {
	ToDevice    *slidToDevice    `json:"to_device,omitempty"`
	Encryption  *slidEncryption  `json:"e2ee,omitempty"`
	AccountData *slidAccountData `json:"account_data,omitempty"`
	Receipts    *slidByRoom      `json:"receipts,omitempty"`
	Typing      *slidByRoom      `json:"typing,omitempty"`
}

type slidToDevice struct {
	Next   string `json:"next_batch"`
	Events []any  `json:"events"`
}

type slidEncryption struct {
	Lists          *changedLists  `json:"device_lists,omitempty"`
	OneTimeKeys    map[string]int `json:"device_one_time_keys_count"`
	UnusedFallback []string       `json:"device_unused_fallback_key_types"`
}

type slidAccountData struct {
	Global []any            `json:"global"`
	Rooms  map[string][]any `json:"rooms"`
}

type slidByRoom struct {
	Rooms map[string]dataEvent `json:"rooms"`
}

// extensions are what there is to tell beside the rooms. news says whether that is anything.
func (s *sliding) extensions(wanted map[string]*wantedRoom, upto homeserver.Position) (out slidingExtensionAnswer, news bool) {
	want := s.in.Extensions
	if want.ToDevice.Enabled {
		out.ToDevice = s.toDevice(upto)
		news = len(out.ToDevice.Events) > 0
	}
	if want.Encryption.Enabled {
		counts := s.server.KeyCountsOf(s.device)
		out.Encryption = &slidEncryption{OneTimeKeys: counts.OneTime, UnusedFallback: counts.UnusedFallback}
		if lists := s.server.DeviceListsSince(s.user(), s.known.at, upto); s.known.at > 0 && !lists.Empty() {
			out.Encryption.Lists, news = showDeviceLists(lists), true
		}
	}
	if want.AccountData.Enabled {
		if data := s.accountData(wanted, upto); data != nil {
			out.AccountData, news = data, true
		}
	}
	if want.Receipts.Enabled || want.Typing.Enabled {
		receipts, typing := s.ephemeral(wanted, upto)
		if want.Receipts.Enabled && len(receipts.Rooms) > 0 {
			out.Receipts, news = receipts, true
		}
		if want.Typing.Enabled && len(typing.Rooms) > 0 {
			out.Typing, news = typing, true
		}
	}
	return out, news
}

// toDevice has a token of its own: a client may ask for messages on one connection and not on another. A token that is
// none of this server's counts as none.
func (s *sliding) toDevice(upto homeserver.Position) *slidToDevice {
	want := s.in.Extensions.ToDevice
	got, err := parseToken("since", want.Since)
	if err != nil || got > upto {
		got = 0
	}
	limit := maxToDevice
	if want.Limit > 0 {
		limit = min(want.Limit, maxToDevice)
	}
	messages, next := s.server.TakeToDevice(s.device, got, upto, limit)
	out := &slidToDevice{Next: token(next), Events: []any{}}
	for _, message := range messages {
		out.Events = append(out.Events, message)
	}
	return out
}

// accountData is global account data that is new, and that of rooms that are new or whose data is.
func (s *sliding) accountData(wanted map[string]*wantedRoom, upto homeserver.Position) *slidAccountData {
	out := &slidAccountData{Global: []any{}, Rooms: map[string][]any{}}
	if s.known.at == 0 && s.server.AccountDataAt(s.user(), pushRule) == 0 {
		out.Global = append(out.Global, dataEvent{pushRule, pushRules(s.call)})
	}
	for _, d := range s.server.AccountDataBetween(s.user(), s.known.at, upto) {
		if d.RoomID == "" {
			out.Global = append(out.Global, dataEvent{d.Type, d.Content})
		} else if s.known.rooms[d.RoomID].at > 0 {
			out.Rooms[d.RoomID] = append(out.Rooms[d.RoomID], dataEvent{d.Type, d.Content})
		}
	}
	s.addFreshAccountData(out, wanted, upto)
	if len(out.Global)+len(out.Rooms) == 0 {
		return nil
	}
	return out
}

// addFreshAccountData adds all of the rooms that the client does not know yet.
func (s *sliding) addFreshAccountData(out *slidAccountData, wanted map[string]*wantedRoom, upto homeserver.Position) {
	fresh := map[string]bool{}
	for id := range wanted {
		if s.known.rooms[id].at == 0 {
			fresh[id] = true
		}
	}
	if len(fresh) == 0 {
		return
	}
	for _, d := range s.server.AccountDataBetween(s.user(), 0, upto) {
		if fresh[d.RoomID] {
			out.Rooms[d.RoomID] = append(out.Rooms[d.RoomID], dataEvent{d.Type, d.Content})
		}
	}
}

// ephemeral is what has changed in the rooms that the request matches.
func (s *sliding) ephemeral(wanted map[string]*wantedRoom, upto homeserver.Position) (receipts, typing *slidByRoom) {
	receipts, typing = &slidByRoom{map[string]dataEvent{}}, &slidByRoom{map[string]dataEvent{}}
	for id, w := range wanted {
		if w.Membership.Membership != matrix.Join {
			continue
		}
		now := s.server.EphemeralBetween(id, s.user(), s.known.rooms[id].at, upto)
		if len(now.Receipts) > 0 {
			receipts.Rooms[id] = dataEvent{"m.receipt", receiptContent(now.Receipts)}
		}
		if now.TypingChanged {
			typing.Rooms[id] = dataEvent{"m.typing", map[string]any{"user_ids": now.Typing}}
		}
	}
	return receipts, typing
}
