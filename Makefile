# `make demo` shows it, `make test` checks everything; both work on a machine that has only Rust, git
# and a package manager.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

export CARGO_TARGET_DIR ?= $(CURDIR)/target
TARGET := $(CARGO_TARGET_DIR)
# One selection of packages and features for everything: with another one, cargo would compile the
# dependencies, wasmtime among them, a second time.
ALL := --workspace --all-features

.PHONY: help setup build demo test test-languages test-matrix stress lint freeze-wit clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

setup: ## Check for what is needed, and install what can be
	@tests/setup.sh

build: setup ## Build the components, the library and the program
	cargo build $(ALL)

demo: setup ## A planted leak on a private PostgreSQL server: found, planned, ended
	cargo build $(ALL) --bin archon-pool --bin demo
	$(TARGET)/debug/demo

test: build ## Everything, unattended
	cargo test $(ALL)
	$(MAKE) test-languages

test-languages: $(TARGET)/node/.installed $(TARGET)/python/.installed ## The components in Node and in Python
	cargo build $(ALL) --bin archon-pool
	$(TARGET)/debug/archon-pool components $(TARGET)/languages/components
	tests/languages/compare.sh $(TARGET)

test-matrix: build ## The live tests on PostgreSQL 13 to 18
	tests/matrix.sh $(TARGET)/postgres

stress: build ## The live tests 20 times: none may fail once
	for round in {1..20}; do echo "round $$round"; cargo test --quiet $(ALL) --test live; done

lint: setup ## Formatting and clippy, natively and for each world of the component
	cargo fmt --all --check
	cargo clippy $(ALL) --all-targets -- -D warnings
	for world in "" observer manager; do \
	  cargo clippy -p archon-pool-plugin --target wasm32-unknown-unknown --features "$$world" -- -D warnings; \
	done

freeze-wit: ## Before the first release only: take wit/ as the contract to keep
	rm -rf tests/wit-1.0.0
	cp -r wit tests/wit-1.0.0

clean: ## Remove everything that was built or downloaded
	cargo clean

# What other languages need stays out of the source tree and is installed once per list.
$(TARGET)/node/.installed: tests/languages/node/package.json
	mkdir -p $(@D)
	cp $< $(@D)/
	npm install --prefix $(@D) --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

$(TARGET)/python/.installed: tests/languages/python/requirements.txt
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@
