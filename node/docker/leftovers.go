//go:build linux

package docker

import (
	"context"
	"errors"
	"strings"

	"github.com/moby/moby/client"
)

// Leftovers says what Clean removes besides the containers and volumes of processes that no longer run.
type Leftovers struct {
	Postgres string // URL of one whose databases of such processes are dropped; empty for none
	// Unseen is to remove also containers and volumes of processes of which it cannot be told from here whether they run.
	Unseen bool
}

// Clean removes the containers and volumes of processes that no longer run, and what l says. It returns all their names, and
// how many containers and volumes it left because their process is in another PID namespace or on another machine, or hidden.
// It puts back the kernel's switches that they have set. Where the URL is none, nothing is removed.
func Clean(ctx context.Context, l Leftovers) (removed []string, unseen int, err error) {
	var p *postgres
	if l.Postgres != "" {
		if p, err = newPostgres(l.Postgres); err != nil {
			return nil, 0, err
		}
	}
	switches := Merging{directory: ksmDirectory, memory: ksmMemory}
	errs := []error{switches.restore()}
	if e, err := newEngine(); err != nil {
		errs = append(errs, err)
	} else {
		defer e.close()
		removed, unseen, err = e.removeLeftovers(ctx, l.Unseen)
		errs = append(errs, err)
	}
	if p != nil {
		dropped, err := p.removeLeftovers(ctx)
		removed, errs = append(removed, dropped...), append(errs, err)
	}
	return removed, unseen, errors.Join(errs...)
}

// removeLeftovers removes what belongs to processes that no longer run, and with force what belongs to those that cannot be
// seen from here; without, it counts that. Those of others that run are left alone.
func (e *engine) removeLeftovers(ctx context.Context, force bool) (removed []string, left int, err error) {
	spare := func(labels map[string]string) bool {
		switch owner(labels[labelOwner]).fate() {
		case runs:
			return true
		case unseen:
			if !force {
				left++
			}
			return !force
		default:
			return false
		}
	}
	ours := make(client.Filters).Add("label", labelOwner)
	containers, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	if err != nil {
		return nil, 0, e.explain(err)
	}
	for _, c := range containers.Items {
		if spare(c.Labels) {
			continue
		}
		if err := e.remove(c.ID); err != nil {
			return removed, left, err
		}
		removed = append(removed, strings.TrimPrefix(strings.Join(c.Names, ""), "/"))
	}
	volumes, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: ours})
	if err != nil {
		return removed, left, e.explain(err)
	}
	for _, v := range volumes.Items {
		if spare(v.Labels) {
			continue
		}
		if err := e.removeVolume(ctx, v.Name); err != nil {
			return removed, left, err
		}
		removed = append(removed, v.Name)
	}
	return removed, left, nil
}
