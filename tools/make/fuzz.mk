# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# The fuzzers of the area set and the interval map: a plain random driver, optimised, which the checks run; and libFuzzer.

fuzzdir  := $(hostdir)-fuzz
fuzzers  := area imap
fuzz_bin := $(fuzzers:%=$(O)/$(fuzzdir)/fuzz-%)
# Operations that a program makes when STEPS does not say: together more than ten million.
fuzz_steps_area := 7000000
fuzz_steps_imap := 5000000
SECONDS ?= 60

$(eval $(call host_variant,$(fuzzdir),-O2))
$(eval $(call host_variant,libfuzzer,-fsanitize=fuzzer-no-link$(comma)address$(comma)undefined -fno-sanitize-recover=all))
$(O)/libfuzzer/%: private HOSTCC := clang

# $(1) which
define fuzz_program
fuzz_src_$(1) := tests/fuzz/fuzz.c tests/fuzz/fuzz_$(1).c $$(sort $$(wildcard tests/fuzz/$(1)_*.c))
-include $$(fuzz_src_$(1):%.c=$(O)/$(fuzzdir)/%.d) $$(fuzz_src_$(1):%.c=$(O)/libfuzzer/%.d)
$(O)/$(fuzzdir)/fuzz-$(1): tests/fuzz/driver.c $$(fuzz_src_$(1):%.c=$(O)/$(fuzzdir)/%.o) $(O)/$(fuzzdir)/libmodel.a $(O)/$(fuzzdir)/libstage2.a
	$$(call say,HOSTLD,$$@)$$(HOSTCC) $$(hostflags) -O2 -DFUZZ_STEPS=$$(fuzz_steps_$(1)) -o $$@ $$(filter-out %.a,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group -lpthread
$(O)/libfuzzer/fuzz-$(1): $$(fuzz_src_$(1):%.c=$(O)/libfuzzer/%.o) $(O)/libfuzzer/libmodel.a $(O)/libfuzzer/libstage2.a
	$$(call say,HOSTLD,$$@)$$(HOSTCC) -fsanitize=fuzzer,address,undefined -o $$@ $$(filter-out %.a,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group -lpthread
# The corpus is text in the tree; libFuzzer reads bytes, and puts what it finds beside them.
fuzz_corpus_$(1) := $$(patsubst tests/fuzz/corpus/$(1)/%.hex,$(O)/libfuzzer/corpus-$(1)/%,$$(sort $$(wildcard tests/fuzz/corpus/$(1)/*.hex)))
$(O)/libfuzzer/corpus-$(1)/%: tests/fuzz/corpus/$(1)/%.hex $(O)/$(fuzzdir)/fuzz-$(1)
	@mkdir -p $$(@D)
	$(Q)$(O)/$(fuzzdir)/fuzz-$(1) --bytes $$< $$@
.PHONY: fuzz-$(1)
fuzz-$(1): $(O)/libfuzzer/fuzz-$(1) $$(fuzz_corpus_$(1))
	@mkdir -p $(O)/libfuzzer/corpus-$(1)
	$(Q)$$< -max_total_time=$$(SECONDS) -max_len=4096 -artifact_prefix=$(O)/libfuzzer/ -print_final_stats=1 $(O)/libfuzzer/corpus-$(1)
endef
$(foreach which,$(fuzzers),$(eval $(call fuzz_program,$(which))))

# prove runs them with the suites.
unit_bin += $(fuzz_bin)

# A hundred million operations, or other STEPS, of each; other seeds find other things.
.PHONY: fuzz-long
fuzz-long: $(fuzz_bin)
	$(Q)STEPS=$(or $(STEPS),100000000) SEED=$(or $(SEED),$(shell date +%Y%m%d)) prove --timer --verbose -j $(JOBS) --exec '' $(fuzz_bin)
