# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# Every test speaks TAP and prove runs them, so that its verdict is the last line.

JOBS ?= 2
boot_tests := $(sort $(wildcard tests/boot/test_*.py))
# Hypervisors for one kind of test, each in a build directory of its own: with the CPU's own walker asked about every page; with
# every operation on an address space checked at its end; with cache colours; with a VM that is destroyed and defined over and
# over; with a command that damages tables and books; about every geometry; with an adversary of a guest's memory; with a PMU for
# guests; with the event trace; with few VMIDs.
variants := at audit colours cycles damage geometry hammer measure trace vmids
config_at := CONFIG_SELFTEST_AT=y
config_audit := CONFIG_DEBUG_AUDIT=y
config_colours := CONFIG_CACHE_COLOURS=8
config_cycles := CONFIG_SELFTEST_CYCLES=y
config_damage := CONFIG_SELFTEST_DAMAGE=y
config_geometry := CONFIG_SELFTEST_GEOMETRY=y
config_hammer := CONFIG_SELFTEST_HAMMER=y
config_measure := CONFIG_MEASURE_FAULTS=y
config_trace := CONFIG_EVENT_TRACE=y
config_vmids := CONFIG_VMID_BITS=3
at_image := $(O)/at/target/bulkhead.img
prove = @echo; BULKHEAD_BUILD=$(abspath $(O)) BULKHEAD_IMAGE=$(abspath $(T)/bulkhead.img) BULKHEAD_AT_IMAGE=$(abspath $(at_image)) \
	BULKHEAD_ARM64=$(abspath $(A64)) MAKEFLAGS= prove --timer -j $(JOBS) --exec '' $(1)

.PHONY: check check-unit check-boot boot-files $(variants:%=%-image)
$(variants:%=%-image): %-image:
	@mkdir -p $(O)/$*
	@grep -qsx '$(config_$*)' $(O)/$*/.config || echo '$(config_$*)' > $(O)/$*/.config
	$(Q)$(MAKE) O=$(O)/$* A64=$(A64) hyp
boot-files: hyp $(variants:%=%-image) $(bundles) $(O)/uboot-env.img

check-unit: $(unit_bin) $(cov_bin) $(hostcheck)
	$(call prove,$(unit_bin) $(unit_scripts))
check-boot: boot-files
	$(call prove,$(boot_tests))
# What a hostile guest does for longer than a test may take, with a seed of its own, which is told. Consoles stay in $(O)/log.
.PHONY: hostile-long
hostile-long: hyp $(B)/hostile.itb $(O)/uboot-env.img
	@echo "hostile-long: SEED=$(hostile_seed) MINUTES=$(hostile_minutes)"
	$(Q)BULKHEAD_SEED=$(hostile_seed) BULKHEAD_BUILD=$(abspath $(O)) BULKHEAD_IMAGE=$(abspath $(T)/bulkhead.img) \
		BULKHEAD_ARM64=$(abspath $(A64)) tests/boot/test_hostile.py $$(($(hostile_minutes) * 60 / 2))
hostile_seed := $(or $(SEED),$(shell date +%s))
hostile_minutes := $(or $(MINUTES),30)

check: $(unit_bin) $(cov_bin) $(hostcheck) boot-files
	$(call prove,$(unit_bin) $(unit_scripts) $(boot_tests))

# Without address randomization, which the sanitizer's fixed shadow does not always bear.
.PHONY: check-threads
check-threads: $(thread_bin)
	@echo; prove --timer -j $(JOBS) --exec 'setarch --addr-no-randomize' $(thread_bin)

# --- what the tests are worth ---------------------------------------------------------------------------------------------
.PHONY: check-mutants
check-mutants:
	$(Q)MAKEFLAGS= prove --timer --exec '' --verbose tests/mutants/mutants.py

# --- lint, format -------------------------------------------------------------------------------------------------------
c_files := $(sort $(shell find stage2 hyp guest tests tools -name '*.[ch]'))
# Levels are signed on purpose (-1 to 3); the analyzer of this clang does not follow a va_list through a pointer.
tidy_checks := -*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions,-bugprone-branch-clone,-bugprone-reserved-identifier,-bugprone-signed-char-misuse,clang-analyzer-*,-clang-analyzer-valist.Uninitialized,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
lint_c := $(stage2_src) $(filter %.c,$(hyp_src))
guest_c := $(sort $(wildcard guest/*/*.c))

.PHONY: lint format
lint: $(autoconf) $(hyp_obj) $(O)/$(hostdir)/libstage2.a
	$(call say,TREE,every file)BULKHEAD_BUILD=$(abspath $(O)) tests/unit/test_tree.py
	$(call say,FORMAT,*.[ch])clang-format --dry-run --Werror $(c_files)
	$(call say,CPPCHECK,stage2 hyp guest)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --suppress=missingIncludeSystem --suppress=ctuuninitvar $(stage2_inc) -Istage2/port/extern -Ihyp -Iguest -I$(O)/gen \
		--include=$(autoconf) $(lint_c) $(guest_c)
	$(call say,TIDY,stage2 hyp)clang-tidy --quiet --warnings-as-errors='*' --checks='$(tidy_checks)' $(lint_c) -- \
		--target=aarch64-linux-gnu $(filter-out $(small),$(targetflags))
	$(call say,TIDY,guest)clang-tidy --quiet --warnings-as-errors='*' --checks='$(tidy_checks)' $(guest_c) -- \
		--target=aarch64-linux-gnu $(guestflags)
format:
	$(call say,FORMAT,*.[ch])clang-format -i $(c_files)

# --- measures: ratios within one run ------------------------------------------------------------------------------------
.PHONY: bench
bench: hyp $(B)/linux.itb $(B)/linux-lazy.itb
	$(Q)BULKHEAD_BUILD=$(abspath $(O)) BULKHEAD_IMAGE=$(abspath $(T)/bulkhead.img) BULKHEAD_ARM64=$(abspath $(A64)) tests/bench/bench_boot.py
.PHONY: bench-fault
bench-fault: measure-image $(B)/cost.itb $(B)/cost-blocks.itb $(B)/cost-runs.itb
	$(Q)BULKHEAD_BUILD=$(abspath $(O)) BULKHEAD_ARM64=$(abspath $(A64)) tests/bench/bench_fault.py $(BENCH_ARGS)
.PHONY: bench-interference
bench-interference: measure-image $(B)/interference.itb
	$(Q)BULKHEAD_BUILD=$(abspath $(O)) BULKHEAD_ARM64=$(abspath $(A64)) tests/bench/bench_interference.py $(BENCH_ARGS)
