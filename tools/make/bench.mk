# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# The area benchmark: Bulkhead's interval map and area set beside a static search tree (bench-area), and beside what other
# people's containers do on the same work (bench-area-peers). Both print tables; their verdict is only whether all agree.

ROUNDS ?= 7
BENCH_ARGS ?=
HOSTCXX ?= $(if $(filter clang,$(CC_KIND)),clang++,g++)

area_dir := $(O)/bench/area
area_flags := -O2 -DNDEBUG -g -D_GNU_SOURCE $(stage2_inc) -Itests/model -Itests
area_cflags := $(std) $(warn) $(area_flags)
area_cxxflags := -std=c++20 -Wall -Wextra -Wshadow -Werror $(area_flags)
$(call remember,$(area_dir)/.flags,$(HOSTCC) $(HOSTCXX) $(area_cflags))

bench_common_src := $(patsubst %,tests/bench/common/%.c,machine table watch)
area_bench_src := $(patsubst %,tests/bench/area/%.c,align bench layout measure report work) $(bench_common_src)
area_own_src := $(patsubst %,tests/bench/area/%.c,peer_imap peer_areaset peer_limit)
area_obj := $(patsubst %.c,$(area_dir)/%.o,$(area_bench_src) $(area_own_src))
area_lib_obj := $(patsubst %.c,$(area_dir)/%.o,$(stage2_src) $(model_src))

$(area_dir)/%.o: %.c $(area_dir)/.flags
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)$(HOSTCC) $(area_cflags) $(area_defines) $(deps) -c -o $@ $<
$(area_dir)/%.o: %.cpp $(area_dir)/.flags
	@mkdir -p $(@D)
	$(call say,HOSTCXX,$@)$(HOSTCXX) $(area_cxxflags) $(deps) -c -o $@ $<
$(area_dir)/tests/bench/common/machine.o: area_defines = -DBENCH_COMPILER='"$(shell $(HOSTCC) --version | head -n 1)"'

$(area_dir)/libstage2.a: $(area_lib_obj)
	$(call say,HOSTAR,$@)rm -f $@; $(HOSTAR) rcs $@ $^
$(area_dir)/bench-area: $(area_obj) $(area_dir)/libstage2.a
	$(call say,HOSTLD,$@)$(HOSTCC) -o $@ $^ -lpthread

# For make check: with std::map where there is a compiler of C++.
area_cxx_has = $(shell echo '\#include <$(1)>' | $(HOSTCXX) -std=c++20 -E -x c++ - > /dev/null 2>&1 && echo yes)
area_has_cxx := $(if $(filter check check-unit bench-area% $(area_dir)/%,$(MAKECMDGOALS)),$(call area_cxx_has,map))
area_std_obj := $(if $(area_has_cxx),$(area_dir)/tests/bench/area/peer_std.o)
area_link := $(if $(area_has_cxx),$(HOSTCXX),$(HOSTCC))
$(area_dir)/bench-area-check: $(area_obj) $(area_std_obj) $(area_dir)/libstage2.a
	$(call say,HOSTLD,$@)$(area_link) -o $@ $^ -lpthread
check check-unit: $(area_dir)/bench-area $(area_dir)/bench-area-check

.PHONY: bench-area bench-area-peers
bench-area: $(area_dir)/bench-area
	$(Q)$< --rounds $(ROUNDS) $(BENCH_ARGS)

# --- the peers -----------------------------------------------------------------------------------------------------------
# An adapter whose packages are there adds its object to area_peer_obj (and what it must be linked with to area_peer_libs);
# else it adds the Debian packages that it lacks to area_missing. One that needs more than a compiler's run brings its own
# tests/bench/area/peer_<x>.mk, which does the same. Asked only when they are wanted.
area_peer_obj :=
area_peer_libs :=
area_missing :=

# $(1) an adapter in C++, $(2) the header it needs, $(3) the Debian package, $(4) libraries
define area_cxx_peer
ifeq ($$(call area_cxx_has,$(2)),yes)
area_peer_obj += $(area_dir)/tests/bench/area/peer_$(1).o
area_peer_libs += $(4)
else
area_missing += $(3)
endif
endef

ifneq ($(filter bench-area-peers $(area_dir)/bench-area-peers,$(MAKECMDGOALS)),)
$(eval $(call area_cxx_peer,std,map,g++,))
$(eval $(call area_cxx_peer,absl,absl/container/btree_map.h,libabsl-dev,$(shell pkg-config --libs absl_btree 2> /dev/null)))
$(eval $(call area_cxx_peer,icl,boost/icl/interval_map.hpp,libboost-dev,))
include $(sort $(wildcard tests/bench/area/peer_*.mk))
endif

$(area_dir)/bench-area-peers: $(area_obj) $(area_peer_obj) $(area_dir)/libstage2.a
	$(call say,HOSTLD,$@)$(area_link) -o $@ $^ $(area_peer_libs) -lpthread
bench-area-peers: $(area_dir)/bench-area-peers
	$(if $(area_missing),@echo "Left out for want of packages; all of them: apt-get install $(sort $(area_missing))")
	$(Q)$< --rounds $(ROUNDS) $(BENCH_ARGS)

-include $(area_obj:.o=.d) $(area_lib_obj:.o=.d) $(area_peer_obj:.o=.d)

# --- translation tables ----------------------------------------------------------------------------------------------------
# The table engine beside the bare stores that its work comes down to (bench-table). The library is compiled with the
# benchmark's own port, which is plain memory.
table_dir := $(O)/bench/table
table_flags := -O2 -DNDEBUG -g -D_GNU_SOURCE $(stage2_inc) -Itests/bench/table -Itests
table_cflags := $(std) $(warn) $(table_flags)
$(call remember,$(table_dir)/.flags,$(HOSTCC) $(table_cflags))

table_bench_src := $(patsubst %,tests/bench/table/%.c,arena bench measure oracle report shortage work world) $(bench_common_src)
table_own_src := $(patsubst %,tests/bench/table/subject_%.c,engine limit space)
table_obj := $(patsubst %.c,$(table_dir)/%.o,$(table_bench_src) $(table_own_src))
table_lib_obj := $(patsubst %.c,$(table_dir)/%.o,$(stage2_src))

$(table_dir)/%.o: %.c $(table_dir)/.flags
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)$(HOSTCC) $(table_cflags) $(table_defines) $(deps) -c -o $@ $<
$(table_dir)/tests/bench/common/machine.o: table_defines = -DBENCH_COMPILER='"$(shell $(HOSTCC) --version | head -n 1)"'

$(table_dir)/libstage2.a: $(table_lib_obj)
	$(call say,HOSTAR,$@)rm -f $@; $(HOSTAR) rcs $@ $^
$(table_dir)/bench-table: $(table_obj) $(table_dir)/libstage2.a
	$(call say,HOSTLD,$@)$(HOSTCC) -o $@ $^

check check-unit: $(table_dir)/bench-table

.PHONY: bench-table
bench-table: $(table_dir)/bench-table
	$(Q)$< --rounds $(ROUNDS) $(BENCH_ARGS)

# ... and beside KVM's, which is fetched where it is not installed; nothing of it is in this tree.
table_peer_obj :=
table_missing :=
ifneq ($(filter bench-table-peers $(table_dir)/bench-table-peers,$(MAKECMDGOALS)),)
include tests/bench/table/kvm/kvm.mk
endif

$(call remember,$(table_dir)/.peers,$(table_peer_obj))
$(table_dir)/bench-table-peers: $(table_obj) $(table_peer_obj) $(table_dir)/libstage2.a $(table_dir)/.peers
	$(call say,HOSTLD,$@)$(HOSTCC) -o $@ $(filter-out %/.peers,$^)
.PHONY: bench-table-peers
bench-table-peers: $(table_dir)/bench-table-peers
	$(if $(table_missing),@echo "Left out for want of packages; all of them: apt-get install $(sort $(table_missing))")
	$(Q)$< --rounds $(ROUNDS) $(BENCH_ARGS)

-include $(table_obj:.o=.d) $(table_lib_obj:.o=.d) $(table_peer_obj:.o=.d)
