//go:build linux

package docker

import (
	"context"
	"errors"
	"strings"

	"github.com/moby/moby/client"
)

// Clean removes the containers and volumes of processes that no longer run, and where databases is not empty but the URL
// of a Postgres their databases there. It returns all their names. It puts back the kernel's switches that they have set.
// Where the URL is none, nothing is removed.
func Clean(ctx context.Context, databases string) (removed []string, err error) {
	var p *postgres
	if databases != "" {
		if p, err = newPostgres(databases); err != nil {
			return nil, err
		}
	}
	switches := Merging{directory: ksmDirectory, memory: ksmMemory}
	errs := []error{switches.restore()}
	if e, err := newEngine(); err != nil {
		errs = append(errs, err)
	} else {
		defer e.close()
		removed, err = e.removeLeftovers(ctx)
		errs = append(errs, err)
	}
	if p != nil {
		dropped, err := p.removeLeftovers(ctx)
		removed, errs = append(removed, dropped...), append(errs, err)
	}
	return removed, errors.Join(errs...)
}

// removeLeftovers removes what belongs to processes that no longer run. Those of others that do are left alone.
func (e *engine) removeLeftovers(ctx context.Context) (removed []string, err error) {
	ours := make(client.Filters).Add("label", labelOwner)
	containers, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	if err != nil {
		return nil, e.explain(err)
	}
	for _, c := range containers.Items {
		if owner(c.Labels[labelOwner]).alive() {
			continue
		}
		if err := e.remove(c.ID); err != nil {
			return removed, err
		}
		removed = append(removed, strings.TrimPrefix(strings.Join(c.Names, ""), "/"))
	}
	volumes, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: ours})
	if err != nil {
		return removed, e.explain(err)
	}
	for _, v := range volumes.Items {
		if owner(v.Labels[labelOwner]).alive() {
			continue
		}
		if err := e.removeVolume(ctx, v.Name); err != nil {
			return removed, err
		}
		removed = append(removed, v.Name)
	}
	return removed, nil
}
