# make test does everything on a fresh Debian machine with Go and Node.

GO       ?= go
PKGS     := ./...
# The virtual-time tests reach into the runtime (docs/architecture.md, Virtual time).
VIRTUAL  := -tags virtualtime -ldflags=-checklinkname=0

.PHONY: help build run test deps vet lint unit race seeds page page-dist engine e2e clients test-docker bench clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 12

build: ## the program, ./meshsim
	$(GO) build -o meshsim ./cmd/meshsim

run: ## start it on http://localhost:3000
	$(GO) run ./cmd/meshsim

test: deps vet lint race seeds page page-dist engine e2e clients test-docker ## everything, on a fresh machine too

deps: ## what the tests need: Chromium (Debian) and the page's npm packages
	scripts/deps

vet:
	$(GO) vet -tags virtualtime,docker $(PKGS)
	$(GO) vet $(PKGS)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt -w:"; gofmt -l $$(git ls-files '*.go'); exit 1; }

lint:
	$(GO) tool staticcheck -tags virtualtime,docker $(PKGS)
	$(GO) mod tidy -diff

unit: ## Go tests, without the race detector: the quick look
	$(GO) test $(VIRTUAL) $(PKGS)

race:
	$(GO) test -race $(VIRTUAL) -timeout 45m $(PKGS)

SEEDS ?= 200
seeds: ## SEEDS random histories of 2 to 20 homeservers: joins, fights, partitions, healing
	$(GO) test ./homeserver/federation -run 'TestConvergence|TestContestedRoom' -seeds $(SEEDS)

page: ## type-check, lint and unit-test the page
	cd web && npm run --silent check && npm run --silent lint && npm run --silent test

page-dist: ## the committed page and its wire types are what the sources give
	cd web && npm run --silent check-built

engine: ## a Docker engine that runs and a Synapse image, as root; without them what needs them is skipped
	scripts/engine || [ $$? = 3 ]

e2e: build ## the real page, in headless Chromium; screenshots in artefacts/
	cd web && MESHSIM=$(CURDIR)/meshsim npm run --silent e2e

clients: build ## matrix-nio and matrix-js-sdk talk to each other, encrypted, across the mesh
	MESHSIM_BINARY=$(CURDIR)/meshsim homeserver/clientapi/testdata/clients/run.sh

test-docker: engine ## stock Synapse in containers, as root; skips with the reason where it cannot be had
	scripts/test-docker

bench: ## the figures of docs/figures.md, side by side
	scripts/bench

clean:
	rm -rf meshsim artefacts web/node_modules
