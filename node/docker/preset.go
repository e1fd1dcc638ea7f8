//go:build linux

package docker

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"go.yaml.in/yaml/v3"
)

//go:embed presets
var presets embed.FS

// Preset says how a homeserver's image is run. Ours are one folder of presets each; [ReadPreset] reads those of users.
// All texts of Command, Environment and Files are templates (package text/template) of [Values]; so are the files beside
// preset.yaml whose names end with .tmpl. docs/presets.md describes them for users.
type Preset struct {
	// Name is the kind of its servers. Ours are named after their folder.
	Name string `yaml:"name"`
	// Images are those that will do, the first choice first. Where none is on the machine the last one is pulled.
	Images []string `yaml:"images"`
	// ImageScript makes the first image where there is no registry; optional.
	ImageScript string `yaml:"image_script"`
	// Command replaces the image's entrypoint and arguments. What becomes empty is left out.
	Command []string `yaml:"command"`
	// Data is where the volume is mounted that keeps what the server keeps.
	Data string `yaml:"data"`
	// Environment is added to the image's. What becomes empty is left out.
	Environment map[string]string `yaml:"environment"`
	// Mounts are HOST-PATH:CONTAINER-PATH[:ro].
	Mounts []string `yaml:"mounts"`
	// Files are put into the data directory before every start, by their path in it.
	Files map[string]string `yaml:"files"`
	// ClientPort is where the client-server API is served on all addresses: 8008 (CONTRACTS.md).
	ClientPort uint16 `yaml:"client_port"`
	// FederationPort is where the server-server API is served in plain HTTP, at least on loopback. It may be ClientPort.
	FederationPort uint16 `yaml:"federation_port"`
	// Ready is a path of the client-server API that is answered with 200 once the server works.
	Ready string `yaml:"ready"`
	// ReadyWithin is how long that may take; 0 is five minutes.
	ReadyWithin time.Duration `yaml:"ready_within"`
	// Account is how the account of every server is made, and AccountCommand the command that does it for CommandAccount.
	Account        AccountKind `yaml:"account"`
	AccountCommand []string    `yaml:"account_command"`
	// Login is how clients log in; empty is PasswordLogin.
	Login LoginKind `yaml:"login"`
	// IgnoresProxy is a homeserver that does not take the proxy of its environment or configuration: what it sends is
	// not seen.
	IgnoresProxy bool `yaml:"ignores_proxy"`
	// EndsTLS is a homeserver whose files heed Values.TLSPort: it can do without the gateway.
	EndsTLS bool `yaml:"ends_tls"`
	// NamesFew is a homeserver that names only some of many branches of a room in what it sends next, and sends that to
	// those alone that these branches know of: crowds join in turns where it is.
	NamesFew bool `yaml:"names_few"`
	// UsesPostgres is a homeserver whose files heed Values.Database.
	UsesPostgres bool `yaml:"uses_postgres"`

	source string // where it was read, for errors
	texts  *template.Template
}

// AccountKind is a way to make an account.
type AccountKind string

// The ways to make an account.
const (
	SharedSecret   AccountKind = "shared_secret" // Synapse's registration with a shared secret, which others have too
	Register       AccountKind = "register"      // the client-server API's registration, with Values.Secret as the token
	CommandAccount AccountKind = "command"       // a command in the container
	NoAccount      AccountKind = "none"          // the image has it
)

// LoginKind is a way to log in.
type LoginKind string

// PasswordLogin is the client-server API's m.login.password.
const PasswordLogin LoginKind = "m.login.password"

// Presets lists the names of the presets that come with the program.
func Presets() []string {
	entries, err := presets.ReadDir("presets")
	if err != nil {
		panic(err) // it is embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// LoadPreset reads a preset that comes with the program.
func LoadPreset(name string) (*Preset, error) {
	if !slices.Contains(Presets(), name) {
		return nil, fmt.Errorf("there is no preset %q: there is %s, and your own with --preset", name, strings.Join(Presets(), ", "))
	}
	folder, err := fs.Sub(presets, path.Join("presets", name))
	if err != nil {
		return nil, err
	}
	return readPreset(folder, presetFile, "presets/"+name, name)
}

// presetFile is the description in a preset's folder.
const presetFile = "preset.yaml"

// CustomName is the name of a user's preset that says none.
const CustomName = "custom"

// ReadPreset reads a user's preset: a YAML file, or a folder with preset.yaml and templates.
func ReadPreset(file string) (*Preset, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no preset %s: name a YAML file, or a folder with %s in it", file, presetFile)
	}
	if err != nil {
		return nil, fmt.Errorf("the preset %s cannot be read: %w", file, err)
	}
	if info.IsDir() {
		return readPreset(os.DirFS(file), presetFile, file, CustomName)
	}
	folder, name := filepath.Split(filepath.Clean(file))
	return readPreset(only{os.DirFS(filepath.Clean(folder + ".")), name}, name, folder, CustomName)
}

// only is a file without what lies beside it.
type only struct {
	fs.FS
	name string
}

// Open implements fs.FS.
func (o only) Open(name string) (fs.File, error) {
	if name != o.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return o.FS.Open(name)
}

// readPreset reads the description in a folder. name is the preset's, unless it says one.
func readPreset(folder fs.FS, file, place, name string) (*Preset, error) {
	p := &Preset{source: path.Join(place, file), texts: template.New("").Option("missingkey=error")}
	text, err := fs.ReadFile(folder, file)
	if err != nil {
		return nil, fmt.Errorf("the preset %s cannot be read: %w", p.source, err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(p); err != nil {
		return nil, p.undecodable(err)
	}
	if p.Name == "" {
		p.Name = name
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := p.parse(folder, place); err != nil {
		return nil, err
	}
	return p, p.try()
}

// imageRemedy says how to come by an image.
func (p *Preset) imageRemedy() string {
	if p.ImageScript != "" {
		return "make one with " + p.ImageScript + ", or load it with docker load"
	}
	return "load it with docker load, or name another with --image"
}

// filePrefix is before the name of a template that makes a file.
const filePrefix = "file "

// parse reads the templates of the description and those beside it.
func (p *Preset) parse(folder fs.FS, place string) error {
	texts := make(map[string]string)
	for i, text := range p.Command {
		texts[fmt.Sprintf("command[%d]", i)] = text
	}
	for i, text := range p.AccountCommand {
		texts[fmt.Sprintf("account_command[%d]", i)] = text
	}
	for key, text := range p.Environment {
		texts["environment."+key] = text
	}
	for name, text := range p.Files {
		texts[filePrefix+name] = text
	}
	if err := p.parseTexts(texts, p.source); err != nil {
		return err
	}
	beside, err := fs.Glob(folder, "*.tmpl")
	if err != nil {
		return err
	}
	for _, name := range beside {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return fmt.Errorf("the preset's file %s cannot be read: %w", path.Join(place, name), err)
		}
		one := map[string]string{filePrefix + strings.TrimSuffix(name, ".tmpl"): string(text)}
		if err := p.parseTexts(one, path.Join(place, name)); err != nil {
			return err
		}
	}
	return nil
}

func (p *Preset) parseTexts(texts map[string]string, source string) error {
	for name, text := range texts {
		if _, err := p.texts.New(name).Parse(text); err != nil {
			return fmt.Errorf("%s: %s is no template: %w", source, strings.TrimPrefix(name, filePrefix), err)
		}
	}
	return nil
}

// expand fills in one template.
func (p *Preset) expand(name string, v *Values) (string, error) {
	var out strings.Builder
	if err := p.texts.ExecuteTemplate(&out, name, v); err != nil {
		return "", fmt.Errorf("%s: %s cannot be filled in: %w", p.source, strings.TrimPrefix(name, filePrefix), err)
	}
	return out.String(), nil
}

// expandList fills in the templates of a list and leaves out what becomes empty.
func (p *Preset) expandList(name string, texts []string, v *Values) ([]string, error) {
	var out []string
	for i := range texts {
		text, err := p.expand(fmt.Sprintf("%s[%d]", name, i), v)
		if err != nil {
			return nil, err
		}
		if text != "" {
			out = append(out, text)
		}
	}
	return out, nil
}

// environment fills in the environment, in the order of its keys.
func (p *Preset) environment(v *Values) ([]string, error) {
	var out []string
	for key := range p.Environment {
		text, err := p.expand("environment."+key, v)
		if err != nil {
			return nil, err
		}
		if text != "" {
			out = append(out, key+"="+text)
		}
	}
	slices.Sort(out)
	return out, nil
}

// generate fills in the files. The result is by file name.
func (p *Preset) generate(v *Values) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, t := range p.texts.Templates() {
		name, isFile := strings.CutPrefix(t.Name(), filePrefix)
		if !isFile {
			continue
		}
		text, err := p.expand(t.Name(), v)
		if err != nil {
			return nil, err
		}
		files[name] = []byte(text)
	}
	return files, nil
}
