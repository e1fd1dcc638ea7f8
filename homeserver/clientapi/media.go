package clientapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"meshsim/homeserver"
)

// maxMediaWait is how long a client waits for media that has been announced only.
const maxMediaWait = 20 * time.Second

// file is the answer of a download: not JSON but the file itself.
type file struct{ homeserver.Media }

// inlineTypes are shown by browsers; whatever else is saved, so that no upload runs as a page of this server
// (client-server API, serving inline content).
var inlineTypes = []string{
	"text/css", "text/plain", "text/csv", "application/json", "application/ld+json",
	"image/jpeg", "image/gif", "image/png", "image/apng", "image/webp", "image/avif",
	"video/mp4", "video/webm", "video/ogg", "video/quicktime",
	"audio/mp4", "audio/webm", "audio/aac", "audio/mpeg", "audio/ogg", "audio/wave", "audio/wav", "audio/x-wav",
	"audio/x-pn-wav", "audio/flac", "audio/x-flac",
}

// write implements respondent.
func (f file) write(w http.ResponseWriter) {
	kind, _, err := mime.ParseMediaType(f.Type)
	disposition := "attachment"
	if err == nil && slices.Contains(inlineTypes, kind) {
		disposition = "inline"
	}
	if err != nil {
		f.Type = "application/octet-stream"
	}
	params := map[string]string{}
	if f.Name != "" {
		params["filename"] = f.Name
	}
	header := w.Header()
	header.Set("Content-Type", f.Type)
	header.Set("Content-Disposition", mime.FormatMediaType(disposition, params))
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	w.Write(f.Content) // when it fails the client is gone: there is nobody to tell
}

func mediaConfig(*call) (any, error) {
	return map[string]int{"m.upload.size": homeserver.MaxMedia}, nil
}

// uploadMedia takes the body as a file.
func uploadMedia(c *call) (any, error) {
	media, err := c.uploaded()
	if err != nil {
		return nil, err
	}
	id, err := c.server.AddMedia(c.user(), media)
	if err != nil {
		return nil, err
	}
	return map[string]string{"content_uri": c.contentURI(id)}, nil
}

func (c *call) contentURI(id string) string { return "mxc://" + c.server.Name() + "/" + id }

func (c *call) uploaded() (homeserver.Media, error) {
	media := homeserver.Media{Type: c.r.Header.Get("Content-Type"), Name: c.query("filename")}
	if err := checkChosen("Content-Type", media.Type); err != nil {
		return media, err
	}
	if err := checkChosen("filename", media.Name); err != nil {
		return media, err
	}
	content, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, homeserver.MaxMedia))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return media, errorf(http.StatusRequestEntityTooLarge, "M_TOO_LARGE", "the file has more than %d bytes", homeserver.MaxMedia)
	}
	if err != nil {
		return media, errorf(http.StatusBadRequest, "M_UNKNOWN", "the file could not be read: %v", err)
	}
	media.Content = content
	return media, nil
}

// createMedia reserves a media id that is uploaded to later.
func createMedia(c *call) (any, error) {
	if _, err := c.body(); err != nil {
		return nil, err
	}
	id, until, err := c.server.ReserveMedia(c.user())
	if err != nil {
		return nil, err
	}
	return map[string]any{"content_uri": c.contentURI(id), "unused_expires_at": until.UnixMilli()}, nil
}

func uploadReserved(c *call) (any, error) {
	if c.vars["serverName"] != c.server.Name() {
		return nil, forbidden("media of %s cannot be uploaded to this server", c.vars["serverName"])
	}
	media, err := c.uploaded()
	if err != nil {
		return nil, err
	}
	return empty{}, c.server.FillMedia(c.user(), c.vars["mediaId"], media)
}

// downloadMedia returns a file of any server.
func downloadMedia(c *call) (any, error) {
	media, err := c.media()
	if err != nil {
		return nil, err
	}
	if name := c.vars["fileName"]; name != "" {
		media.Name = name
	}
	return file{media}, nil
}

func (c *call) media() (homeserver.Media, error) {
	wait, err := c.number("timeout_ms", int(maxMediaWait/time.Millisecond))
	if err != nil {
		return homeserver.Media{}, err
	}
	ctx := c.r.Context()
	if c.vars["serverName"] == c.server.Name() {
		limited, cancel := context.WithTimeout(ctx, min(time.Duration(wait)*time.Millisecond, maxMediaWait))
		defer cancel()
		ctx = limited
	}
	return c.server.MediaOf(ctx, c.vars["serverName"], c.vars["mediaId"])
}

// thumbnail returns a smaller form of an image of any server.
func thumbnail(c *call) (any, error) {
	width, err := c.number("width", 0)
	if err != nil {
		return nil, err
	}
	height, err := c.number("height", 0)
	if err != nil {
		return nil, err
	}
	if width == 0 || height == 0 {
		return nil, missing("the request does not say how large: give width and height in pixels")
	}
	method := c.query("method")
	if method != "" && method != "crop" && method != "scale" {
		return nil, invalid("method=%.40s: must be crop or scale", method)
	}
	media, err := c.media()
	if err != nil {
		return nil, err
	}
	small, err := c.server.Thumbnail(media, width, height, method == "crop")
	if err != nil {
		return nil, err
	}
	return file{small}, nil
}
