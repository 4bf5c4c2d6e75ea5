# SPDX-License-Identifier: Apache-2.0
# Thin on purpose: what a step does stands in package.json's scripts and in tools/; here stands what it needs to be done
# first, and when it need not be done again. V=1 shows the commands; -j is safe.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

V ?=
Q := $(if $(V),,@)
export V

# `node --run` reads package.json's scripts and needs no npm: Debian's npm does not run on this Node.
RUN := node_modules/node/bin/node --run
say = @echo "==> $(1)"

ADDON := native/build/Release/bpfsvc.node
PROGRAMS := dist/bpf/.built
JS := dist/.built

NATIVE_SOURCES := native/binding.gyp $(wildcard native/*.cc native/*.h) tools/build-addon.ts
BPF_SOURCES := $(shell find bpf -name '*.[ch]') $(wildcard src/toolchain/*.ts)
TS_SOURCES := $(shell find src -name '*.ts') tsconfig.json tsconfig.build.json

# Where make install puts the product, with a Node and the production packages of its own
DESTDIR ?=
PREFIX ?= /usr/local
HOME_DIR = $(DESTDIR)$(PREFIX)/lib/bpfsvc

# What make deps brings: the build alone needs only DEPS='build node'
DEPS ?=

# Arguments of a single run: make test ARGS='test/netns -t NodePort', make bench OUT=bench.json
ARGS ?=
OUT ?=

# Where to write the results of the tests as JSON, besides the terminal
REPORT ?=

# Which of test/kernels/matrix.yaml: make test-kernels KERNELS='5.10 7.x' SUITES=programs; all unless told otherwise.
# A prompt: make test-kernels KERNELS=6.1 ARGS=--shell; a kernel of one's own: ARGS='--shell --image vmlinuz'
KERNELS ?=
SUITES ?=

.PHONY: help
help: ## this text
	@echo 'bpfsvc: an eBPF service load balancer. As root, on Linux with BTF and cgroup v2:'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1~\2/p' $(MAKEFILE_LIST) | awk -F '~' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo 'Each brings what it needs itself. V=1 shows the commands.'

.PHONY: demo
demo: build ## a two-node cluster in network namespaces, carrying HTTP through services
	$(call say,demo)
	$(Q)sh tools/here-or-vm.sh demo $(ARGS)

.PHONY: test
test: build ## all tests (ARGS='PATH -t TITLE' for some)
	$(call say,tests)
	$(Q)REPORT='$(REPORT)' sh tools/here-or-vm.sh test $(ARGS)

.PHONY: test-unit
test-unit: $(ADDON) ## the tests that need no root and no kernel
	$(call say,unit tests)
	$(Q)$(RUN) test -- --project unit $(ARGS)

.PHONY: test-kernels
test-kernels: build deps-vm ## suites in VMs, on Linux 5.10 to the newest (KERNELS, SUITES; ARGS=--shell for a prompt)
	$(call say,tests in VMs)
	$(Q)$(RUN) test:kernels -- $(KERNELS) $(SUITES:%=--suite=%) $(ARGS)

.PHONY: record-kernels
record-kernels: build deps-vm ## write test/kernels/instructions.json anew: the verifier's work on each kernel (KERNELS)
	$(call say,the verifier in VMs)
	$(Q)$(RUN) test:kernels -- $(KERNELS) --record $(ARGS)

.PHONY: bench
bench: build ## ratios against direct connections (OUT=FILE for JSON)
	$(call say,bench)
	$(Q)OUT='$(OUT)' $(RUN) bench -- $(ARGS)

.PHONY: build
build: $(ADDON) $(PROGRAMS) $(JS) ## addon, BPF programs, JavaScript

.PHONY: install
install: build ## into DESTDIR/PREFIX (the image's contents)
	$(call say,install into $(HOME_DIR))
	$(Q)sh tools/install.sh '$(HOME_DIR)'
	$(Q)mkdir -p '$(DESTDIR)$(PREFIX)/bin'
	$(Q)ln -sf ../lib/bpfsvc/bin/bpfsvc '$(DESTDIR)$(PREFIX)/bin/bpfsvc'

.PHONY: deps
deps: ## Debian packages (only those missing) and node_modules
	$(Q)sh tools/deps.sh $(DEPS)

.PHONY: deps-vm
deps-vm:
	$(Q)sh tools/deps.sh vm guest

# What needs root or a kernel says so before anything is installed or built. Demo and tests can do without, in a VM.
.PHONY: preflight
preflight:
	$(Q)sh tools/preflight.sh bench
ifneq ($(filter bench,$(MAKECMDGOALS)),)
deps: preflight
endif

# node-gyp calls a make of its own, which does not get at this one's job server.
$(ADDON): $(NATIVE_SOURCES) package-lock.json | deps
	$(call say,addon)
	$(Q)MAKEFLAGS= $(RUN) build:addon -- --jobs=max --loglevel=error $(if $(V),,>.cache/addon.log 2>&1 || { cat .cache/addon.log; exit 1; })
	$(Q)touch $@

$(PROGRAMS): $(BPF_SOURCES) | deps $(ADDON)
	$(call say,BPF programs)
	$(Q)$(RUN) build:bpf $(if $(V),,>.cache/bpf.log 2>&1 || { cat .cache/bpf.log; exit 1; })
	$(Q)touch $@

$(JS): $(TS_SOURCES) package-lock.json | deps
	$(call say,JavaScript)
	$(Q)$(RUN) build:ts
	$(Q)touch $@

.PHONY: abi
abi: $(ADDON) | deps ## regenerate src/abi and docs/map-abi.md from bpf/abi.h
	$(Q)$(RUN) abi

.PHONY: semantics
semantics: | deps ## regenerate docs/semantics.md from the rules in test/semantics
	$(Q)$(RUN) semantics

.PHONY: lint lint-ts lint-types lint-format lint-c lint-abi
# All of them, also after one has failed.
lint: deps ## types, eslint, formats, stale generated files
	$(Q)$(MAKE) --keep-going lint-types lint-ts lint-format lint-c lint-abi
lint-types: | deps
	$(call say,tsc)
	$(Q)$(RUN) typecheck
lint-ts: | deps
	$(call say,eslint)
	$(Q)$(RUN) lint:ts
lint-format: | deps
	$(call say,prettier)
	$(Q)$(RUN) lint:format
lint-c: | deps
	$(call say,clang-format)
	$(Q)$(RUN) lint:c
lint-abi: $(ADDON) | deps
	$(call say,generated files)
	$(Q)$(RUN) abi:check
	$(Q)$(RUN) semantics:check

.PHONY: fmt
fmt: | deps ## format everything
	$(Q)$(RUN) fmt

.PHONY: clean
clean: ## remove what was built (not node_modules)
	$(Q)rm -rf dist native/build .cache coverage
