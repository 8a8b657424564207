# `make demo` shows it, `make test` checks everything; both work on a machine that has only Rust, git,
# make and Debian's package manager.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

export CARGO_TARGET_DIR ?= $(CURDIR)/target
TARGET := $(CARGO_TARGET_DIR)
# One selection of packages and features for everything: with another one, cargo would compile the
# dependencies, wasmtime among them, a second time.
ALL := --workspace --all-features --locked
# For machines whose own Node is older than the 20 that jco needs, such as Debian 12.
NODE := 22.23.3

.PHONY: help setup build demo test test-languages test-matrix fuzz fuzz-replay stress soak lint freeze-wit clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

setup: needs-test needs-lint ## Check for what is needed, and install what can be

needs-%:
	@tests/setup.sh $*

build: needs-build ## Build the components, the library and the program
	cargo build $(ALL)

demo: needs-demo ## A planted leak on a private PostgreSQL server: found, planned, ended
	cargo build $(ALL) --bin archon-pool --bin demo
	$(TARGET)/debug/demo

test: needs-test ## Everything, unattended
	cargo build $(ALL)
	cargo test $(ALL)
	$(MAKE) fuzz-replay
	$(MAKE) test-languages

test-languages: needs-test $(TARGET)/node/.installed $(TARGET)/python/.installed ## The components in Node and in Python
	cargo build $(ALL) --bin archon-pool
	$(TARGET)/debug/archon-pool components $(TARGET)/languages/components
	tests/languages/compare.sh $(TARGET)

test-matrix: needs-test ## The live tests on PostgreSQL 13 to 18
	cargo build $(ALL)
	tests/matrix.sh $(TARGET)/postgres

fuzz: needs-test ## Fuzz each target for ten minutes, or FUZZ_SECONDS; what is found goes to target/fuzz
	tests/fuzz/run.sh all $${FUZZ_SECONDS:-600}

fuzz-replay: needs-test
	tests/fuzz/run.sh all replay

stress: needs-test ## The live tests 20 times: none may fail once
	cargo build $(ALL)
	for round in {1..20}; do echo "round $$round"; cargo test --quiet $(ALL) --test live; done

soak: needs-test ## 200 tenants, honest and hostile, for ten minutes: figures, and whether they hold
	cargo build $(ALL) --bins
	SOAK_SECONDS=$${SOAK_SECONDS:-600} cargo test $(ALL) --test soak -- --nocapture

lint: needs-lint ## Formatting and clippy, natively and for each world of the component
	cargo fmt --all --check
	cargo clippy $(ALL) --all-targets -- -D warnings
	for world in "" observer manager; do \
	  cargo clippy --locked -p archon-pool-plugin --target wasm32-unknown-unknown --features "$$world" -- -D warnings; \
	done
	cargo clippy --locked -p archon-pool-hostile --target wasm32-unknown-unknown -- -D warnings

freeze-wit: ## Before the first release only: take wit/ as the contract to keep
	rm -rf tests/wit-1.0.0
	cp -r wit tests/wit-1.0.0

clean: ## Remove everything that was built or downloaded
	cargo clean

# What other languages need stays out of the source tree and is installed once per list.
NPM_INSTALL := npm install --no-package-lock --no-audit --no-fund --loglevel=error

$(TARGET)/node/.installed: tests/languages/node/package.json | needs-test
	mkdir -p $(@D)
	cp $< $(@D)/
	$(NPM_INSTALL) --prefix $(@D)
	node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' || $(NPM_INSTALL) --prefix $(@D) node@$(NODE)
	touch $@

$(TARGET)/python/.installed: tests/languages/python/requirements.txt | needs-test
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@
