package api

import (
	"fmt"
	"io/fs"
	"net/http"
	"strings"
)

// pages serves the page's files. Those below assets/ have their content's hash in their name and never
// change; everything else is asked for anew each time.
func pages(files fs.FS) http.Handler {
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, fmt.Sprintf("%s cannot be done at %s", quoted(r.Method), quoted(r.URL.Path)), http.StatusMethodNotAllowed)
			return
		}
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Content-Security-Policy", "frame-ancestors 'none'")
		header.Set("Cache-Control", "no-cache")
		if strings.HasPrefix(r.URL.Path, "/assets/") {
			header.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		server.ServeHTTP(w, r)
	})
}
