//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"meshsim/node"
	"meshsim/port/tun"
)

// databaseName is a server's own on the shared Postgres.
func (d *Driver) databaseName(id int) string {
	return fmt.Sprintf("%s%d", strings.ReplaceAll(d.prefix, "-", "_"), id)
}

// templateID stands in the place of a server's id.
const templateID = -1

func (d *Driver) templateName() string {
	return strings.ReplaceAll(d.prefix, "-", "_") + "template"
}

// usesPostgres tells whether servers have their data on the shared Postgres.
func (d *Driver) usesPostgres() bool { return d.postgres != nil && d.cfg.Preset.UsesPostgres }

// ensureDatabase makes a server's database, unless it has one.
func (d *Driver) ensureDatabase(ctx context.Context, r *resident) (err error) {
	if !d.usesPostgres() || r.database != nil {
		return nil
	}
	r.database, err = d.postgres.create(ctx, d.databaseName(r.spec.ID), d.templateName())
	return err
}

// prepareDatabase makes the template of every server's database: one server is run, without a mesh, until it works and has
// made its tables. It is called once.
func (d *Driver) prepareDatabase(ctx context.Context, with *prepared) error {
	if !d.usesPostgres() {
		return nil
	}
	if err := d.postgres.checkRights(ctx); err != nil {
		return err
	}
	if removed, err := d.postgres.removeLeftovers(ctx); err != nil {
		return err
	} else if len(removed) > 0 {
		d.cfg.Logger.Info("dropped databases that a meshsim that was killed left behind", "names", removed)
	}
	template, err := d.postgres.create(ctx, d.templateName(), "")
	if err != nil {
		return err
	}
	if err := d.fillTemplate(ctx, with, template); err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineLimit)
		defer cancel()
		return errors.Join(err, d.postgres.drop(cleanup, template.Name))
	}
	return nil
}

// dropTemplate undoes prepareDatabase.
func (d *Driver) dropTemplate(ctx context.Context) error {
	if !d.usesPostgres() {
		return nil
	}
	return d.postgres.drop(ctx, d.templateName())
}

// fillTemplate runs a server on the template's database, once the Postgres lets its role in.
func (d *Driver) fillTemplate(ctx context.Context, with *prepared, database *Database) error {
	if err := d.postgres.admits(ctx, database); err != nil {
		return err
	}
	if err := d.runAlone(ctx, with, database); err != nil {
		return err
	}
	return d.postgres.seal(ctx, database.Name)
}

// runAlone runs a server on a database until it answers.
func (d *Driver) runAlone(ctx context.Context, with *prepared, database *Database) error {
	r := newResident(node.Spec{ID: templateID, Name: "template", Kind: d.Kind()}, d.prefix+"template")
	r.database = database
	n, err := d.launch(ctx, r, with)
	if err != nil {
		return err
	}
	err = n.beginAlone(ctx)
	close(n.settled)
	if err != nil {
		err = n.giveUp(err)
	} else {
		err = n.Stop(ctx)
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineLimit)
	defer cancel()
	return errors.Join(err, d.engine.removeVolume(cleanup, r.volume))
}

// beginAlone gives the container its database but no mesh, and waits until the homeserver answers.
func (n *running) beginAlone(ctx context.Context) error {
	var err error
	if n.namespace, err = tun.OpenNamespace(n.pid); err != nil {
		return n.orDied(err)
	}
	n.inside = n.newTransport()
	if err := n.serveDatabase(); err != nil {
		return n.orDied(err)
	}
	return n.awaitReady(ctx)
}

// serveDatabase passes connections to the shared Postgres, where there is one.
func (n *running) serveDatabase() error {
	if n.values.Database == nil {
		return nil
	}
	ln, err := n.listen(databaseAddress, "the database")
	if err != nil {
		return err
	}
	name, database := n.resident.spec.Name, n.values.Database
	door := &door{
		most: databaseConnections,
		log:  n.driver.cfg.Logger.With("server", name),
		pass: func(near net.Conn) error { return n.driver.postgres.pass(n.ctx, near, database) },
	}
	n.serving.Go(func() { door.serve(n.ctx, ln) })
	return nil
}
