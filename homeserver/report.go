package homeserver

// Report is what a user says against a room, an event or another user.
type Report struct{ By, What, Which, Reason string }

// NoteReport puts a report into the server's log, which is all that becomes of it.
func (s *Server) NoteReport(r Report) {
	s.log.Info("reported", "by", r.By, r.What, r.Which, "reason", r.Reason)
}
