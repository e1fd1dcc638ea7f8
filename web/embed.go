// Package web holds the page as it is served: the files that the TypeScript sources beside this one build
// into dist, which are committed so that the Go command needs no Node.
package web

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files is the page: index.html at its root and what it names. It is safe for concurrent use.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(fmt.Sprintf("web: dist is embedded and not found: %v", err)) // "dist" is a valid path: cannot happen
	}
	return files
}
