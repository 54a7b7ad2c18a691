# The one list of commands. Each target prints its result as its last lines.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
export HELMAPP_CORPUS ?= $(abspath $(CURDIR)/../shared/corpus)
# Go modules under deploy/local and tests/oracle are built by the tests themselves, once.
export GOFLAGS ?= -buildvcs=false

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## Install, upgrade, break, roll back, repair and remove an application on a local control plane
	@$(CARGO) build --locked --example demo
	@$(CARGO) run --quiet --locked --example demo

.PHONY: dev
dev: ## A local control plane with the operator, left running until Ctrl-C
	@$(CARGO) build --locked --bin helmapp
	@$(CARGO) run --quiet --locked --bin helmapp -- dev

.PHONY: test
test: lint ## Every check and every test
	@./tests/run

.PHONY: bench
bench: ## What 100 HelmApps cost: CPU, memory and API requests of the released program
	@$(CARGO) build --quiet --locked --release
	@$(CARGO) test --quiet --locked --bench operator

.PHONY: nightly
nightly: ## 200,000 random cases against Go and Helm, the seed printed
	@./tests/nightly

.PHONY: chaos
chaos: ## Kill the operator at every step, have the API server fail for CHAOS_SECONDS (300), upgrade 2,000 times
	@./tests/chaos/run

.PHONY: fuzz
fuzz: ## Fuzz each target, guided by coverage, for FUZZ_SECONDS (600)
	@./fuzz/run

.PHONY: bench-render
bench-render: ## Rendering against Helm's own: memory, then time
	@$(CARGO) bench --quiet --locked -p helmapp-helm --bench allocated
	@$(CARGO) bench --quiet --locked -p helmapp-helm --bench render

.PHONY: lint
lint: ## Formatting and lints
	@$(CARGO) fmt --all -- --check
	@$(CARGO) clippy --quiet --locked --workspace --all-targets -- -D warnings
	@echo "lint: clean"

.PHONY: fmt
fmt: ## Format the sources
	@$(CARGO) fmt --all

.PHONY: generate
generate: ## Write the generated files anew
	@HELMAPP_BLESS=1 $(CARGO) test --quiet --locked --test generated
	@git status --short crds deploy charts docs
