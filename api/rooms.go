package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/talk"
)

func (v *v1) registerRooms(api huma.API) {
	const tag = "rooms"
	huma.Register(api, operation("list-rooms", http.MethodGet, "/rooms", tag, "The rooms made here, oldest first",
		"Rooms that clients made themselves are not in the list."), v.listRooms)
	huma.Register(api, creating(operation("make-room", http.MethodPost, "/rooms", tag, "Make a room and let servers join it",
		"Answers once the room exists on the creator's server; the members then join side by side, and the "+
			"room tells how they fare. Each is the account matthew of its server.")), v.makeRoom)
	huma.Register(api, operation("join-room", http.MethodPost, "/rooms/{room}/members", tag, "Let more servers join",
		"Those that have joined already are left alone, those that failed try again."), v.joinRoom)
	huma.Register(api, operation("send-message", http.MethodPost, "/rooms/{room}/messages", tag, "Say something", ""), v.sendMessage)
	huma.Register(api, operation("list-messages", http.MethodGet, "/rooms/{room}/messages", tag,
		"What one server has of a room", "The newest last."), v.listMessages)
}

func (v *v1) listRooms(context.Context, *nothing) (*result[[]Room], error) {
	return answer(roomsOf(v.talk.Rooms()), nil)
}

func (v *v1) makeRoom(ctx context.Context, in *struct{ Body NewRoom }) (*result[Room], error) {
	room, err := v.talk.Create(ctx, talk.NewRoom{
		Name:    in.Body.Name,
		Version: in.Body.Version,
		Creator: in.Body.Creator,
		Members: in.Body.Members,
	})
	if err != nil {
		return nil, problemOf(err)
	}
	return answer(roomOf(room), nil)
}

type membersPost struct {
	Room string `path:"room" maxLength:"255" doc:"Id of a room made here, e.g. !abc:hs0, percent-encoded."`
	Body NewMembers
}

func (v *v1) joinRoom(_ context.Context, in *membersPost) (*result[Room], error) {
	room, err := v.talk.Join(in.Room, in.Body.Servers)
	if err != nil {
		return nil, problemOf(err)
	}
	return answer(roomOf(room), nil)
}

type messagePost struct {
	Room string `path:"room" maxLength:"255" doc:"Id of a room made here, e.g. !abc:hs0, percent-encoded."`
	Body NewMessage
}

func (v *v1) sendMessage(ctx context.Context, in *messagePost) (*result[SentMessage], error) {
	id, err := v.talk.Send(ctx, in.Room, in.Body.Server, in.Body.Body)
	return answer(SentMessage{EventID: id}, err)
}

type messagesGet struct {
	Room   string `path:"room" maxLength:"255" doc:"Id of a room made here, e.g. !abc:hs0, percent-encoded."`
	Server int    `query:"server" required:"true" minimum:"0" maximum:"8388605" doc:"Id of the server whose view it is."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"At most so many events."`
}

func (v *v1) listMessages(ctx context.Context, in *messagesGet) (*result[[]Message], error) {
	found, err := v.talk.Messages(ctx, in.Room, in.Server, in.Limit)
	messages := make([]Message, len(found))
	for i, m := range found {
		messages[i] = Message(m)
	}
	return answer(messages, err)
}

func roomOf(r *talk.Room) Room {
	room := Room{ID: r.ID, Name: r.Name, Version: r.Version, Creator: r.Creator, Members: make([]RoomMember, len(r.Members)), ChatterPerSecond: r.Chatter}
	for i, m := range r.Members {
		room.Members[i] = RoomMember{Server: m.Server, State: string(m.State), Reason: m.Reason}
	}
	return room
}

func roomsOf(list []*talk.Room) []Room {
	shown := make([]Room, len(list))
	for i, r := range list {
		shown[i] = roomOf(r)
	}
	return shown
}
