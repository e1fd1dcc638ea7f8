package federation

// signedRequest is what the signature of a request covers, as canonical JSON. content is canonical JSON too,
// nil for a request without a body.
func signedRequest(method, uri, origin, destination string, content []byte) ([]byte, error) {
	var b []byte
	b = append(b, '{')
	if content != nil {
		b = append(b, `"content":`...)
		b = append(b, content...)
		b = append(b, ',')
	}
	for i, member := range [...][2]string{{"destination", destination}, {"method", method}, {"origin", origin}, {"uri", uri}} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, member[0]...)
		b = append(b, `":`...)
		value, err := canonicalString(member[1])
		if err != nil {
			return nil, err
		}
		b = append(b, value...)
	}
	return append(b, '}'), nil
}
