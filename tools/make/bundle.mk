# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# Manifests with the images they name, as one bundle each; and the machine they run on.

B         := $(O)/bundle
MANIFEST  ?= guest/manifests/demo.dts
CPU       ?= max
SMP       ?= 4
MEM       ?= 1G
uboot_dir := /usr/lib/u-boot/qemu_arm64

manifests := $(sort $(wildcard guest/manifests/*.dts))
bundles   := $(patsubst guest/manifests/%.dts,$(B)/%.itb,$(manifests))
mkbundle   = BUNDLE_CHECK=$(hostcheck) tools/mkbundle.py $< -o $@ -I $(G) -I $(A64) -I $(uboot_dir) $(bundle_check)

# The manifests of tests that the hypervisor has to refuse are refused on the host already, unless it is told not to look.
$(B)/bad-%.itb: bundle_check := --no-check
$(B)/%.itb: guest/manifests/%.dts tools/mkbundle.py $(guest_files) $(A64)/linux $(hostcheck)
	@mkdir -p $(@D)
	$(call say,BUNDLE,$@)$(mkbundle)
$(O)/run.itb: $(MANIFEST) tools/mkbundle.py $(guest_files) $(A64)/linux $(hostcheck) FORCE
	$(call say,BUNDLE,$(MANIFEST))$(mkbundle)

# U-Boot's environment: what its own default does, without the two seconds that it waits for a key.
$(O)/uboot-env.img: tools/uboot-env.txt
	@mkdir -p $(@D)
	$(call say,ENV,$@)mkenvimage -s 0x40000 -o $@ $< && truncate -s 64M $@

# No prerequisites: only for one that is not there.
%.dts:
	@echo "$@: there is no such manifest; guest/manifests/ has some to begin with" >&2; false

.PHONY: bundles run
bundles: $(bundles)
run: hyp $(O)/run.itb $(O)/uboot-env.img
	$(Q)tools/run --build $(O) --image $(T)/bulkhead.img --bundle $(O)/run.itb --cpu $(CPU) --smp $(SMP) --memory $(MEM)
