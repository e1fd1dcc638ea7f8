package clientapi_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fetch makes a request and returns the whole response.
func (c *client) fetch(method, target, kind string, body []byte) *httptest.ResponseRecorder {
	c.t.Helper()
	request := httptest.NewRequestWithContext(context.Background(), method, target, bytes.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", kind)
	recorder := httptest.NewRecorder()
	c.api.ServeHTTP(recorder, request)
	return recorder
}

// upload returns the server and id of a file's mxc URI as they stand in paths.
func (c *client) upload(kind, name string, content []byte) string {
	c.t.Helper()
	answer := c.fetch("POST", "/_matrix/media/v3/upload?filename="+name, kind, content)
	_, uri, found := strings.Cut(answer.Body.String(), "mxc://")
	if answer.Code != http.StatusOK || !found {
		c.t.Fatalf("upload: %d %s", answer.Code, answer.Body)
	}
	uri, _, _ = strings.Cut(uri, `"`)
	return uri
}

const downloads = "/_matrix/client/v1/media/download/"

func picture(width, height int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		img.Set(i%width, i/width, color.RGBA{uint8(i), 100, 200, 255})
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func TestMediaOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, alice, bob := federated(t)
		full := picture(300, 200)
		uri := alice.upload("image/png", "kitchen.png", full)
		check := func(who *client, target string, want []byte) {
			t.Helper()
			got := who.fetch("GET", target, "", nil)
			if got.Code != http.StatusOK || !bytes.Equal(got.Body.Bytes(), want) || got.Header().Get("Content-Type") != "image/png" {
				t.Errorf("%s: %d %v, %d bytes", target, got.Code, got.Header(), got.Body.Len())
			}
			if at := got.Header().Get("Content-Disposition"); at != "inline; filename=kitchen.png" {
				t.Errorf("%s: Content-Disposition %q", target, at)
			}
		}
		check(alice, downloads+uri, full)
		check(bob, downloads+uri, full)
		check(bob, "/_matrix/media/v3/download/"+uri, full)
		net.part(true)
		check(bob, downloads+uri, full) // from the cache

		small := bob.fetch("GET", "/_matrix/client/v1/media/thumbnail/"+uri+"?width=60&height=60&method=crop", "", nil)
		img, err := png.Decode(small.Body)
		if err != nil || img.Bounds().Dx() != 60 || img.Bounds().Dy() != 60 {
			t.Errorf("a cropped thumbnail: %v %v", img, err)
		}
		if got := bob.fetch("GET", downloads+"hs0/NONE", "", nil); got.Code != http.StatusBadGateway {
			t.Errorf("media of a server that is away: %d %s", got.Code, got.Body)
		}
		net.part(false)
		if got := bob.fetch("GET", downloads+"hs0/NONE", "", nil); got.Code != http.StatusNotFound {
			t.Errorf("media that is not there: %d %s", got.Code, got.Body)
		}
	})
}

func TestThumbnails(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	uri, text := alice.upload("image/png", "", picture(300, 200)), alice.upload("text/plain", "", []byte("hello"))
	base := "/_matrix/client/v1/media/thumbnail/"
	for name, c := range map[string]struct{ query, size string }{
		"scaled":      {"width=150&height=150&method=scale", "(150,100)"},
		"by-default":  {"width=30&height=100", "(30,20)"},
		"cropped":     {"width=100&height=200&method=crop", "(100,200)"},
		"not-larger":  {"width=900&height=900", "(300,200)"},
		"crop-beyond": {"width=400&height=100&method=crop", "(300,75)"},
	} {
		t.Run(name, func(t *testing.T) {
			got := alice.fetch("GET", base+uri+"?"+c.query, "", nil)
			config, err := png.DecodeConfig(got.Body)
			if size := image.Pt(config.Width, config.Height).String(); err != nil || size != c.size {
				t.Errorf("%d %s %v, want %s", got.Code, size, err, c.size)
			}
		})
	}
	for name, target := range map[string]string{
		"no-size": base + uri, "bad-method": base + uri + "?width=1&height=1&method=stretch", "no-image": base + text + "?width=1&height=1",
	} {
		t.Run(name, func(t *testing.T) {
			if got := alice.fetch("GET", target, "", nil); got.Code != http.StatusBadRequest {
				t.Errorf("%d %s", got.Code, got.Body)
			}
		})
	}
}

// TestReservedMedia: who asks for a file that is announced only waits for it, for a while.
func TestReservedMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		answer := alice.fetch("POST", "/_matrix/media/v1/create", "", nil).Body.String()
		_, uri, _ := strings.Cut(answer, "mxc://")
		uri, _, _ = strings.Cut(uri, `"`)
		if got := bob.fetch("GET", downloads+uri, "", nil); got.Code != http.StatusBadGateway && got.Code != http.StatusGatewayTimeout {
			t.Errorf("before the upload: %d %s", got.Code, got.Body)
		}
		if got := alice.fetch("GET", downloads+uri+"?timeout_ms=10", "", nil); got.Code != http.StatusGatewayTimeout {
			t.Errorf("before the upload, at home: %d %s", got.Code, got.Body)
		}
		came := make(chan *httptest.ResponseRecorder)
		go func() { came <- bob.fetch("GET", downloads+uri, "", nil) }()
		time.Sleep(5 * time.Second)
		upload := "/_matrix/media/v3/upload/" + uri
		if got := bob.fetch("PUT", upload, "text/plain", nil); got.Code != http.StatusForbidden {
			t.Errorf("an upload to another server: %d %s", got.Code, got.Body)
		}
		if got := alice.fetch("PUT", upload, "text/html", []byte("here")); got.Code != http.StatusOK {
			t.Errorf("the upload: %d %s", got.Code, got.Body)
		}
		if got := <-came; got.Body.String() != "here" || got.Header().Get("Content-Disposition") != "attachment" {
			t.Errorf("after the upload: %d %s %v", got.Code, got.Body, got.Header())
		}
		if got := alice.fetch("PUT", upload, "text/html", []byte("again")); got.Code != http.StatusConflict {
			t.Errorf("a second upload: %d %s", got.Code, got.Body)
		}
	})
}
