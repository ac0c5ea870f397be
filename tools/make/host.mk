# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# The library on the host, with the model as its port, and the unit tests; plain, and under ASan + UBSan.

HOSTCC ?= $(CC_KIND)
HOSTAR ?= ar

# Those parts of the hypervisor that are plain C and are tested (or used by tools) on the host.
hyp_host_src := $(patsubst %,hyp/vm/%.c,problem sha256 bundle machine manifest manifest_read manifest_windows manifest_check manifest_check_shared shape loader guestdtb calldesc)
hyp_host_src += $(patsubst %,hyp/cpu/%.c,ids serror) hyp/boot/print.c hyp/boot/esr.c
hyp_host_src += $(patsubst %,hyp/monitor/%.c,edit row)
hyp_host_src += $(patsubst %,hyp/device/%.c,hostfdt mux vgic_core vgic_lists vgic_mmio vtimer_core vuart)

hostflags := $(std) $(warn) -g -O1 -D_GNU_SOURCE $(stage2_inc) -Itests/model -Ihyp -Itests -I$(O)/gen
hostlibs  := -lcmocka -lfdt -lpthread
unit_names := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
unit_scripts := $(sort $(wildcard tests/unit/test_*.py))
model_src := $(sort $(wildcard tests/model/*.c))

# $(1) directory under $(O), $(2) more flags
define host_variant
$$(call remember,$(O)/$(1)/.flags,$$(HOSTCC) $$(hostflags) $(2))
obj_$(1) := $$(patsubst %.c,$(O)/$(1)/%.o,$$(stage2_src) $$(model_src) $$(hyp_host_src))
unit_$(1) := $$(patsubst %,$(O)/$(1)/unit/%,$$(unit_names))
-include $$(obj_$(1):.o=.d) $$(unit_$(1):=.d)
$(O)/$(1)/%.o: %.c $(O)/$(1)/.flags | $(sysregs)
	@mkdir -p $$(@D)
	$$(call say,HOSTCC,$$@)$$(HOSTCC) $$(hostflags) $(2) $$(deps) -c -o $$@ $$<
$(O)/$(1)/libstage2.a: $$(patsubst %.c,$(O)/$(1)/%.o,$$(stage2_src))
$(O)/$(1)/libmodel.a: $$(patsubst %.c,$(O)/$(1)/%.o,$$(model_src))
$(O)/$(1)/libhyp.a: $$(patsubst %.c,$(O)/$(1)/%.o,$$(hyp_host_src))
$(O)/$(1)/%.a:
	$$(call say,HOSTAR,$$@)rm -f $$@; $$(HOSTAR) rcs $$@ $$^
$(O)/$(1)/unit/%: tests/unit/%.c $(O)/$(1)/libstage2.a $(O)/$(1)/libmodel.a $(O)/$(1)/libhyp.a $(O)/$(1)/.flags | $(sysregs)
	@mkdir -p $$(@D)
	$$(call say,HOSTLD,$$@)$$(HOSTCC) $$(hostflags) $(2) $$(deps) -o $$@ $$< -Wl,--start-group \
		$(O)/$(1)/libhyp.a $(O)/$(1)/libmodel.a $(O)/$(1)/libstage2.a -Wl,--end-group $$(hostlibs)
endef

hostdir := $(if $(filter clang,$(CC_KIND)),host-clang,host)
$(eval $(call host_variant,$(hostdir),))
$(eval $(call host_variant,$(hostdir)-san,-fsanitize=address$(comma)undefined -fno-sanitize-recover=all))

$(eval $(call host_variant,$(hostdir)-threads,-fsanitize=thread))

# These suites stand between the library and what may refuse it something (tests/unit/inject.h).
injected := $(addprefix s2_,pool_reserve frames_reserve frames_alloc tpool_take tpool_draw tpool_take_root tables_promise \
	backend_linear backend_alloc backend_trap)
$(O)/%/unit/test_all_or_nothing $(O)/%/unit/test_share_failure $(O)/%/unit/test_share_refused_random: private hostlibs += $(injected:%=-Wl$(comma)--wrap=%)

unit_bin := $(unit_$(hostdir)) $(unit_$(hostdir)-san)
# The suites that start threads, for the thread sanitizer.
thread_bin := $(patsubst tests/unit/%.c,$(O)/$(hostdir)-threads/unit/%,$(sort $(shell grep -l pthread_create tests/unit/*.c)))
.PHONY: unit
unit: $(unit_bin)

# What the hypervisor checks at boot, on the host before it.
hostcheck := $(O)/$(hostdir)/bundle-check
$(hostcheck): tools/bundle-check.c $(O)/$(hostdir)/libhyp.a $(O)/$(hostdir)/libstage2.a $(O)/$(hostdir)/libmodel.a
	$(call say,HOSTLD,$@)$(HOSTCC) $(hostflags) $(deps) -o $@ $(filter %.c %.a,$^) -lfdt
-include $(hostcheck).d
