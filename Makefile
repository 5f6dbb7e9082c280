# `make help` lists the targets. Every one works on a fresh Debian or Ubuntu with git, make and python3.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
ENGINE_SOURCES = $(shell git ls-files '*/engine/*.cc' '*/engine/*.h' 'engine/*.cc' 'engine/*.h' \
  'bench/load/*.cc' 'bench/load/*.h' 'gateway/native/*.cc' 'gateway/native/*.h' \
  'persistence/native/*.cc' 'persistence/native/*.h' 2>/dev/null)
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
export PATH := $(CURDIR)/.ordergate/tools/bin:$(PATH)

.PHONY: help
help:  ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 14

##@ Run

.PHONY: demo
demo: ready  ## Replay half an hour of an exchange's orders through the whole way, and reconcile
	@$(BIN)/python -m bench.demo $(ARGS)

.PHONY: run
run: ready  ## Start everything here (ordergate up); Ctrl-C stops it; ARGS="--workers 2" adds options
	@$(BIN)/ordergate up $(ARGS)

##@ Build

.PHONY: setup
setup: ready grpcurl  ## Install what is missing, generate code, build the engine

.PHONY: ready
ready: packages python engine

.PHONY: packages
packages:
	@.ci/setup.sh packages

.PHONY: python
python: packages
	@.ci/setup.sh python

.PHONY: grpcurl
grpcurl:
	@.ci/setup.sh grpcurl

.PHONY: protos
protos: packages  ## Generate the Python code of the protos anew
	@.ci/setup.sh python --force

.PHONY: engine
engine: build/engine/build.ninja  ## Build the matching engine into build/engine
	@cmake --build build/engine

build/engine/build.ninja: | packages
	@cd engine && cmake --preset release

##@ Measure

# A difference is to be status 1, but make says 2 for whatever fails, and 1 only when asked with -q whether something is
# left to do. So `make tape` asks that, the recipe with the + runs nevertheless, and a difference leaves something to do.
TAPE_DIFFERS := .ordergate/tape-differs
ifeq ($(MAKECMDGOALS),tape)
MAKEFLAGS += -q
endif

.PHONY: tape tape-replay
tape: tape-replay  ## An exchange's half hour through the engine's core, fill by fill; FILE=other.txt.xz
	$(if $(shell test -e $(TAPE_DIFFERS) && echo yes),@false)

tape-replay:
	+@rm -f $(TAPE_DIFFERS); MAKEFLAGS= $(MAKE) -s --no-print-directory python build/engine/build.ninja
	+@cmake --build build/engine --target engine_tape >&2
	+@$(BIN)/python -m bench.tape.core build/engine/bench/engine_tape $(FILE) || \
	  { status=$$?; [ $$status = 1 ] && touch $(TAPE_DIFFERS) || exit $$status; }

.PHONY: load
load: build/engine/build.ninja  ## Build the load tool, build/engine/load/ordergate-load (--help)
	@cmake --build build/engine --target ordergate-load

.PHONY: bench-ready bench bench-quick soak
bench-ready: ready load
	@.ci/setup.sh bench

bench: bench-ready  ## All figures of the service in one go (10 min), into bench/results; ARGS="--readme" or "--only burst"
	@$(BIN)/python -m bench.suite $(ARGS)

bench-quick: bench-ready  ## The same in two minutes, noisier
	@$(BIN)/python -m bench.suite --quick $(ARGS)

soak: bench-ready  ## Memory under steady load; DURATION=10m, ARGS="--rate 10000"
	@$(BIN)/python -m bench.soak --duration $(or $(DURATION),10m) $(ARGS)

WORKLOADS := build/workload

.PHONY: engine-bench
engine-bench: build/engine/build.ninja  ## The engine's core beside the textbook engine, then its gRPC service; RUNS=5
	@cmake --build build/engine --target engine_bench gen_workload grpc_bench ordergate-engine
	@mkdir -p $(WORKLOADS) bench/results
	@$(MAKE) --no-print-directory -s $(WORKLOADS)/w1.bin $(WORKLOADS)/w100.bin $(WORKLOADS)/m1.bin
	@build/engine/bench/engine_bench bench/results/engine.json $(or $(RUNS),5) \
	  w1=$(WORKLOADS)/w1.bin w100=$(WORKLOADS)/w100.bin m1=$(WORKLOADS)/m1.bin
	@build/engine/bench/grpc_bench --engine build/engine/ordergate-engine --workload $(WORKLOADS)/w1.bin \
	  --runs $(or $(RUNS),5) --json bench/results/engine.json

$(WORKLOADS)/w1.bin: bench/workload/gen_workload.cpp
	build/engine/bench/gen_workload --out $@ --ops 3000000 --symbols 1
$(WORKLOADS)/w100.bin: bench/workload/gen_workload.cpp
	build/engine/bench/gen_workload --out $@ --ops 3000000 --symbols 100
$(WORKLOADS)/m1.bin: bench/workload/gen_workload.cpp
	build/engine/bench/gen_workload --out $@ --ops 3000000 --symbols 1 --resting 1000000

##@ Check

.PHONY: check
check: ready lint types test  ## All that CI runs: lint, types, tests

.PHONY: test
# With JOBS a file's tests stay together, for their servers. Two at a time gain a tenth of the time on two processors, and
# tests of timeouts are then less sure of theirs.
test: setup engine-test  ## All tests but the long ones; JOBS=4 at a time
	$(BIN)/pytest -m "not long" $(if $(JOBS),-n $(JOBS) --dist loadfile) $(ARGS)

.PHONY: engine-test
engine-test: engine
	ctest --test-dir build/engine --output-on-failure --no-tests=error -j 2

# Not part of `check`: it builds the engine three times over, once with clang (clang-14, libclang-rt-14-dev).
.PHONY: engine-check
engine-check: engine-test  ## The engine under sanitizers and fuzzers; FUZZ_SECONDS=60 for each fuzzer
	cd engine && for preset in asan tsan; do \
	  cmake --preset $$preset && cmake --build --preset $$preset && ctest --preset $$preset --no-tests=error -j 2 || exit 1; done
	@.ci/setup.sh fuzzers
	cd engine && cmake --preset fuzz -DFUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) && cmake --build --preset fuzz

.PHONY: faults
faults: ready  ## Load a private stack, kill and cut what it is made of, prove that nothing is lost; SECONDS=120 SEED=1
	@$(BIN)/python -m tests.faults --seconds $(or $(SECONDS),120) --seed $(or $(SEED),1) $(ARGS)

.PHONY: faults-selftest
faults-selftest: ready  ## Plant known defects, one at a time: the checker of `make faults` must catch each
	@$(BIN)/python -m tests.faults.selftest $(ARGS)

.PHONY: recovery
recovery: ready  ## Takeovers, an engine's restart and a client's resume, timed on this machine, beside their goals
	@$(BIN)/python -m tests.faults.recovery $(ARGS)

.PHONY: lint
lint: python  ## ruff, buf, import-linter, clang-format
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/buf lint protos
	$(BIN)/lint-imports
	$(BIN)/clang-format --dry-run -Werror $(ENGINE_SOURCES)

.PHONY: types
types: python  ## mypy --strict
	$(BIN)/mypy

.PHONY: format
format: python  ## Format Python, C++ and protos
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/buf format -w protos
	$(BIN)/clang-format -i $(ENGINE_SOURCES)

.PHONY: clean
clean:  ## Remove what was built; data in .ordergate stay
	rm -rf build dist protos/gen .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

##@ Containers

.PHONY: docker-up
docker-up:  ## Build the images and start everything in containers
	$(COMPOSE) up --build -d

.PHONY: docker-down
docker-down:  ## Stop the containers; volumes stay
	$(COMPOSE) down
