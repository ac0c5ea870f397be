# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# `make help` says what there is. Everything built goes under $(O).

O      ?= build
V      ?= 0
CROSS  ?= aarch64-linux-gnu-
PYTHON ?= /usr/bin/python3
HOSTCC ?= gcc
CC     := $(CROSS)gcc
Q      := $(if $(filter 1,$(V)),,@)
say     = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(2)';)

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all
all: hyp

warn  := -Wall -Wextra -Wconversion -Wshadow -Werror
std   := -std=c11
deps   = -MMD -MP
stage2_src := $(sort $(wildcard stage2/base/*.c stage2/frame/*.c stage2/table/*.c stage2/space/*.c))
stage2_inc := -Istage2/include -Istage2

# --- configuration ------------------------------------------------------------------------------------------------------
config   := $(O)/.config
autoconf := $(O)/include/generated/autoconf.h
kenv     := KCONFIG_CONFIG=$(config) $(PYTHON)

$(config): Kconfig
	@mkdir -p $(dir $@)
	$(call say,CONF,$@)$(kenv) -m olddefconfig Kconfig >/dev/null
$(autoconf): $(config)
	@mkdir -p $(dir $@)
	$(call say,GENCONF,$@)$(kenv) -m genconfig --header-path $@ Kconfig

# --- host: library with the model as its port, unit tests ---------------------------------------------------------------
hostflags := $(std) $(warn) -g -O1 -D_GNU_SOURCE $(stage2_inc) -Itests/model
SAN ?=
ifeq ($(SAN),1)
hostflags += -fsanitize=address,undefined -fno-sanitize-recover=all
hostvar   := host-san
else
hostvar   := host
endif
H := $(O)/$(hostvar)

host_obj := $(patsubst %.c,$(H)/%.o,$(stage2_src))
model_obj := $(patsubst %.c,$(H)/%.o,$(sort $(wildcard tests/model/*.c)))
unit_bin := $(patsubst tests/unit/%.c,$(H)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
-include $(host_obj:.o=.d) $(model_obj:.o=.d) $(unit_bin:=.d)

$(H)/%.o: %.c
	@mkdir -p $(dir $@)
	$(call say,HOSTCC,$<)$(HOSTCC) $(hostflags) $(deps) -c -o $@ $<
$(H)/libstage2.a: $(host_obj)
	$(call say,AR,$@)rm -f $@; ar rcs $@ $^
$(H)/libmodel.a: $(model_obj)
	$(call say,AR,$@)rm -f $@; ar rcs $@ $^
$(H)/unit/%: tests/unit/%.c $(H)/libstage2.a $(H)/libmodel.a
	@mkdir -p $(dir $@)
	$(call say,HOSTLD,$@)$(HOSTCC) $(hostflags) -Itests $(deps) -o $@ $< $(H)/libstage2.a $(H)/libmodel.a $(H)/libstage2.a -lcmocka -lpthread
.PHONY: check-unit unit
unit: $(unit_bin)
check-unit: $(unit_bin)
	$(Q)prove --exec '' $(unit_bin)

# --- target: the hypervisor ---------------------------------------------------------------------------------------------
T := $(O)/target
targetflags := $(std) $(warn) -g -Os -ffreestanding -fno-common -mno-outline-atomics -mgeneral-regs-only -mstrict-align \
	-fno-stack-protector -fno-pic -fno-pie -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
	$(stage2_inc) -Istage2/port/arm64 -I$(O)/include -Ihyp -I$(O)/gen -I$(O)/arm64/usr/include -include $(autoconf)
hyp_src := $(sort $(wildcard hyp/*/*.c hyp/*/*.S))
hyp_obj := $(patsubst %,$(T)/%.o,$(basename $(stage2_src) $(hyp_src)))
-include $(hyp_obj:.o=.d)
$(T)/%.o: %.c $(autoconf)
	@mkdir -p $(dir $@)
	$(call say,CC,$<)$(CC) $(targetflags) $(deps) -c -o $@ $<
$(T)/%.o: %.S $(autoconf)
	@mkdir -p $(dir $@)
	$(call say,AS,$<)$(CC) $(targetflags) $(deps) -c -o $@ $<
.PHONY: hyp
hyp: $(hyp_obj)
