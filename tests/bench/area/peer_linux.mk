# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# The kernel's maple tree and its red-black tree, out of Debian's linux-source-6.1: only these files are unpacked, and
# under $(O). shim.h stands for the rest of the kernel, by a header of one line for each that they include.

LINUX_SOURCE ?= /usr/src/linux-source-6.1.tar.xz

linux_dir    := $(area_dir)/linux-source
linux_obj    := $(patsubst %,$(linux_dir)/peer_%.o,maple rbgap)
linux_files  := Makefile lib/maple_tree.c lib/rbtree.c $(patsubst %,include/linux/%.h,maple_tree rbtree rbtree_types rbtree_augmented)
linux_shims  := asm/barrier.h trace/events/maple_tree.h $(patsubst %,linux/%.h,compiler container_of export kernel limits \
	rcupdate slab spinlock stddef types xarray)
# The kernel's macros convert between signed and unsigned, also where ours use them.
linux_cflags := -std=gnu11 $(filter-out -Wconversion,$(warn)) $(area_flags) -Itests/bench/area/linux \
	-isystem $(linux_dir)/shim -isystem $(linux_dir)/include -isystem $(linux_dir)

ifneq ($(wildcard $(LINUX_SOURCE)),)
area_peer_obj += $(linux_obj)
else
area_missing += linux-source-6.1
endif

$(linux_dir)/.unpacked: $(LINUX_SOURCE) tests/bench/area/peer_linux.mk
	$(call say,UNPACK,$(<F))rm -rf $(@D); mkdir -p $(@D)
	$(Q)tar -xmf $< -C $(@D) --strip-components=1 $(linux_files:%=linux-source-6.1/%)
	$(Q)for h in $(linux_shims); do install -D /dev/stdin $(@D)/shim/$$h <<< '#include <shim.h>'; done
	$(Q)awk '/^(VERSION|PATCHLEVEL|SUBLEVEL) =/ { v = v (v ? "." : "") $$3 } \
		END { print "#define LINUX_VERSION \"" v "\"" }' $(@D)/Makefile > $(@D)/shim/linux_version.h
	$(Q)touch $@

$(linux_obj): $(linux_dir)/peer_%.o: tests/bench/area/peer_%.c $(linux_dir)/.unpacked $(area_dir)/.flags
	$(call say,HOSTCC,$@)$(HOSTCC) $(linux_cflags) $(deps) -c -o $@ $<
