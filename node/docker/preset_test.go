//go:build linux

package docker

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
		var want map[string]any
		if !stock {
			want = map[string]any{
				"client_timeout": "60s", "max_long_retry_delay": "2s", "max_long_retries": 2, "destination_min_retry_interval": "2s",
				"destination_retry_multiplier": 1, "destination_max_retry_interval": "30s",
			}
		}
		if !maps.Equal(c.Federation, want) {
			t.Errorf("stock retries %v: %v, want %v", stock, c.Federation, want)
		}
		if got := rateLimits(t, files["homeserver.yaml"]); !maps.Equal(got, synapseLimits) {
			t.Errorf("rate limits %v\nwant        %v", got, synapseLimits)
		}
	}
	files, _ := p.generate(r.values(&Config{Preset: p}))
	if got := string(files["signing.key"]); got != "ed25519 1 "+r.keySeed+"\n" {
		t.Errorf("signing key %q", got)
	}
}

// synapseLimits are all limits of Synapse's that its documentation names for those who use it, by their places ("Ratelimiting").
// None is ever reached.
var synapseLimits = map[string]int{
	"rc_message": 9999, "rc_registration": 9999, "rc_registration_token_validity": 9999,
	"rc_login.address": 9999, "rc_login.account": 9999, "rc_login.failed_attempts": 9999,
	"rc_admin_redaction": 9999, "rc_joins.local": 9999, "rc_joins.remote": 9999, "rc_joins_per_room": 9999,
	"rc_invites.per_room": 9999, "rc_invites.per_user": 9999, "rc_invites.per_issuer": 9999,
	"rc_room_creation": 9999, "rc_user_directory": 9999, "rc_presence.per_user": 9999, "rc_reports": 9999, "rc_media_create": 9999,
	"rc_federation": 9999, "federation_rr_transactions_per_room_per_second": 9999,
}

// rateLimits are the limits of a configuration of Synapse's, by their places: how many a second, and where as many may come at
// once.
func rateLimits(t *testing.T, text []byte) map[string]int {
	t.Helper()
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	limits := make(map[string]int)
	var walk func(place string, v any)
	walk = func(place string, v any) {
		limit, _ := v.(map[string]any)
		if rate, ok := limit["per_second"].(int); ok {
			limits[place] = rate
			if limit["burst_count"] != rate {
				t.Errorf("%s is %v", place, limit)
			}
			return
		}
		for name, inner := range limit {
			walk(place+"."+name, inner)
		}
	}
	for name, v := range all {
		switch federation, _ := v.(map[string]any); {
		case name == "rc_federation": // a window, not a bucket
			limits[name], _ = federation["reject_limit"].(int)
			if federation["sleep_limit"] != limits[name] || federation["sleep_delay"] != 0 {
				t.Errorf("%s is %v", name, v)
			}
		case strings.HasPrefix(name, "rc_"):
			walk(name, v)
		case name == "federation_rr_transactions_per_room_per_second":
			limits[name], _ = v.(int)
		}
	}
	return limits
}

// whole is a preset in which nothing is missing.
const whole = "images: [x]\ndata: /data\nclient_port: 8008\nfederation_port: 8018\nready: /\naccount: shared_secret\n"

// What is wrong with a preset is said in one sentence with the file, the field, the value and what to do.
func TestPresetErrors(t *testing.T) {
	changed := func(old, by string) string { return strings.Replace(whole, old, by, 1) }
	cases := []struct{ slug, text, want string }{
		{"unknown-field", whole + "colour: red\n", `p/preset.yaml: line 7: there is no field colour, see docs/presets.md for those that there are`},
		{"wrong-type", changed("8018", "many"), "p/preset.yaml: line 4: cannot unmarshal !!str `many` into uint16"},
		{"no-yaml", "images: [", "p/preset.yaml: line 1: did not find expected node content"},
		{"no-image", changed("[x]", "[]"), "p/preset.yaml: images names no image: list at least one, e.g. [meshsim/synapse]"},
		{"bad-name", whole + "name: Föö\n", `p/preset.yaml: name is "Föö": it must be lower-case letters`},
		{"relative-data", changed("/data", "data"), `p/preset.yaml: data is "data": it must be a directory of the container, from the root`},
		{"no-client-port", changed("8008", "0"), `p/preset.yaml: client_port is "0": it must be where the image serves clients`},
		{"no-federation-port", changed("8018", "0"), `p/preset.yaml: federation_port is "0": it must be where the image serves other servers`},
		{"gateway-port", changed("8018", "8448"), `p/preset.yaml: client_port or federation_port is "8448": that port is the gateway's`},
		{"no-readiness", changed("ready: /", "ready: ''"), `p/preset.yaml: ready is "": it must be a path`},
		{"unknown-login", whole + "login: m.login.sso\n", `p/preset.yaml: login is "m.login.sso": it must be m.login.password or absent`},
		{"unknown-account", changed("shared_secret", "magic"),
			`p/preset.yaml: account is "magic": it must be shared_secret, register, command or none`},
		{"no-account-command", changed("shared_secret", "command"), `p/preset.yaml: account_command is missing: account is "command"`},
		{"useless-account-command", whole + "account_command: [x]\n", `p/preset.yaml: account_command is not used, as account is "shared_secret"`},
		{"bad-time", whole + "ready_within: -1s\n", `p/preset.yaml: ready_within is "-1s": it must be how long`},
		{"bad-mount", whole + "mounts: [x]\n", `p/preset.yaml: mounts[0] is "x": it must be HOST-PATH:CONTAINER-PATH`},
		{"bad-mount-mode", whole + "mounts: ['/a:/b:rx']\n", `p/preset.yaml: mounts[0] is "/a:/b:rx": it must be`},
		{"bad-file", whole + "files: {../x: y}\n", `p/preset.yaml: files is "../x": the name of a file must be a path below the data directory`},
		{"no-template", whole + "environment: {A: '{{'}\n", "p/preset.yaml: environment.A is no template: "},
		{"unknown-value", whole + "command: ['{{.Nmae}}']\n", "p/preset.yaml: command[0] cannot be filled in: "},
		{"unknown-value-in-file", whole + "files: {x.conf: '{{.Nmae}}'}\n", "p/preset.yaml: x.conf cannot be filled in: "},
		{"empty", "", "p/preset.yaml is empty: it must say at least images, data"},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			_, err := readPreset(fstest.MapFS{"preset.yaml": {Data: []byte(c.text)}}, "preset.yaml", "p", "x")
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
		})
	}
	for name, want := range map[string]string{
		"conduit": `there is no preset "conduit": there is dendrite, synapse, tuwunel, and your own with --preset`,
	} {
		if _, err := LoadPreset(name); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := ReadPreset("/nonexistent.yaml"); err == nil || !strings.Contains(err.Error(), "there is no preset /nonexistent.yaml: name a YAML file, or a folder") {
		t.Errorf("error %v", err)
	}
}

// A user's preset is a file with all in it, or a folder with templates beside the description.
func TestPresetsOfUsers(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("preset.yaml", whole+"name: mine\ncommand: [run, '{{if .Presence}}--presence{{end}}', '{{.Name}}']\n"+
		"environment: {B: '{{.Data}}', A: '', C: c}\nfiles: {etc/in.conf: 'in {{.Name}}'}\n")
	write("beside.conf.tmpl", "beside {{.Name}}")
	for file, want := range map[string][]string{
		folder:                                  {"beside.conf", "etc/in.conf"},
		filepath.Join(folder, "preset.yaml"):    {"etc/in.conf"},
		filepath.Join(folder, "./preset.yaml"):  {"etc/in.conf"},
		filepath.Join(folder, "/preset.yaml/."): {"etc/in.conf"},
	} {
		p, err := ReadPreset(file)
		if err != nil {
			t.Fatal(err)
		}
		v := newResident(node.Spec{ID: 3, Name: "hs3"}, "volume").values(&Config{Preset: p})
		files, err := p.generate(v)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(files)); p.Name != "mine" || !slices.Equal(got, want) || string(files["etc/in.conf"]) != "in hs3" {
			t.Errorf("%s: %s with %q", file, p.Name, files)
		}
		command, err := p.expandList("command", p.Command, v)
		if err != nil || strings.Join(command, " ") != "run hs3" {
			t.Errorf("command %q, %v", command, err)
		}
		environment, err := p.environment(v)
		if err != nil || strings.Join(environment, " ") != "B=/data C=c" {
			t.Errorf("environment %q, %v", environment, err)
		}
	}
}

// Dendrite's configuration is right for a closed mesh, as its sample configuration describes it.
func TestDendriteConfiguration(t *testing.T) {
	p, err := LoadPreset("dendrite")
	if err != nil {
		t.Fatal(err)
	}
	r := newResident(node.Spec{ID: 3, Name: "hs3"}, "volume")
	for _, stock := range []bool{false, true} {
		v := r.values(&Config{Preset: p, Options: Options{StockRetries: stock, Presence: stock, RegistrationClosed: stock}})
		if stock {
			v.Database = &Database{URL: "postgresql://u:p@127.0.0.1:5432/x?sslmode=disable"}
		}
		files, err := p.generate(v)
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Version int `yaml:"version"`
			Global  struct {
				ServerName string         `yaml:"server_name"`
				PrivateKey string         `yaml:"private_key"`
				Database   map[string]any `yaml:"database"`
				Presence   map[string]any `yaml:"presence"`
			} `yaml:"global"`
			ClientAPI struct {
				Closed bool           `yaml:"registration_disabled"`
				Secret string         `yaml:"registration_shared_secret"`
				Limits map[string]any `yaml:"rate_limiting"`
			} `yaml:"client_api"`
			FederationAPI struct {
				Retries  int            `yaml:"send_max_retries"`
				Notaries []any          `yaml:"key_perspectives"`
				Denied   []any          `yaml:"deny_networks"`
				Database map[string]any `yaml:"database"`
			} `yaml:"federation_api"`
		}
		if err := yaml.Unmarshal(files["dendrite.yaml"], &c); err != nil {
			t.Fatal(err)
		}
		if c.Version != 2 || c.Global.ServerName != "hs3" || c.Global.PrivateKey != "/data/matrix_key.pem" || c.ClientAPI.Secret != r.secret {
			t.Errorf("configured as %+v", c)
		}
		if c.FederationAPI.Notaries == nil || len(c.FederationAPI.Notaries)+len(c.FederationAPI.Denied) > 0 || c.ClientAPI.Limits["enabled"] != false {
			t.Errorf("not closed: %+v", c)
		}
		if c.Global.Presence["enable_outbound"] != stock || c.ClientAPI.Closed != stock || c.FederationAPI.Retries != map[bool]int{true: 0, false: 4}[stock] {
			t.Errorf("stock %v: %+v", stock, c)
		}
		if (c.Global.Database != nil) != stock || (c.FederationAPI.Database == nil) != stock {
			t.Errorf("postgres %v: %+v", stock, c)
		}
		block, rest := pem.Decode(files["matrix_key.pem"])
		if block == nil || block.Type != "MATRIX PRIVATE KEY" || block.Headers["Key-ID"] != "ed25519:1" ||
			base64.RawStdEncoding.EncodeToString(block.Bytes) != r.keySeed || len(rest) > 0 {
			t.Errorf("signing key %q", files["matrix_key.pem"])
		}
	}
}

// Tuwunel's configuration is right for a closed mesh, as its example configuration describes it.
func TestTuwunelConfiguration(t *testing.T) {
	p, err := LoadPreset("tuwunel")
	if err != nil {
		t.Fatal(err)
	}
	r := newResident(node.Spec{ID: 3, Name: "hs3"}, "volume")
	for _, stock := range []bool{false, true} {
		files, err := p.generate(r.values(&Config{Preset: p, Options: Options{StockRetries: stock, Presence: stock}}))
		if err != nil {
			t.Fatal(err)
		}
		text := string(files["tuwunel.toml"])
		for _, want := range []string{
			`server_name = "hs3"`, `database_path = "/data/database"`, "port = [8008]", `registration_token = "` + r.secret + `"`,
			"trusted_servers = []", "ip_range_denylist = []", `global = { url = "http://127.0.0.1:3128" }`,
			fmt.Sprint("allow_outgoing_presence = ", stock),
		} {
			if !strings.Contains(text, "\n"+want+"\n") {
				t.Errorf("%q is missing:\n%s", want, text)
			}
		}
		for _, want := range []string{"sender_timeout = 60", "sender_retry_backoff_limit = 30", "sender_retry_grace = 2"} {
			if strings.Contains(text, "\n"+want+"\n") == stock {
				t.Errorf("stock retries %v, with or without %q:\n%s", stock, want, text)
			}
		}
		if strings.Contains(text, "sender_") == stock {
			t.Errorf("stock retries %v:\n%s", stock, text)
		}
	}
}

// The example of Synapse's documentation has no values, so this one was computed with Python's hmac.
func TestRegistrationMAC(t *testing.T) {
	const want = "253b67838ed257a1682b504f75086748a85700d7"
	if got := registrationMAC("shared", "thisisanonce"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
