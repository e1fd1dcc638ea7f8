//go:build linux

package docker

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// wrong is the error of a field: which file, which field, which value, what to do.
func (p *Preset) wrong(field string, value any, remedy string) error {
	return fmt.Errorf("%s: %s is %q: %s", p.source, field, fmt.Sprint(value), remedy)
}

var (
	presetName   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)
)

// undecodable makes a sentence of what is wrong with the YAML.
func (p *Preset) undecodable(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s is empty: it must say at least images, data, client_port, federation_port and account", p.source)
	}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if decoding := (*yaml.TypeError)(nil); errors.As(err, &decoding) {
		message = strings.Join(decoding.Errors, "; ")
	}
	message = unknownField.ReplaceAllString(message, `there is no field $1, see docs/presets.md for those that there are`)
	return fmt.Errorf("%s: %s", p.source, message)
}

// check looks at what the description says.
func (p *Preset) check() error {
	switch {
	case !presetName.MatchString(p.Name):
		return p.wrong("name", p.Name, "it must be lower-case letters, digits and hyphens, from a letter on")
	case len(p.Images) == 0 || slices.Contains(p.Images, ""):
		return fmt.Errorf("%s: images names no image: list at least one, e.g. [meshsim/synapse]", p.source)
	case !path.IsAbs(p.Data) || path.Clean(p.Data) == "/":
		return p.wrong("data", p.Data, "it must be a directory of the container, from the root, e.g. /data")
	case p.ClientPort == 0:
		return p.wrong("client_port", p.ClientPort, "it must be where the image serves clients in plain HTTP, e.g. 8008")
	case p.FederationPort == 0:
		return p.wrong("federation_port", p.FederationPort, "it must be where the image serves other servers in plain HTTP, e.g. 8008")
	case p.ClientPort == directPort || p.FederationPort == directPort:
		return p.wrong("client_port or federation_port", directPort, "that port is the gateway's: choose another")
	case !strings.HasPrefix(p.Ready, "/"):
		return p.wrong("ready", p.Ready, "it must be a path that is answered with 200 once the server works, e.g. /_matrix/client/versions")
	case p.ReadyWithin < 0:
		return p.wrong("ready_within", p.ReadyWithin, "it must be how long the server may take until it works, e.g. 5m")
	case p.Login != "" && p.Login != PasswordLogin:
		return p.wrong("login", p.Login, "it must be "+string(PasswordLogin)+" or absent, as clients of the mesh know no other")
	}
	return errors.Join(p.checkAccount(), p.checkMounts(), p.checkFiles())
}

func (p *Preset) checkAccount() error {
	kinds := []AccountKind{SharedSecret, Register, CommandAccount, NoAccount}
	switch {
	case !slices.Contains(kinds, p.Account):
		return p.wrong("account", p.Account, fmt.Sprintf("it must be %s, %s, %s or %s", SharedSecret, Register, CommandAccount, NoAccount))
	case p.Account == CommandAccount && len(p.AccountCommand) == 0:
		return fmt.Errorf("%s: account_command is missing: account is %q, so it must say the command that makes the account", p.source, p.Account)
	case p.Account != CommandAccount && len(p.AccountCommand) > 0:
		return fmt.Errorf("%s: account_command is not used, as account is %q: leave it out, or make account %q", p.source, p.Account, CommandAccount)
	}
	return nil
}

func (p *Preset) checkMounts() error {
	for i, m := range p.Mounts {
		if _, err := parseMount(m); err != nil {
			return p.wrong(fmt.Sprintf("mounts[%d]", i), m, err.Error())
		}
	}
	return nil
}

func (p *Preset) checkFiles() error {
	for name := range p.Files {
		if !fs.ValidPath(name) || name == "." {
			return p.wrong("files", name, "the name of a file must be a path below the data directory, without .. and a leading slash")
		}
	}
	return nil
}

// try fills in everything once, so that what cannot be filled in is said before a server is started.
func (p *Preset) try() error {
	for _, v := range []*Values{{}, {TLSPort: directPort, Database: &Database{}, StockRetries: true, Presence: true, OpenRegistration: true, Merge: true}} {
		if _, err := p.generate(v); err != nil {
			return err
		}
		if _, err := p.environment(v); err != nil {
			return err
		}
		for name, texts := range map[string][]string{"command": p.Command, "account_command": p.AccountCommand} {
			if _, err := p.expandList(name, texts, v); err != nil {
				return err
			}
		}
	}
	return nil
}
