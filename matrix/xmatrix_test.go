package matrix

import (
	"strings"
	"testing"
)

func TestParseXMatrix(t *testing.T) {
	want := XMatrix{Origin: "a.example:8448", Destination: "b", Key: "ed25519:1", Signature: "c2ln"}
	for name, header := range map[string]string{
		"usual":           want.String(),
		"unquoted":        `X-Matrix origin=a.example:8448,destination=b,key=ed25519:1,sig=c2ln`,
		"spaces-and-case": `x-matrix   Origin = "a.example:8448" , DESTINATION="b",Key="ed25519:1",	sig="c2ln"`,
		"escaped":         `X-Matrix origin="a\.example:8448",destination="\b",key="ed25519:1",sig="c2ln"`,
		"unknown-ignored": `X-Matrix future="1,2",origin="a.example:8448",destination="b",key="ed25519:1",sig="c2ln"`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ParseXMatrix(header); err != nil || got != want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestParseXMatrixRefuses(t *testing.T) {
	for name, header := range map[string]string{
		"empty":          "",
		"other-scheme":   `Bearer origin="a"`,
		"no-origin":      `X-Matrix key="ed25519:1",sig="c2ln"`,
		"no-signature":   `X-Matrix origin="a",key="ed25519:1"`,
		"no-server-name": `X-Matrix origin="a b",key="ed25519:1",sig="c2ln"`,
		"twice":          `X-Matrix origin="a",origin="b",key="ed25519:1",sig="c2ln"`,
		"open-quote":     `X-Matrix origin="a",key="ed25519:1",sig="c2ln`,
		"open-escape":    `X-Matrix origin="a",key="ed25519:1",sig="c2ln\`,
		"no-comma":       `X-Matrix origin="a" key="ed25519:1",sig="c2ln"`,
		"no-value":       `X-Matrix origin`,
	} {
		t.Run(name, func(t *testing.T) {
			if x, err := ParseXMatrix(header); err == nil {
				t.Errorf("accepted as %+v", x)
			}
		})
	}
}

func FuzzXMatrix(f *testing.F) {
	f.Add(XMatrix{Origin: "a", Destination: "b", Key: "ed25519:1", Signature: "c2ln"}.String())
	f.Add(`X-Matrix origin=a,key="ed\25519:1",sig=x`)
	f.Fuzz(func(t *testing.T, header string) {
		x, err := ParseXMatrix(header)
		if err != nil {
			return
		}
		if strings.ContainsAny(x.Origin+x.Destination+x.Key+x.Signature, `"\`) {
			return // cannot be written without backslashes
		}
		if again, err := ParseXMatrix(x.String()); err != nil || again != x {
			t.Errorf("%q becomes %+v, then %+v, %v", header, x, again, err)
		}
	})
}
