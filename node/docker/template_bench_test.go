//go:build linux && docker

package docker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/node/nodetest"
)

// BenchmarkTemplate is what a Synapse's first start on a shared Postgres takes, with its database a copy of the template and
// with an empty one, in turns, and what making the template takes once. The Postgres writes to its disk, as it is installed.
func BenchmarkTemplate(b *testing.B) {
	c := startCluster(b)
	c.do("ALTER SYSTEM RESET fsync")
	c.do("SELECT pg_reload_conf()")
	m := nodetest.NewMesh(b, fabric.RealClock(), 1)
	cfg := config(b, m, discard{})
	cfg.Options.Postgres = c.url("mesh", pgPassword)
	empty := driver(b, cfg)
	defer empty.Close()
	name := c.databases()
	c.do(fmt.Sprintf(`DROP DATABASE %q`, name))
	c.do(fmt.Sprintf(`CREATE DATABASE %q TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`, name))
	begun := time.Now()
	filled := driver(b, cfg)
	defer filled.Close()
	template := time.Since(begun)

	drivers := [2]node.Driver{empty, filled}
	var took [2][]time.Duration
	for b.Loop() {
		for i, d := range drivers {
			spec := node.Spec{ID: len(took[0]) + len(took[1]), Kind: d.Kind()}
			spec.Name = fmt.Sprint("measured", spec.ID)
			m.Name(spec)
			begun := time.Now()
			n, err := d.Start(b.Context(), spec, m)
			if err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(begun))
			if err := n.Stop(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(template.Seconds(), "s-template")
	for i, unit := range []string{"s-empty", "s-copied"} {
		slices.Sort(took[i])
		b.Log(unit, took[i])
		b.ReportMetric(took[i][len(took[i])/2].Seconds(), unit)
	}
}
