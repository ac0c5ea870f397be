# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# Peers of `make bench-area-peers` that come from outside: the kernel's maple tree and red-black tree out of Debian's
# linux-source-6.1, and Rust's BTreeMap. What is not installed is left out of bench_peer_objs and named in
# bench_peer_missing; nothing else needs it. Of the kernel's source only these files are unpacked, under $(O).

LINUX_SOURCE ?= /usr/src/linux-source-6.1.tar.xz
RUSTC        ?= rustc

bench_peer_dir   := $(O)/bench-peers
bench_peer_linux := $(bench_peer_dir)/linux/.unpacked
bench_peer_files := lib/maple_tree.c lib/rbtree.c $(patsubst %,include/linux/%.h,maple_tree rbtree rbtree_types rbtree_augmented)

# Headers that those files include and that tests/bench/area/linux/shim.h stands for.
bench_peer_shims := asm/barrier.h trace/events/maple_tree.h $(patsubst %,linux/%.h,compiler container_of export kernel \
	limits rcupdate slab spinlock stddef types xarray)

bench_peer_has_linux := $(wildcard $(LINUX_SOURCE))
bench_peer_has_rustc = $(shell command -v $(RUSTC))

bench_peer_objs = $(if $(bench_peer_has_linux),$(bench_peer_dir)/peer_maple.o $(bench_peer_dir)/peer_rbgap.o) \
	$(if $(bench_peer_has_rustc),$(bench_peer_dir)/libpeer_rust.a)
bench_peer_libs = $(if $(bench_peer_has_rustc),-lgcc_s -lutil -lrt -lpthread -lm -ldl)
bench_peer_missing = $(if $(bench_peer_has_linux),,linux-source-6.1) $(if $(bench_peer_has_rustc),,rustc)

# The kernel's macros convert between signed and unsigned, also where ours use them.
bench_peer_flags := -std=gnu11 $(filter-out -Wconversion,$(warn)) -O2 -g -DNDEBUG -D_GNU_SOURCE -Itests/bench/area \
	-Itests/bench/area/linux -isystem $(bench_peer_dir)/shim -isystem $(bench_peer_dir)/linux/include \
	-isystem $(bench_peer_dir)/linux

$(bench_peer_linux): $(LINUX_SOURCE) tools/make/bench-peers.mk
	$(call say,UNPACK,$(<F))rm -rf $(@D) $(bench_peer_dir)/shim; mkdir -p $(@D)
	$(Q)tar -xmf $< -C $(@D) --strip-components=1 $(bench_peer_files:%=linux-source-6.1/%)
	$(Q)for h in $(bench_peer_shims); do install -D /dev/stdin $(bench_peer_dir)/shim/$$h <<< '#include <shim.h>'; done
	$(Q)touch $@

-include $(wildcard $(bench_peer_dir)/*.d)
$(bench_peer_dir)/peer_%.o: tests/bench/area/peer_%.c $(bench_peer_linux) $(bench_peer_dir)/.flags
	$(call say,HOSTCC,$@)$(HOSTCC) $(bench_peer_flags) $(deps) -c -o $@ $<

$(bench_peer_dir)/libpeer_rust.a: tests/bench/area/peer_rust.rs $(bench_peer_dir)/.flags
	$(call say,RUSTC,$@)$(RUSTC) --edition 2021 --crate-type staticlib --crate-name peer_rust -D warnings -A non_upper_case_globals \
		-C opt-level=3 -C panic=abort -o $@ $<

$(call remember,$(bench_peer_dir)/.flags,$(HOSTCC) $(bench_peer_flags) $(RUSTC))
