# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# The hypervisor: bulkhead.elf, and bulkhead.img as boot loaders take it (an arm64 Image).

ifeq ($(CC_KIND),clang)
CC := clang --target=aarch64-linux-gnu
T  := $(O)/target-clang
else
CC := $(CROSS)gcc
T  := $(O)/target
endif
LD      := $(if $(LLVM),ld.lld,$(CROSS)ld)
AR      := $(if $(LLVM),llvm-ar,$(CROSS)ar)
OBJCOPY := $(if $(LLVM),llvm-objcopy,$(CROSS)objcopy)
SIZE    := $(if $(LLVM),llvm-size,$(CROSS)size)

# What all code that runs without an operating system is built with.
baremetal := $(std) $(warn) -g -ffreestanding -fno-common -mgeneral-regs-only -mstrict-align -mno-outline-atomics \
	-fno-stack-protector -fno-omit-frame-pointer -fno-pic -fno-pie -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables
# The image has a size to keep to; optimising it as a whole is worth a tenth of it. So is, by the thousand bytes, what gcc makes
# of it in one partition, so that no call leaves one (1.1); frames made at the entry of a function only, however early it may
# return (1.25); no registers kept for what a loop does not change (1.0); no code arranged by guesses at branches (1.2);
# functions with one caller made part of it although its frame is large (1.45: the deepest chain of calls then has 7.8 of a
# stack's 16 KiB, for 6.9); fewer instructions copied to save a branch (1.25); and no arguments taken apart (0.05).
ldflags := -T$(T)/hyp.lds --gc-sections -znoexecstack -zmax-page-size=4096 -Map=$(T)/bulkhead.map
# Cortex-A53 erratum 843419: an ADRP at the end of a page becomes an ADR, which reaches all of the image; a veneer would cost
# a page to stay clear of others.
ldflags += --fix-cortex-a53-843419$(if $(LLVM),,=adr)
ifeq ($(CC_KIND),clang)
lto   :=
small :=
link   = $(LD) $(ldflags)
else
lto   := -flto
small := -fno-shrink-wrap -fno-move-loop-invariants -fno-guess-branch-probability -fno-ipa-sra \
	--param=large-stack-frame=4096 --param=max-jump-thread-duplication-stmts=5
link   = $(CC) $(filter-out -flto,$(targetflags)) $(small) -flto=auto -flto-partition=one -nostdlib -static -Wl,--build-id=none $(ldflags:%=-Wl$(comma)%)
endif
targetflags := $(baremetal) -Os -mcmodel=tiny $(lto) $(stage2_inc) -Istage2/port/arm64 -I$(O)/include -Ihyp -I$(O)/gen \
	-isystem $(A64)/usr/include -include $(autoconf)
libfdt := $(T)/libfdt.o

hyp_src := $(sort $(wildcard hyp/*/*.c hyp/*/*.S stage2/port/arm64/*.c))
hyp_obj := $(patsubst %,$(T)/%.o,$(basename $(stage2_src) $(hyp_src)))
$(call remember,$(T)/.flags,$(CC) $(targetflags) $(small))
-include $(hyp_obj:.o=.d)

$(hyp_obj): | $(sysregs)

$(T)/%.o: %.c $(autoconf) $(T)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(targetflags) $(small) $(deps) -c -o $@ $<
$(T)/%.o: %.S $(autoconf) $(T)/.flags
	@mkdir -p $(@D)
	$(call say,AS,$@)$(CC) $(targetflags) $(deps) -c -o $@ $<

$(T)/hyp.lds: hyp/boot/hyp.lds $(autoconf)
	@mkdir -p $(@D)
	$(call say,LDS,$@)$(CC) $(targetflags) -E -P -x c -D__ASSEMBLY__ -o $@ $<
# A section for each function of the library, so that those nobody calls stay out: 4.2 thousand bytes.
$(T)/libfdt.s: tools/fdt-sections.py $(A64)/usr/lib/aarch64-linux-gnu/libfdt.a
	@mkdir -p $(@D)
	$(call say,SECTIONS,$@)$(PYTHON) $^ $@
$(T)/libfdt.o: $(T)/libfdt.s
	$(call say,AS,$@)$(CC) -c -o $@ $<
$(T)/bulkhead.elf: $(hyp_obj) $(T)/hyp.lds $(libfdt)
	$(call say,LD,$@)$(link) -o $@ $(hyp_obj) $(libfdt)
$(T)/bulkhead.img: $(T)/bulkhead.elf
	$(call say,OBJCOPY,$@)$(OBJCOPY) -O binary $< $@

.PHONY: hyp
hyp: $(T)/bulkhead.img
