# `make demo` runs the demonstration, `make test` runs all checks; both need only Rust, git, make and Debian's package
# manager.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

export CARGO_TARGET_DIR ?= $(CURDIR)/target
TARGET := $(CARGO_TARGET_DIR)
# One selection of packages, features and programs for all targets, so that cargo compiles the dependencies, wasmtime
# among them, only once.
ALL := --workspace --all-features --locked
# Not under make's job server: cargo shares out the processors by itself.
RUN_CARGO := env -u MAKEFLAGS cargo
# Replaces the folders of this machine in a release.
REMAPPED = --remap-path-prefix=$(CURDIR)=/archon-pool --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo
KEY ?=
# Node version for machines whose own is older than 20, which jco requires, such as Debian 12.
NODE := 22.23.3
# More threads than processors, because live tests mostly wait for servers.
export RUST_TEST_THREADS ?= $(shell expr 4 \* $$(nproc))
COMPONENTS := $(TARGET)/languages/components
HUGE := $(TARGET)/conformance/huge.jsonl
NODE_HOST := $(TARGET)/node-host
NODE_PARTS := README.md biome.json bin examples scripts src test tsconfig.json tsconfig.test.json
TIMED := lab::live_scenarios_are_classified_as_labelled
# Hostile servers for the tests of all hosts.
HOSTILE := $(TARGET)/debug/hostile-server
WITH_NODE = PATH="$(NODE_HOST)/node_modules/.bin:$$PATH" ARCHON_CONFORMANCE=$(CURDIR)/tests/conformance ARCHON_HUGE=$(HUGE) \
            ARCHON_HOSTILE_SERVER=$(HOSTILE)
PYTHON_HOST := $(TARGET)/python-host
BENCHES := judgement instantiation boundary report live network server-cost tenants cold-start neighbours hosts
PYTHON_TOOL = PYTHONDONTWRITEBYTECODE=1 $(PYTHON_HOST)/venv/bin/python

.PHONY: help setup build components demo test compiled-tests installed quiet-packages peers test-rust test-timed \
        test-untimed test-languages run-languages test-page run-page test-mcp run-mcp test-node run-node test-python run-python test-matrix packages lab \
        pools bench bench-baseline fuzz fuzz-replay stress soak lint lint-rust lint-format lint-circles lint-units \
        lint-worlds lint-node lint-python audit release lock freeze-wit clean serve-chaos fleet-scale

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

setup: needs-test needs-lint ## Check for what is needed, and install what can be

needs-%:
	@tests/setup.sh $*

build: needs-build ## Build the components, the library and the program
	$(RUN_CARGO) build $(ALL)

demo: needs-demo ## A planted leak on a private PostgreSQL server: found, planned, ended
	@echo "compiling the program: 5 to 14 minutes the first time on two processors"
	$(RUN_CARGO) build $(ALL) --bin archon-pool --bin demo
	$(TARGET)/debug/demo

# Installs Debian 13's poolers, client libraries of Python and Node, and a NATS server, for the live tests.
peers: needs-test
	tests/poolers.sh $(TARGET)/poolers
	tests/clients/install.sh $(TARGET)/clients
	tests/nats/install.sh $(TARGET)/nats

test: needs-test ## Everything, unattended
	@echo "1/3 compiling, and installing what tests need: 10 to 18 minutes the first time, 3 after a change"
	$(MAKE) --jobs=2 compiled-tests installed
	@echo "2/3 the scenarios that need a quiet machine, while the hosts for Node and Python are built: 3 minutes"
	$(MAKE) --jobs=2 test-timed quiet-packages
	@echo "3/3 all other tests of Rust, Node and Python: 8 to 12 minutes"
	$(MAKE) --jobs=3 --output-sync=target test-untimed run-languages run-page run-mcp run-node run-python

compiled-tests: needs-test
	$(RUN_CARGO) build $(ALL)
	$(RUN_CARGO) test $(ALL) --no-run
	$(MAKE) $(HUGE)

# Downloads, which mostly wait for the network.
installed: peers $(NODE_HOST)/.installed $(PYTHON_HOST)/.installed $(TARGET)/node/.installed $(TARGET)/python/.installed \
           $(TARGET)/page/.installed $(TARGET)/mcp/.installed

# At the lowest priority: beside it run clients that must act in time. CI adds lints, which need the same packages.
quiet-packages:
	nice -n 19 $(MAKE) node-package python-package $(LINTS)

test-rust: test-timed test-untimed

# Runs separately, because its clients must act every few seconds and would be delayed by other suites.
test-timed: needs-test peers
	$(RUN_CARGO) test $(ALL) --test live -- $(TIMED)

test-untimed: needs-test peers
	$(RUN_CARGO) test $(ALL) -- --skip $(TIMED)
	$(MAKE) fuzz-replay

# Writes the components and guard.json for the hosts in other languages. With RELEASE=--release they are those of the
# program's release, optimised across crates.
RELEASE ?=
components: needs-test
	$(RUN_CARGO) build $(ALL) $(if $(RELEASE),$(RELEASE) --bin archon-pool)
	$(TARGET)/$(if $(RELEASE),release,debug)/archon-pool components $(COMPONENTS)

test-languages: components $(TARGET)/node/.installed $(TARGET)/python/.installed ## The components in Node and in Python without a host of ours
	$(MAKE) run-languages

run-languages:
	tests/languages/compare.sh $(TARGET)

test-page: build $(TARGET)/page/.installed ## HTML reports and live pages in Chromium; screenshots and PDFs in target/page/shown
	$(MAKE) run-page

run-page:
	tests/page/run.sh $(TARGET)

test-mcp: build $(TARGET)/mcp/.installed ## Real clients of the Model Context Protocol: Python, TypeScript and the inspector
	$(MAKE) run-mcp

run-mcp:
	tests/mcp/run.sh $(TARGET)

test-node: node-package $(HUGE) ## The Node host against a private server and the conformance kit, and its package
	$(MAKE) run-node

run-node:
	cd $(NODE_HOST) && $(WITH_NODE) npm test && $(WITH_NODE) npm run test:pack

test-python: python-package $(HUGE) ## The Python host against a private server and the conformance kit, and its package
	$(MAKE) run-python

run-python:
	cd host/python && ARCHON_POOL_COMPONENTS=$(COMPONENTS) ARCHON_POOL_DIST=$(PYTHON_HOST)/dist ARCHON_POOL_HUGE=$(HUGE) \
	  ARCHON_POOL_HOSTILE_SERVER=$(HOSTILE) $(PYTHON_TOOL) -m pytest

packages: ## What npm and pip install, with the components of a release, in target/packages
	$(MAKE) RELEASE=--release COMPONENTS=$(TARGET)/languages/release node-package python-package
	mkdir -p $(TARGET)/packages
	cd $(NODE_HOST) && $(WITH_NODE) npm pack --silent --pack-destination $(TARGET)/packages
	cp $(PYTHON_HOST)/dist/* $(TARGET)/packages/

# KEY is an ed25519 key in PEM, for signatures. The sources' paths are left out of the program, so that builds in
# different folders can be compared.
release: ## Program, components, OCI layout and packages in target/dist, with SHA-256; KEY=KEY.pem signs the components
	$(MAKE) packages RUN_CARGO="env -u MAKEFLAGS RUSTFLAGS='$(REMAPPED)' cargo"
	tests/release/build.sh $(TARGET) $(KEY)

test-matrix: needs-test peers ## The live tests on PostgreSQL 13 to 18
	$(RUN_CARGO) build $(ALL)
	tests/matrix.sh $(TARGET)/postgres

lab: needs-build ## The score of the judgement of leaks beside other rules: a table, and curves in target/lab
	$(RUN_CARGO) build $(ALL)
	mkdir -p $(TARGET)/lab
	$(TARGET)/debug/lab score $(TARGET)/lab/index.html

pools: needs-test ## Real pool libraries live, healthy and leaking: recordings with the truth in target/pools, and a table
	$(RUN_CARGO) build $(ALL) --bin archon-pool
	python3 -B tests/pools/run.py

bench: needs-test $(TARGET)/bench/python/.tried ## Benchmarks as ratios in one run, a table with their targets, and a page with pictures
	$(RUN_CARGO) build $(ALL) --release --bin archon-pool --bin bench-table $(BENCHES:%=--bin bench-%)
	tests/bench/exporter.sh $(TARGET)/bench/exporter || true
	$(MAKE) RELEASE=--release COMPONENTS=$(TARGET)/languages/release node-package python-package
	rm -f $(TARGET)/bench/*.json
	for bench in $(BENCHES); do $(TARGET)/release/bench-$$bench --bench; done
	$(TARGET)/release/bench-table

bench-baseline: ## The ratios of the last `make bench` as tests/bench/baseline.json, for comparison by later ones
	$(TARGET)/release/bench-table --baseline "$$(git describe --always --dirty --abbrev=12)"

fuzz: needs-test ## Fuzz each target for ten minutes, or FUZZ_SECONDS; what is found goes to target/fuzz
	tests/fuzz/run.sh all $${FUZZ_SECONDS:-600}

fuzz-replay: needs-test
	tests/fuzz/run.sh all replay

stress: needs-test peers ## The live tests 20 times: none may fail once
	$(RUN_CARGO) build $(ALL)
	for round in {1..20}; do echo "round $$round"; cargo test --quiet $(ALL) --test live; done

soak: needs-test ## 200 tenants, honest and hostile, for ten minutes: figures, and whether they hold
	$(RUN_CARGO) build $(ALL) --bins
	SOAK_SECONDS=$${SOAK_SECONDS:-600} cargo test $(ALL) --test soak -- --nocapture

serve-chaos: needs-test ## serve under 10,000 scrapes a minute, with a server in trouble, then with 200 targets: figures
	$(RUN_CARGO) build $(ALL) --bin archon-pool
	SOAK_SECONDS=$${SOAK_SECONDS:-600} cargo test $(ALL) --test serve-chaos -- --nocapture --test-threads=1

fleet-scale: needs-test peers ## fleet run, then workers that are killed with their engine: 1,000 targets for ten minutes each: figures
	$(RUN_CARGO) build $(ALL) --bin archon-pool
	FLEET_TARGETS=$${FLEET_TARGETS:-1000} SOAK_SECONDS=$${SOAK_SECONDS:-600} \
	  cargo test $(ALL) --test fleet-scale -- --nocapture --test-threads=1

lint: lint-rust lint-node lint-python ## Formatting, lints and types of all three hosts

lint-rust: lint-format lint-circles lint-units lint-worlds
	cargo clippy $(ALL) --all-targets -- -D warnings

lint-format: needs-lint
	cargo fmt --all --check

# Checks that files have no circular references.
lint-circles: needs-lint
	python3 tests/circles.py host/src host/*/src plugin/src plugin/contract/src plugin/guest/src tests/security/src

# Checks that the program and build scripts share their dependencies.
lint-units: needs-lint
	python3 tests/units.py $(ALL)
	python3 tests/units.py --locked -p archon-pool-cli
	python3 tests/units.py --locked -p archon-pool-cli --release

lint-worlds: needs-lint
	for world in "" observer manager; do \
	  cargo clippy --locked -p archon-pool-guest --target wasm32-unknown-unknown --features "$$world" -- -D warnings; \
	done
	for part in "" front; do \
	  cargo clippy --locked -p archon-pool-door-guest --target wasm32-unknown-unknown --features "$$part" -- -D warnings; \
	done
	cargo clippy --locked -p archon-pool-hostile --target wasm32-unknown-unknown -- -D warnings

lint-node: node-source
	cd $(NODE_HOST) && $(WITH_NODE) npm run lint

# The package is installed first, because mypy reads the types of its dependencies.
lint-python: python-package
	cd host/python && $(PYTHON_TOOL) -m ruff format --no-cache --check . && $(PYTHON_TOOL) -m ruff check --no-cache .
	cd host/python && $(PYTHON_TOOL) -m mypy --cache-dir $(PYTHON_HOST)/mypy

audit: needs-test ## Licences, sources, duplicates and known faults of all that is built upon; OFFLINE=1 without the last
	tests/audit.sh $(TARGET)

lock: ## Take the newest versions that package.json and the requirements allow, with their hashes
	tests/lock.sh $(TARGET)/tools

freeze-wit: ## Before the first release only: take wit/ as the contract to keep
	rm -rf tests/wit-1.0.0
	cp -r wit tests/wit-1.0.0

clean: ## Remove everything that was built or downloaded
	cargo clean

# Packages of other languages stay out of the source tree and are installed once per list, by the hashes in the lock
# files.
NPM_QUIET := --no-audit --no-fund --loglevel=error
NPM_INSTALL := npm ci $(NPM_QUIET)
PIP_INSTALL := pip install --quiet --disable-pip-version-check
# Installs Node if the machine's is too old.
NODE_LEAST := 20
NEW_NODE = node -e 'process.exit(process.versions.node.split(".")[0] >= $(NODE_LEAST) ? 0 : 1)' || npm install --no-package-lock $(NPM_QUIET) --no-save --prefix $(@D) node@$(NODE)

define INSTALL_NODE
	mkdir -p $(@D)
	cp $^ $(@D)/
	$(NPM_INSTALL) --prefix $(@D)
	$(NEW_NODE)
	touch $@
endef

$(TARGET)/node/.installed: tests/languages/node/package.json tests/languages/node/package-lock.json | needs-test
	$(INSTALL_NODE)

$(TARGET)/page/.installed: tests/page/package.json tests/page/package-lock.json | needs-test
	$(INSTALL_NODE)

# The inspector needs 22.19.
$(TARGET)/mcp/.installed: NODE_LEAST := 23
$(TARGET)/mcp/.installed: tests/mcp/package.json tests/mcp/package-lock.json tests/mcp/requirements.txt | needs-test
	python3 -m venv $(@D)/python
	$(@D)/python/bin/$(PIP_INSTALL) --require-hashes -r tests/mcp/requirements.txt
	$(INSTALL_NODE)

$(TARGET)/python/.installed: tests/languages/python/requirements.txt | needs-test
	python3 -m venv $(@D)
	$(@D)/bin/$(PIP_INSTALL) --require-hashes -r $<
	touch $@

# Both hosts are built in a copy. The first Rust test run of the conformance kit writes its largest case.
$(NODE_HOST)/.installed: host/node/package.json host/node/package-lock.json | needs-test
	$(INSTALL_NODE)

node-source: $(NODE_HOST)/.installed
	rm -rf $(addprefix $(NODE_HOST)/,$(NODE_PARTS))
	cp -R LICENSE* host/cli/server.json $(addprefix host/node/,$(NODE_PARTS)) $(NODE_HOST)/

node-package: components node-source
	cd $(NODE_HOST) && $(WITH_NODE) ARCHON_COMPONENTS=$(COMPONENTS) npm run build

$(PYTHON_HOST)/.installed: host/python/requirements-dev.txt | needs-test
	mkdir -p $(@D)
	python3 -m venv $(@D)/venv
	$(@D)/venv/bin/$(PIP_INSTALL) --require-hashes -r $<
	touch $@

python-package: components $(PYTHON_HOST)/.installed
	host/python/build.sh $(PYTHON_HOST)/venv/bin/python $(COMPONENTS) $(PYTHON_HOST)
	$(PYTHON_HOST)/venv/bin/$(PIP_INSTALL) --force-reinstall --no-deps $(PYTHON_HOST)/dist/*.whl

# Tools for the comparison benchmarks. A missing tool is reported in its row.
$(TARGET)/bench/python/.tried: | needs-test
	python3 -m venv $(@D)
	$(@D)/bin/$(PIP_INSTALL) 'pg_activity[psycopg]' || rm -f $(@D)/bin/python
	[ -x /usr/bin/check_postgres ] || apt-get install -y -qq --no-install-recommends check-postgres || true
	touch $@

$(HUGE): | needs-test
	$(RUN_CARGO) test $(ALL) --test live conformance::huge
