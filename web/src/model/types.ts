/** The wire's types by short names. They are generated (see wire.ts); nothing here repeats a field. */
import type { components } from "../wire";

type Schemas = components["schemas"];

export type Settings = Schemas["Settings"];
export type Server = Schemas["Server"];
export type ServerState = Server["state"];
export type Link = Schemas["Link"];
export type LinkParams = Schemas["LinkParams"];
export type Pin = Schemas["Pin"];
export type Room = Schemas["Room"];
export type RoomMember = Schemas["RoomMember"];
export type Frame = Schemas["Frame"];
export type SnapshotFrame = Schemas["SnapshotFrame"];
export type DiffFrame = Schemas["DiffFrame"];
export type EventsFrame = Schemas["EventsFrame"];
export type CountersFrame = Schemas["CountersFrame"];
export type EventInfo = Schemas["EventInfo"];
export type LinkCounters = Schemas["LinkCounters"];
export type Message = Schemas["Message"];
export type NewServer = Schemas["NewServer"];
export type NewRoom = Schemas["NewRoom"];
export type LinkPins = Schemas["LinkPins"];
export type ImportSource = Schemas["ImportSource"];
export type ImportPreview = Schemas["ImportPreview"];
export type NewImport = Schemas["NewImport"];
export type Imported = Schemas["Imported"];
export type Example = Schemas["Example"];
export type PinnedPair = Schemas["PinnedPair"];
export type Transport = Schemas["Transport"];
export type Peer = Schemas["Peer"];
export type Usage = Schemas["Usage"];
export type Merging = Schemas["Merging"];
export type LogLine = Schemas["LogLine"];
export type PingReply = Schemas["PingReply"];
export type TraceHop = Schemas["TraceHop"];
export type Version = Schemas["Version"];
export type Chatter = Schemas["Chatter"];
