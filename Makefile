# postern: every target that people and CI use. CI calls nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The interpreter to build for (see tools/find-python), the environment, and where a build goes.
PYTHON = $(shell tools/find-python)
VENV := .venv
PY := $(VENV)/bin/python
BUILD := build
PREFIX := /usr/local
DESTDIR :=
JOBS := $(shell nproc)
# make test T=tests/runtime/plan  make integration T=integration/lifecycle RUNTIME=/usr/sbin/runc
T :=
RUNTIME :=
PYTEST = $(PY) -m pytest
CACHE := $(or $(POSTERN_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/postern)

ARCH := $(shell uname -m)
CC_$(ARCH) := $(or $(filter-out cc,$(CC)),gcc)
CC_aarch64 ?= aarch64-linux-gnu-gcc
CC_x86_64 ?= x86_64-linux-gnu-gcc
# The *_host.c files are for the extension module alone: they may use the C library, the binary may not.
# What init never needs comes last: the kernel maps 64 KB around a page that is wanted, and all of that counts as a waiting init's memory.
NATIVE_LAST := $(wildcard runtime/native/front_*.c runtime/native/keeper*.c runtime/native/json_*.c runtime/native/cgroup_end.c \
	runtime/native/cgroup_walk.c runtime/native/launch.c runtime/native/lease.c runtime/native/state_file.c)
NATIVE := $(filter-out %_host.c $(NATIVE_LAST),$(wildcard runtime/native/*.c)) $(NATIVE_LAST)
HEADERS := $(wildcard runtime/native/*.h)
# Without a C library there is no canary to read (stack protector needs thread storage), and no loader to relocate a PIE.
# Loops in memcpy must not be turned into calls of memcpy.
CFLAGS_NATIVE := -std=c11 -Os -g0 -ffreestanding -fno-pie -fno-stack-protector -fno-tree-loop-distribute-patterns \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections -fdata-sections -fstack-clash-protection \
	-ftrivial-auto-var-init=zero -Wall -Wextra -Wconversion -Wshadow -Wvla -Werror
CFLAGS_x86_64 := -fcf-protection=full
CFLAGS_aarch64 := -mbranch-protection=standard -mno-outline-atomics
LDFLAGS_NATIVE := -nostdlib -nostartfiles -static -no-pie -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noexecstack \
	-Wl,-z,relro -Wl,--fatal-warnings

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- setting up -------------------------------------------------------------------------------------------------------
.PHONY: setup venv
setup: ## install what a build needs and this machine lacks (as root, on Debian), then make the virtual environment
	@tools/setup build
	@$(MAKE) --no-print-directory venv

venv: $(if $(filter $(VENV)/%,$(PY)),$(VENV)/.ready) ## make or refresh .venv
	@:

$(VENV)/.ready: pyproject.toml tools/pins.txt
	@test -x $(PY) || "$(PYTHON)" -m venv $(VENV)
	@$(PY) tools/dependencies.py dev >$(VENV)/requirements.txt
	@$(PY) -m pip install -q -c tools/pins.txt -r $(VENV)/requirements.txt
	@touch $@

# --- building ---------------------------------------------------------------------------------------------------------
.PHONY: build build-locked native
build: setup ## build/postern, ready to run from anywhere by its absolute path
	@mkdir -p $(BUILD)
	@flock $(BUILD)/.lock $(MAKE) --no-print-directory build-locked

build-locked: $(BUILD)/postern $(BUILD)/lib/postern.pyc
	@:

native: $(BUILD)/postern ## the static C program alone

# program ARCH, OBJECTS' DIRECTORY, TARGET: rules for one freestanding static program
define program
$(3): $(patsubst runtime/native/%.c,$(2)/%.o,$(NATIVE))
	@test -n "$$^" || { echo 'runtime/native holds no sources' >&2; exit 1; }
	@$$(CC_$(1)) $$(LDFLAGS_NATIVE) -o $$@.new $$^ -lgcc
	@mv $$@.new $$@
$(2)/%.o: runtime/native/%.c Makefile
	@mkdir -p $$(@D)
	@$$(CC_$(1)) $$(CFLAGS_NATIVE) $$(CFLAGS_$(1)) $$(EXTRA_CFLAGS) -MMD -MP -c -o $$@ $$<
-include $(patsubst runtime/native/%.c,$(2)/%.d,$(NATIVE))
endef
$(eval $(call program,$(ARCH),$(BUILD)/obj/$(ARCH),$(BUILD)/postern))
ifneq ($(ARCH),aarch64)
$(eval $(call program,aarch64,$(BUILD)/obj/aarch64,$(BUILD)/aarch64/postern))
endif
ifneq ($(ARCH),x86_64)
$(eval $(call program,x86_64,$(BUILD)/obj/x86_64,$(BUILD)/x86_64/postern))
endif
$(BUILD)/aarch64/postern $(BUILD)/x86_64/postern: | $(BUILD)/aarch64 $(BUILD)/x86_64
$(BUILD)/aarch64 $(BUILD)/x86_64:
	@mkdir -p $@

PYTHON_SOURCES = $(shell find runtime oci_schemas -name '*.py' -not -name _compiled.py -not -name '_builtin*.py') $(wildcard runtime/policy/builtin/*.yaml)
$(BUILD)/lib/postern.pyc: $(PYTHON_SOURCES) $(wildcard runtime/native/*.c) $(HEADERS) tools/build.py $(wildcard tools/bundle/*.py) tools/freeze.py $(wildcard runtime/native/embed/*.c) pyproject.toml
	@$(PY) -m oci_schemas.build --out $(BUILD)/generated
	@cmp -s $(BUILD)/generated/_compiled.py oci_schemas/_compiled.py || mv $(BUILD)/generated/_compiled.py oci_schemas/
	@$(PY) -m runtime.policy.build
	@$(PY) tools/build.py $(BUILD)

# --- tests without root -----------------------------------------------------------------------------------------------
.PHONY: test test-pythons property golden coverage fuzz
test: build ## the unit tests, in parallel; T=PATH for some
	@tools/setup test
	@$(PYTEST) -q -n $(JOBS) $(or $(T),tests)

test-pythons: build ## the unit tests under the oldest and the newest Python of this machine
	@tools/test-pythons

property: build ## the property tests, long and with new examples each time
	@HYPOTHESIS_PROFILE=explore $(PYTEST) -q -n $(JOBS) $$(grep -l -r -E '^(from|import) hypothesis' --include='test_*.py' tests)

golden: build ## rewrite the golden files; read the diff before you commit it
	@POSTERN_GOLDEN=rewrite $(PYTEST) -q tests -k golden

coverage: build ## branch coverage of the unit tests
	@$(PY) -m coverage run -m pytest -q tests
	@$(PY) -m coverage report

fuzz: build ## mutate launch plans and state files for some minutes, under ASan and UBSan; POSTERN_FUZZ_SEED=N for another run
	@POSTERN_FUZZ_ROUNDS=$${POSTERN_FUZZ_ROUNDS:-5000000} $(PYTEST) -q --timeout=0 tests/runtime/native/test_*_fuzz.py

# --- checks -----------------------------------------------------------------------------------------------------------
.PHONY: check format lint types imports generate check-generated c-check
check: lint types imports check-generated c-check test ## everything that needs no root

format: venv ## format the Python and C sources
	@$(PY) -m ruff format
	@clang-format -i runtime/native/*.c runtime/native/[!l]*.h

lint: venv ## ruff and shellcheck
	@tools/setup lint
	@$(PY) -m ruff check
	@grep -l -r -I -m 1 -E '^#!/bin/(ba)?sh|^# shellcheck shell' tools integration .ci --exclude-dir=__pycache__ | xargs shellcheck -x -P SCRIPTDIR

types: venv ## mypy, strict
	@$(PY) -m mypy

imports: venv ## the layers and contracts between modules
	@$(VENV)/bin/lint-imports --no-cache

generate: venv ## write the checked-in generated files again
	@tools/generate

check-generated: venv ## fail where a checked-in generated file is not what its generator writes
	@tools/generate --check

c-check: setup ## both architectures without warnings, the analyser, and the aarch64 program under qemu-user
	@tools/setup cross
	@tools/c-check

# --- tests that run containers ----------------------------------------------------------------------------------------
.PHONY: integration race integration-vm integration-landlock reference vm-tree demo bench-start bench-broker bench-broker-docs bench-seccomp bench-policy bench-network
INTEGRATION = $(PYTEST) -q $(if $(RUNTIME),--runtime $(RUNTIME))
integration: build ## real containers, as root; T=PATH for some, RUNTIME=PATH for runc or crun
	@tools/setup test integration programs compat
	@$(INTEGRATION) -n $(JOBS) $(or $(T),integration)

race: build ## a million races against every handler of the broker, as root; POSTERN_RACES=N for another number
	@tools/setup test integration
	@POSTERN_RACES=$${POSTERN_RACES:-1000000} $(INTEGRATION) --timeout=0 $(or $(T),integration/broker/test_races.py)

integration-vm: build ## boot a virtual machine with every cgroup controller and run the tests that need one
	@tools/setup vm integration
	@RUNTIME=$(RUNTIME) integration/vm/run-tests $(T)

integration-landlock: build ## boot a virtual machine whose kernel has Landlock and run the tests that need it; T=PATH for some
	@tools/setup vm integration
	@RUNTIME=$(RUNTIME) integration/vm/run-tests -l $(T)

vm-tree:
	@tools/setup vm
	@integration/vm/make-tree

reference: vm-tree ## runc and crun of Debian forky, made to run here: ~/.cache/postern/reference/bin
	@tools/reference-runtimes

demo: build ## make a small bundle and run a container in it
	@tools/setup demo
	@tools/demo $(BUILD)/postern

bench-start: build ## measure postern, runc and crun; writes JSON, an SVG chart and the README's table
	@tools/setup integration compat
	@$(MAKE) --no-print-directory reference
	@$(PY) -m benchmarks.start

bench-seccomp: venv ## compile, attach and per-call cost of a seccomp profile, beside libseccomp
	@$(PY) -m benchmarks.seccomp

bench-network: build ## what a policy's network rules cost each connect, and putting them in place; as root
	@tools/setup integration
	@$(PY) -m benchmarks.network

bench-broker: build ## what the broker costs a call: latency per handler, throughput, many containers, memory, its deaths; as root
	@tools/setup integration
	@$(PY) -m benchmarks.broker

bench-broker-docs: venv ## put the tables of the last whole bench-broker into docs/broker.md
	@$(PY) -m benchmarks.broker_report

bench-ab: venv ## compare the samples of two builds: A=BEFORE.json B=AFTER.json, as the benchmarks leave them in build/bench
	@$(PY) -m benchmarks.ab $(A) $(B)

bench-policy: build ## what a policy costs create, and find, gcc, python, redis and nginx: none, lowered, fully mediated
	@tools/setup integration programs
	@$(PY) -m benchmarks.policy_create
	@$(PY) -m benchmarks.policy

# --- installing -------------------------------------------------------------------------------------------------------
.PHONY: install uninstall clean
LIBDIR = $(DESTDIR)$(PREFIX)/lib/postern
install: build ## install under PREFIX (/usr/local), below DESTDIR if given
	@rm -rf "$(LIBDIR)"
	@mkdir -p "$(LIBDIR)/site" "$(DESTDIR)$(PREFIX)/bin"
	@$(PY) tools/vendor.py "$(LIBDIR)/site"
	@$(PY) tools/build.py $(BUILD) --installed "$(LIBDIR)" --site site
	@install -m 755 $(BUILD)/postern "$(DESTDIR)$(PREFIX)/bin/postern.new"
	@mv "$(DESTDIR)$(PREFIX)/bin/postern.new" "$(DESTDIR)$(PREFIX)/bin/postern"

uninstall: ## remove what install left
	@rm -rf "$(LIBDIR)" "$(DESTDIR)$(PREFIX)/bin/postern"

clean: ## remove what a build leaves; the virtual environment and the caches stay
	@rm -rf build oci_schemas/_compiled.py runtime/policy/_builtin*.py
	@find runtime oci_schemas tests integration tools benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	@find runtime oci_schemas -name '*.so' -delete
