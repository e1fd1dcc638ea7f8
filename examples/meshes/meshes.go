// Package meshes holds example meshes, as mesh files, for a page that offers them and for people who read them.
package meshes

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Example is one mesh file. The first line of its comment is its title, the rest says what it shows.
type Example struct {
	Name        string // of the file, without its extension
	Title       string
	Description string
	Text        string
}

// All returns the examples in the order of their names.
func All() []Example {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic("meshes: " + err.Error()) // the files are in the program
	}
	var all []Example
	for _, entry := range entries {
		text, err := fs.ReadFile(files, entry.Name())
		if err != nil {
			panic("meshes: " + err.Error())
		}
		all = append(all, parse(strings.TrimSuffix(entry.Name(), path.Ext(entry.Name())), string(text)))
	}
	return all
}

func parse(name, text string) Example {
	e := Example{Name: name, Text: text}
	var description []string
	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		comment = strings.TrimSpace(comment)
		if e.Title == "" {
			e.Title = comment
			continue
		}
		description = append(description, comment)
	}
	e.Description = strings.Join(description, " ")
	return e
}
