# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# What the goals of this run need from the machine, made sure of before anything else: the file included at the end is
# one that make has to make first.

goals := $(or $(MAKECMDGOALS),all)

need_help := none
need_clean := none
need_format := lint
need_lint := build lint arm64
need_menuconfig := build
need_defconfig := build
need_olddefconfig := build
need_savedefconfig := build
need_unit := build check
need_check-unit := build check
need_check-mutants := build check
need_check-threads := build check
need_coverage := build check
need_install := build
need_bundles := build run arm64
need_run := build run arm64
need_check-boot := build run check arm64
need_bench := build run check arm64
need_bench-fault := build run check arm64
need_bench-interference := build run check arm64
need_hostile-long := build run check arm64
need_bench-area := none
need_bench-area-peers := none
need_bench-table := none
need_bench-table-peers := none
need_fuzz-area := build check
need_fuzz-imap := build check
need_fuzz-long := build check
need_check := build run check lint arm64

needs    := $(filter-out none,$(sort $(foreach g,$(goals),$(or $(need_$(g)),build arm64))))
pkgsets  := $(filter-out arm64,$(needs))
comma    := ,
empty    :=
space    := $(empty) $(empty)
setup_mk := $(if $(needs),$(O)/setup/$(subst $(space),+,$(needs)).mk)

# One copy of the arm64 files serves every build directory of this tree.
A64 := $(if $(wildcard build/arm64/linux),build/arm64,$(O)/arm64)

$(O)/setup/%.mk: tools/setup
	@mkdir -p $(@D)
	@tools/setup packages $(pkgsets)
	@$(if $(filter arm64,$(needs)),[ -e $(A64)/linux ] || tools/setup arm64 $(A64))
	@: > $@

ifneq ($(setup_mk),)
include $(setup_mk)
endif
