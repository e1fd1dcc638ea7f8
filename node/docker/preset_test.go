//go:build linux

package docker

import (
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v3"

	"meshsim/node"
)

func TestPresetsAreComplete(t *testing.T) {
	for _, name := range Presets() {
		t.Run(name, func(t *testing.T) {
			p, err := LoadPreset(name)
			if err != nil {
				t.Fatal(err)
			}
			r := newResident(node.Spec{ID: 3, Name: "hs3"}, "volume")
			files, err := p.generate(r.values(&Config{Preset: p}))
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range files {
				if strings.Contains(string(text), "<no value>") {
					t.Errorf("%s has a gap:\n%s", file, text)
				}
				if !strings.HasSuffix(file, ".yaml") {
					continue
				}
				var any map[string]any
				if err := yaml.Unmarshal(text, &any); err != nil {
					t.Errorf("%s is no YAML: %v\n%s", file, err, text)
				}
			}
		})
	}
}

// The generated configuration is right for a closed mesh (MATRIX.md), and leaves the retries alone when asked to.
func TestSynapseConfiguration(t *testing.T) {
	p, err := LoadPreset("synapse")
	if err != nil {
		t.Fatal(err)
	}
	r := newResident(node.Spec{ID: 3, Name: "hs3"}, "volume")
	for _, stock := range []bool{false, true} {
		files, err := p.generate(r.values(&Config{Preset: p, Options: Options{StockRetries: stock, Presence: stock}}))
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			ServerName  string         `yaml:"server_name"`
			Authorities []string       `yaml:"federation_custom_ca_list"`
			Notaries    []string       `yaml:"trusted_key_servers"`
			Blocked     []string       `yaml:"ip_range_blacklist"`
			Secret      string         `yaml:"registration_shared_secret"`
			Presence    map[string]any `yaml:"presence"`
			Federation  map[string]any `yaml:"federation"`
		}
		if err := yaml.Unmarshal(files["homeserver.yaml"], &c); err != nil {
			t.Fatal(err)
		}
		if c.ServerName != "hs3" || c.Secret != r.secret || len(c.Authorities) != 1 || c.Authorities[0] != "/data/mesh-ca.pem" {
			t.Errorf("configured as %+v", c)
		}
		if c.Notaries == nil || len(c.Notaries) > 0 || c.Blocked == nil || len(c.Blocked) > 0 || c.Presence["enabled"] != stock {
			t.Errorf("not closed: %+v", c)
		}
		if (c.Federation == nil) != stock {
			t.Errorf("stock retries %v: %v", stock, c.Federation)
		}
	}
	files, _ := p.generate(r.values(&Config{Preset: p}))
	if got := string(files["signing.key"]); got != "ed25519 1 "+r.keySeed+"\n" {
		t.Errorf("signing key %q", got)
	}
}

func TestPresetErrors(t *testing.T) {
	const whole = "images: [x]\ndata: /data\nclient_port: 8008\nfederation_port: 8018\naccount: shared_secret\n"
	cases := []struct{ slug, text, want string }{
		{"unknown-field", whole + "colour: red\n", "colour"},
		{"no-image", strings.Replace(whole, "[x]", "[]", 1), "it names no image"},
		{"relative-data", strings.Replace(whole, "/data", "data", 1), `data is "data": it must be a directory, from the root`},
		{"no-port", strings.Replace(whole, "8018", "0", 1), "federation_port"},
		{"unknown-account", strings.Replace(whole, "shared_secret", "magic", 1), `account is "magic"`},
		{"no-preset", "", "EOF"},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			_, err := readPreset(fstest.MapFS{"preset.yaml": {Data: []byte(c.text)}, "x.tmpl": {Data: []byte("x")}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
	if _, err := LoadPreset("conduit"); err == nil || !strings.Contains(err.Error(), `there is no preset "conduit": there is synapse`) {
		t.Errorf("error %v", err)
	}
}

// The example of Synapse's documentation has no values, so this one was computed with Python's hmac.
func TestRegistrationMAC(t *testing.T) {
	const want = "253b67838ed257a1682b504f75086748a85700d7"
	if got := registrationMAC("shared", "thisisanonce"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
