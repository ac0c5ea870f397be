# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# Kconfig: $(O)/.config holds the choices, autoconf.h carries them into every object of the target.

config   := $(O)/.config
autoconf := $(O)/include/generated/autoconf.h
kenv     := KCONFIG_CONFIG=$(config) KCONFIG_CONFIG_HEADER='' $(PYTHON)

$(config): Kconfig
	@mkdir -p $(@D)
	$(call say,CONF,$@)$(kenv) -m olddefconfig Kconfig >/dev/null && touch $@
# genconfig leaves the header alone when nothing in it changes, so that a stamp says when it was last asked.
$(O)/include/generated/.asked: $(config)
	@mkdir -p $(@D)
	$(call say,GENCONF,$(autoconf))$(kenv) -m genconfig --header-path $(autoconf) Kconfig && touch $@
$(autoconf): $(O)/include/generated/.asked
	@:

.PHONY: menuconfig defconfig olddefconfig savedefconfig
menuconfig olddefconfig:
	@mkdir -p $(O)
	$(Q)$(kenv) -m $@ Kconfig
defconfig:
	@mkdir -p $(O)
	$(Q)$(kenv) -m alldefconfig Kconfig
savedefconfig: $(config)
	$(Q)$(kenv) -m savedefconfig --kconfig Kconfig --out $(O)/defconfig

# One table says what happens to every register of a guest; C and documentation are made of it.
sysregs := $(O)/gen/sysregs.h $(O)/gen/sysregs_switch.h $(O)/gen/sysregs_table.h
$(sysregs) &: hyp/cpu/sysregs.tbl tools/gen-sysregs.py
	@mkdir -p $(O)/gen
	$(call say,GEN,$(O)/gen/sysregs*.h)$(PYTHON) tools/gen-sysregs.py $< --out $(O)/gen
docs/sysregs.md: hyp/cpu/sysregs.tbl tools/gen-sysregs.py
	$(call say,GEN,$@)$(PYTHON) tools/gen-sysregs.py $< --doc $@
