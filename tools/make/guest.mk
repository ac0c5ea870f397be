# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# The bare-metal guests: guest/<name>/*.c with guest/lib, each as an ELF64 file, a raw binary and, as its first
# instructions are an Image header, an arm64 Image. And the initramfs for the Linux guest.

G := $(O)/guest
guest_names := $(patsubst guest/%/main.c,%,$(sort $(wildcard guest/*/main.c)))
guestflags  := $(baremetal) -Os -Iguest
guest_lib   := $(patsubst %,$(G)/%.o,$(basename $(sort $(wildcard guest/lib/*.c guest/lib/*.S))))
$(call remember,$(G)/.flags,$(CC) $(guestflags))

$(G)/%.o: %.c $(G)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(guestflags) $(deps) -c -o $@ $<
$(G)/%.o: %.S $(G)/.flags
	@mkdir -p $(@D)
	$(call say,AS,$@)$(CC) $(guestflags) $(deps) -c -o $@ $<

define guest_rule
obj_$(1) := $$(patsubst %,$(G)/%.o,$$(basename $$(sort $$(wildcard guest/$(1)/*.c guest/$(1)/*.S))))
-include $$(obj_$(1):.o=.d)
$(G)/$(1).elf: $$(obj_$(1)) $(guest_lib) guest/lib/guest.lds
	$$(call say,LD,$$@)$$(LD) -o $$@ -T guest/lib/guest.lds --gc-sections -z noexecstack -z max-page-size=4096 \
		$$(obj_$(1)) $(guest_lib)
endef
-include $(guest_lib:.o=.d)
$(foreach g,$(guest_names),$(eval $(call guest_rule,$(g))))
$(G)/%.bin: $(G)/%.elf
	$(call say,OBJCOPY,$@)$(OBJCOPY) -O binary $< $@

$(G)/initramfs.cpio.gz: guest/linux/init tools/mkinitramfs $(A64)/bin/busybox
	@mkdir -p $(@D)
	$(call say,CPIO,$@)tools/mkinitramfs $(A64)/bin/busybox guest/linux/init $@

$(G)/%.dtbo: guest/overlays/%.dtso
	@mkdir -p $(@D)
	$(call say,DTC,$@)dtc -q -@ -I dts -O dtb -o $@ $<
overlays := $(patsubst guest/overlays/%.dtso,$(G)/%.dtbo,$(wildcard guest/overlays/*.dtso))

.PHONY: guests
guest_files := $(overlays) $(foreach g,$(guest_names),$(G)/$(g).elf $(G)/$(g).bin) $(G)/initramfs.cpio.gz
guests: $(guest_files)
