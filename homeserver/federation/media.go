package federation

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"time"

	"meshsim/homeserver"
)

// maxMediaWait is how long another server waits for media that is announced only.
const maxMediaWait = 20 * time.Second

// respondent is an answer that is not JSON.
type respondent interface{ write(http.ResponseWriter) }

// mediaAnswer is the answer of media/download and media/thumbnail: metadata, of which there is none, and the
// file, as the parts of a multipart body (server-server specification, content repository).
type mediaAnswer struct{ homeserver.Media }

func (m mediaAnswer) write(w http.ResponseWriter) {
	parts := multipart.NewWriter(w)
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+parts.Boundary())
	if err := m.writeParts(parts); err == nil {
		_ = parts.Close() // the other server is gone
	}
}

func (m mediaAnswer) writeParts(parts *multipart.Writer) error {
	meta, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json"}})
	if err == nil {
		_, err = meta.Write([]byte("{}"))
	}
	if err != nil {
		return err
	}
	header := textproto.MIMEHeader{"Content-Type": {m.Type}}
	if m.Type == "" {
		header.Set("Content-Type", "application/octet-stream")
	}
	if m.Name != "" {
		header.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": m.Name}))
	}
	file, err := parts.CreatePart(header)
	if err == nil {
		_, err = file.Write(m.Content)
	}
	return err
}

func (h *Handler) media(req asked) (any, error) {
	wait, err := mediaWait(req.URL.Query().Get("timeout_ms"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), wait)
	defer cancel()
	media, err := h.server.LocalMedia(ctx, req.PathValue("media"))
	return mediaAnswer{media}, err
}

func (h *Handler) thumbnail(req asked) (any, error) {
	answer, err := h.media(req)
	if err != nil {
		return nil, err
	}
	query := req.URL.Query()
	width, wrongWidth := strconv.Atoi(query.Get("width"))
	height, wrongHeight := strconv.Atoi(query.Get("height"))
	if wrongWidth != nil || wrongHeight != nil || width < 1 || height < 1 {
		return nil, badRequest("width and height are %q and %q: they must be numbers from 1 on", query.Get("width"), query.Get("height"))
	}
	small, err := h.server.Thumbnail(answer.(mediaAnswer).Media, width, height, query.Get("method") == "crop")
	return mediaAnswer{small}, err
}

func mediaWait(ms string) (time.Duration, error) {
	if ms == "" {
		return maxMediaWait, nil
	}
	n, err := strconv.Atoi(ms)
	if err != nil || n < 0 {
		return 0, badRequest("timeout_ms is %q: it must be a number from 0 on", ms)
	}
	return min(time.Duration(n)*time.Millisecond, maxMediaWait), nil
}

// Media implements homeserver.Remote.
func (c *Client) Media(ctx context.Context, server, id string) (homeserver.Media, error) {
	call := call{method: http.MethodGet, server: server, path: path("federation/v1/media/download", id)}
	ctx, cancel := context.WithTimeout(ctx, c.timeout(server, homeserver.MaxMedia))
	defer cancel()
	req, err := c.request(ctx, call)
	if err != nil {
		return homeserver.Media{}, err
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return homeserver.Media{}, unreachable(err, "%s does not answer", server)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if err != nil {
			return homeserver.Media{}, unreachable(err, "%s stopped answering", server)
		}
		return homeserver.Media{}, refusal(call, res.StatusCode, raw)
	}
	media, err := readMedia(res)
	if err != nil {
		return homeserver.Media{}, unreachable(err, "%s did not send media %s", server, id)
	}
	return media, nil
}

// readMedia takes the file out of a multipart answer. Instead of the file the other server may say where it is,
// which this one does not follow.
func readMedia(res *http.Response) (homeserver.Media, error) {
	kind, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" {
		return homeserver.Media{}, fmt.Errorf("the answer is %q, not multipart/mixed", res.Header.Get("Content-Type"))
	}
	parts := multipart.NewReader(res.Body, params["boundary"])
	if _, err := parts.NextPart(); err != nil {
		return homeserver.Media{}, fmt.Errorf("the answer has no metadata: %w", err)
	}
	file, err := parts.NextPart()
	if err != nil {
		return homeserver.Media{}, fmt.Errorf("the answer has no file: %w", err)
	}
	if location := file.Header.Get("Location"); location != "" {
		return homeserver.Media{}, fmt.Errorf("the file is elsewhere, at %.200q", location)
	}
	var content bytes.Buffer
	if _, err := content.ReadFrom(io.LimitReader(file, homeserver.MaxMedia+1)); err != nil {
		return homeserver.Media{}, fmt.Errorf("the file is incomplete: %w", err)
	}
	if content.Len() > homeserver.MaxMedia {
		return homeserver.Media{}, fmt.Errorf("the file has more than %d bytes", homeserver.MaxMedia)
	}
	media := homeserver.Media{Type: file.Header.Get("Content-Type"), Content: content.Bytes()}
	if _, params, err := mime.ParseMediaType(file.Header.Get("Content-Disposition")); err == nil {
		media.Name = params["filename"]
	}
	return media, nil
}
