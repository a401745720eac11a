# Each target sets up what it needs, says what it does, and reuses what an earlier run left.
# `make` alone lists them.

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

export CARGO_TERM_COLOR ?= never
export npm_config_update_notifier := false

rust_sources := $(shell find src -name '*.rs') Cargo.toml Cargo.lock rust-toolchain.toml
js_sources := $(shell find pkg-js/src -name '*.ts') pkg-js/package.json pkg-js/package-lock.json pkg-js/tsconfig.json pkg-js/json-schema.LICENSE.txt
build_tools := scripts/build.sh scripts/setup.sh scripts/guard-glue.js scripts/shorten-names.js $(shell find scripts/bindgen -name '*.rs' -o -name 'Cargo.*')
tarball := target/package/hf-inference-wasm.tgz

.PHONY: help setup build package demo test test-core test-simulation test-package bench lint fmt fuzz size clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-14s %s\n", $$1, $$2 }'

setup: ## Install what the build needs (Rust's WebAssembly target, npm tools); nothing on the system
	@scripts/setup.sh

pkg-js/dist/hf_inference_wasm_bg.wasm: $(rust_sources) $(js_sources) $(build_tools)
	@scripts/setup.sh
	@scripts/build.sh

build: pkg-js/dist/hf_inference_wasm_bg.wasm ## Build the package into pkg-js/dist

$(tarball): pkg-js/dist/hf_inference_wasm_bg.wasm README.md LICENSE scripts/package.sh
	@scripts/package.sh

package: $(tarball) ## Pack the npm tarball to target/package/hf-inference-wasm.tgz

demo: build ## Build, and serve the demo on http://127.0.0.1:8787 (PORT=, HF_TOKEN=, HF_BASE_URL=)
	@node demo/serve.js

lint: ## Formatting, clippy, and the rules of the house (core knows no JavaScript, rooms do not know each other)
	@scripts/setup.sh
	@scripts/lint.sh

test-core: ## The native tests of the core
	@echo '== core'
	@cargo test --locked --test core
	@cargo test --locked --doc

test-simulation: ## A million calls on a virtual clock, from seeds (SEED= replays one)
	@echo '== simulation'
	@cargo test --locked --profile simulation --test simulation -- --nocapture

test-package: $(tarball) ## Everything that is tested against the packed package
	@scripts/setup-tests.sh
	@scripts/test-package.sh

test: lint test-core test-simulation test-package ## Everything, from a fresh machine
	@echo; echo 'all tests passed'

bench: $(tarball) ## Measure beside the peers (PART=size,stream ROUNDS=5 SEED=1 BENCH_QUICK=1); report in target/bench
	@scripts/setup-bench.sh
	@PART="$(PART)" ROUNDS="$(ROUNDS)" SEED="$(SEED)" BENCH_QUICK="$(BENCH_QUICK)" node bench/run.js

fuzz: ## Fuzz the readers against their oracles (TARGET=json, SECONDS=60; all targets by default)
	@scripts/fuzz.sh "$(TARGET)" $(SECONDS)

size: build ## What the package costs a page, against size-budget.json
	@scripts/setup-tests.sh
	@node scripts/size.js --check

fmt: ## Format the Rust sources
	@cargo fmt

clean: ## Remove what was built
	@rm -rf target pkg-js/dist pkg-js/node_modules tests/node_modules bench/node_modules
