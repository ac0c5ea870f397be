# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# `make help` says what there is. Everything that is built goes under $(O); the parts of this file are in tools/make.

O       ?= build
V       ?= 0
CC_KIND ?= $(if $(LLVM),clang,gcc)
PYTHON  ?= /usr/bin/python3
CROSS   ?= $(if $(filter aarch64,$(shell uname -m)),,aarch64-linux-gnu-)

Q      := $(if $(filter 1,$(V)),,@)
say     = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' '$(1)' '$(patsubst $(O)/%,%,$(2))';)

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
SHELL := /bin/bash

.PHONY: all FORCE
all: hyp
FORCE:

warn := -Wall -Wextra -Wconversion -Wshadow -Werror
std  := -std=c11
deps  = -MMD -MP

# A file that changes when $(2) does: what is built with these flags depends on it.
remember = $(shell mkdir -p $(dir $(1)); printf '%s' '$(subst ','\'',$(2))' | cmp -s - $(1) || \
	printf '%s' '$(subst ','\'',$(2))' > $(1))

stage2_src := $(sort $(wildcard stage2/base/*.c stage2/frame/*.c stage2/table/*.c stage2/space/*.c))
stage2_inc := -Istage2/include -Istage2

include tools/make/setup.mk
include tools/make/config.mk
include tools/make/host.mk
include tools/make/fuzz.mk
include tools/make/target.mk
include tools/make/guest.mk
include tools/make/bundle.mk
include tools/make/coverage.mk
include tools/make/check.mk
include tools/make/bench.mk
include tools/make/install.mk
include tools/make/help.mk

.PHONY: clean
clean:
	$(call say,CLEAN,$(O))find $(O) -mindepth 1 -maxdepth 1 ! -name arm64 ! -name .config ! -name setup -exec rm -rf {} +
