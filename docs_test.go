package meshsim_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// described is a row of the list of packages in docs/architecture.md.
type described struct{ packages []string }

var quotedName = regexp.MustCompile("`([a-z0-9/]+)`")

// architecture reads the list of packages. The first cell of a row names packages of the module; those below them may be
// named in the second cell, by their last element alone.
func architecture(t *testing.T) []described {
	t.Helper()
	text, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []described
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.SplitN(line, "|", 4)
		var row described
		for _, name := range quotedName.FindAllStringSubmatch(cells[1], -1) {
			if !slices.Contains(layout, name[1]) {
				t.Errorf("docs/architecture.md lists %s, which is no package", name[1])
			}
			row.packages = append(row.packages, name[1])
		}
		for _, name := range quotedName.FindAllStringSubmatch(cells[2], -1) {
			for _, full := range append([]string{name[1]}, below(row.packages, name[1])...) {
				if slices.Contains(layout, full) && !slices.Contains(row.packages, full) {
					row.packages = append(row.packages, full)
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func below(parents []string, name string) []string {
	var all []string
	for _, parent := range parents {
		all = append(all, parent+"/"+name)
	}
	return all
}

func TestArchitectureListsEveryPackage(t *testing.T) {
	rows := architecture(t)
	place := make(map[string]int)
	for i, row := range rows {
		for _, name := range row.packages {
			place[name] = i
		}
	}
	for _, name := range layout {
		if _, listed := place[name]; !listed {
			t.Errorf("docs/architecture.md does not list package %s", name)
		}
	}
	for _, src := range sources(t) {
		for imported := range src.imports {
			if place[imported] > place[src.dir] {
				t.Errorf("%s imports %s, which stands below it in docs/architecture.md", src.dir, imported)
			}
		}
	}
}

var markdownLink = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

func TestDocumentsLinkToWhatIsThere(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"*.md", "*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	if len(documents) < 8 {
		t.Fatalf("only %v are found", documents)
	}
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range markdownLink.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			target := filepath.Join(filepath.Dir(document), link[1])
			content, err := os.ReadFile(target)
			if info, failed := os.Stat(target); failed != nil || err != nil && !info.IsDir() {
				t.Errorf("%s links to %s, which is not there", document, link[1])
			} else if link[2] != "" && !hasHeading(string(content), link[2][1:]) {
				t.Errorf("%s links to %s, which has no heading %s", document, link[1], link[2])
			}
		}
	}
}

// hasHeading says whether a document has a heading with an anchor: lower case, with hyphens for spaces.
func hasHeading(text, anchor string) bool {
	for line := range strings.Lines(text) {
		if title := strings.TrimLeft(line, "#"); title != line && anchor == strings.ReplaceAll(strings.ToLower(strings.TrimSpace(title)), " ", "-") {
			return true
		}
	}
	return false
}
