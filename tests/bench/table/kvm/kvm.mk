# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# KVM's stage-2 engine, out of Debian's linux-source-6.1: of the installed package, or else of one that is fetched and unpacked
# under $(O). Only these files are unpacked; shim.h stands for the rest of the kernel, by a header of one line for each that
# they include.

LINUX_SOURCE ?= /usr/src/linux-source-6.1.tar.xz

kvm_dir    := $(table_dir)/kvm
kvm_files  := Makefile arch/arm64/kvm/hyp/pgtable.c arch/arm64/include/asm/kvm_pgtable.h arch/arm64/include/asm/stage2_pgtable.h
kvm_shims  := $(patsubst %,linux/%.h,bitfield bits kvm_host pgtable types)
kvm_obj    := $(kvm_dir)/pgtable.o $(kvm_dir)/subject_kvm.o
# The kernel's own flags are not ours, nor are its warnings.
kvm_cflags := -std=gnu11 $(table_flags) -fno-strict-aliasing -Itests/bench/table/kvm -isystem $(kvm_dir)/shim \
	-isystem $(kvm_dir)/arch/arm64/include

kvm_package := $(kvm_dir)/package/usr/src/linux-source-6.1.tar.xz
ifeq ($(wildcard $(LINUX_SOURCE) $(kvm_package)),)
$(info Fetching linux-source-6.1 ...)
$(shell mkdir -p $(kvm_dir)/package && cd $(kvm_dir)/package && { \
	apt-get -qq -o APT::Sandbox::User=root download linux-source-6.1 && dpkg -x linux-source-*.deb .; \
	rm -f linux-source-*.deb; } > /dev/null 2>&1)
endif
kvm_source := $(firstword $(wildcard $(LINUX_SOURCE)) $(shell ls $(kvm_package) 2> /dev/null))

ifneq ($(kvm_source),)
table_peer_obj += $(kvm_obj)
else
table_missing += linux-source-6.1
endif

$(kvm_dir)/.unpacked: $(kvm_source) tests/bench/table/kvm/kvm.mk
	$(call say,UNPACK,$(<F))mkdir -p $(@D)
	$(Q)tar -xmf $< -C $(@D) --strip-components=1 $(kvm_files:%=linux-source-6.1/%)
	$(Q)for h in $(kvm_shims); do install -D /dev/stdin $(@D)/shim/$$h <<< '#include <shim.h>'; done
	$(Q)awk '/^(VERSION|PATCHLEVEL|SUBLEVEL) =/ { v = v (v ? "." : "") $$3 } \
		END { print "#define LINUX_VERSION \"" v "\"" }' $(@D)/Makefile > $(@D)/shim/linux_version.h
	$(Q)touch $@

$(kvm_dir)/subject_kvm.o: tests/bench/table/kvm/subject_kvm.c $(kvm_dir)/.unpacked $(table_dir)/.flags
	$(call say,HOSTCC,$@)$(HOSTCC) $(kvm_cflags) $(filter-out -Wconversion,$(warn)) $(deps) -c -o $@ $<
$(kvm_dir)/pgtable.o: $(kvm_dir)/.unpacked tests/bench/table/kvm/shim.h $(table_dir)/.flags
	$(call say,HOSTCC,$@)$(HOSTCC) $(kvm_cflags) -w $(deps) -c -o $@ $(kvm_dir)/arch/arm64/kvm/hyp/pgtable.c
