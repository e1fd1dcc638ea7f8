# make test does everything on a fresh Debian machine with Go and Node.

GO       ?= go
PKGS     := ./...
ARTEFACTS := artefacts
# The virtual-time tests reach into the runtime (docs/architecture.md, Virtual time).
VIRTUAL  := -tags virtualtime -ldflags=-checklinkname=0

.PHONY: build run test deps vet lint unit race virtual fuzz page page-dist e2e bench clean help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

build: ## the program, ./meshsim
	$(GO) build -o meshsim ./cmd/meshsim

run: ## start it on http://localhost:3000
	$(GO) run ./cmd/meshsim

test: deps vet lint race page page-dist e2e ## everything, on a fresh machine too

deps: ## what the tests need: Chromium (Debian) and the page's npm packages
	scripts/deps

vet:
	$(GO) vet -tags virtualtime $(PKGS)
	$(GO) vet $(PKGS)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt -w:"; gofmt -l $$(git ls-files '*.go'); exit 1; }

lint:
	$(GO) tool staticcheck -tags virtualtime $(PKGS)
	$(GO) mod tidy -diff

unit: ## Go tests, without the race detector: the quick look
	$(GO) test $(VIRTUAL) $(PKGS)

race:
	$(GO) test -race $(VIRTUAL) -timeout 30m $(PKGS)

page: ## type-check, lint and unit-test the page
	cd web && npm run --silent check && npm run --silent lint && npm run --silent test

page-dist: ## the committed page is what the sources build
	cd web && npm run --silent build
	@git diff --exit-code --stat -- web/dist || { echo "web/dist is not what web/src builds: commit the build"; exit 1; }
	@test -z "$$(git status --porcelain -- web/dist)" || { git status --short -- web/dist; exit 1; }

e2e: build ## the real page, in headless Chromium
	cd web && npm run --silent e2e

bench: ## the figures of docs/figures.md, side by side
	scripts/bench

clean:
	rm -rf meshsim $(ARTEFACTS) web/node_modules
