//go:build linux

package docker

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
)

//go:embed presets
var presets embed.FS

// Preset says how a homeserver's image is run: one folder of presets each. Beside preset.yaml the folder has the files
// that are put into the data directory before every start, as templates of [Values].
type Preset struct {
	Name string `yaml:"-"`

	// Images are those that will do, the first choice first. Where none is on the machine the last one is pulled.
	Images []string `yaml:"images"`
	// Command replaces the image's entrypoint and arguments.
	Command []string `yaml:"command"`
	// Data is where the volume is mounted that keeps what the server keeps.
	Data string `yaml:"data"`
	// Environment is added to the image's.
	Environment map[string]string `yaml:"environment"`
	// ClientPort is where the client-server API is served on all addresses: 8008 (CONTRACTS.md).
	ClientPort uint16 `yaml:"client_port"`
	// FederationPort is where the server-server API is served on loopback, in plain HTTP.
	FederationPort uint16 `yaml:"federation_port"`
	// Ready is a path of the client-server API that is answered with 200 once the server works.
	Ready string `yaml:"ready"`
	// Account is how the account of every server is made.
	Account AccountKind `yaml:"account"`

	files *template.Template
}

// AccountKind is a way to make an account.
type AccountKind string

// SharedSecret is Synapse's registration with a shared secret.
const SharedSecret AccountKind = "shared_secret"

// Values are what the templates of a preset are filled with.
type Values struct {
	Name           string // Matrix server name
	Data           string // directory of the volume
	Authority      string // file with the certificate of the mesh's authority, PEM
	KeyID          string // of the signing key, without "ed25519:"
	KeySeed        string // the Ed25519 seed, unpadded base64
	Secret         string // as good as random, for whatever needs one
	ClientPort     uint16
	FederationPort uint16
	StockRetries   bool // leave the retry intervals as the homeserver has them
	Presence       bool // tell other servers who is there
	// OpenRegistration lets anybody register.
	OpenRegistration bool
}

// authorityFile is the name, in the data directory, of the mesh's certificate authority.
const authorityFile = "mesh-ca.pem"

// Presets lists the presets by name.
func Presets() []string {
	entries, err := presets.ReadDir("presets")
	if err != nil {
		panic(err) // embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// LoadPreset reads a preset.
func LoadPreset(name string) (*Preset, error) {
	if !slices.Contains(Presets(), name) {
		return nil, fmt.Errorf("there is no preset %q: there is %s", name, strings.Join(Presets(), ", "))
	}
	folder, err := fs.Sub(presets, path.Join("presets", name))
	if err != nil {
		return nil, err
	}
	p, err := readPreset(folder)
	if err != nil {
		return nil, fmt.Errorf("preset %s: %w", name, err)
	}
	p.Name = name
	return p, nil
}

func readPreset(folder fs.FS) (*Preset, error) {
	text, err := fs.ReadFile(folder, "preset.yaml")
	if err != nil {
		return nil, err
	}
	p := new(Preset)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(p); err != nil {
		return nil, err
	}
	if p.files, err = template.New("").Option("missingkey=error").ParseFS(folder, "*.tmpl"); err != nil {
		return nil, err
	}
	return p, p.check()
}

func (p *Preset) check() error {
	switch {
	case len(p.Images) == 0:
		return fmt.Errorf("it names no image")
	case !path.IsAbs(p.Data):
		return fmt.Errorf("data is %q: it must be a directory, from the root", p.Data)
	case p.ClientPort == 0 || p.FederationPort == 0:
		return fmt.Errorf("client_port and federation_port are needed")
	case p.Account != SharedSecret:
		return fmt.Errorf("account is %q: it must be %s", p.Account, SharedSecret)
	}
	return nil
}

// generate fills in the templates. The result is by file name.
func (p *Preset) generate(v Values) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, t := range p.files.Templates() {
		var out bytes.Buffer
		if err := t.Execute(&out, v); err != nil {
			return nil, err
		}
		files[strings.TrimSuffix(t.Name(), ".tmpl")] = out.Bytes()
	}
	return files, nil
}
