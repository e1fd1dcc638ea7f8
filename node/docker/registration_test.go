//go:build linux

package docker

import (
	"strings"
	"testing"

	"meshsim/node"
)

func TestRegistrationIsOpenUnlessClosed(t *testing.T) {
	preset, err := LoadPreset("synapse")
	if err != nil {
		t.Fatal(err)
	}
	for closed, want := range map[bool]string{false: "enable_registration: true\n", true: "enable_registration: false\n"} {
		r := newResident(node.Spec{ID: 0, Name: "hs0"}, "volume")
		files, err := preset.generate(r.values(&Config{Preset: preset, Options: Options{RegistrationClosed: closed}}))
		if err != nil {
			t.Fatal(err)
		}
		if text := string(files["homeserver.yaml"]); !strings.Contains(text, want) {
			t.Errorf("closed %v: the configuration does not say %q:\n%s", closed, want, text)
		}
	}
}
