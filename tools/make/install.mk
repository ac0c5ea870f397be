# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# stage2/ for other hypervisors: headers, libstage2.a built against the external port, and a pkg-config file.
# STAGE2_CROSS chooses the compiler (empty: the host's), STAGE2_CFLAGS adds to its flags.

DESTDIR       ?=
PREFIX        ?= /usr/local
STAGE2_CROSS  ?=
STAGE2_CFLAGS ?=
LIBDIR        ?= $(PREFIX)/lib
version       := $(shell sed -n 's/.*STAGE2_VERSION *"\(.*\)"/\1/p' stage2/include/stage2/version.h)

X      := $(O)/extern$(if $(STAGE2_CROSS),-$(STAGE2_CROSS:%-=%))
xcc    := $(STAGE2_CROSS)gcc
xflags := $(std) $(warn) -g -O2 -ffreestanding -ffunction-sections -fdata-sections $(stage2_inc) -Istage2/port/extern $(STAGE2_CFLAGS)
xobj   := $(patsubst %.c,$(X)/%.o,$(stage2_src))
$(call remember,$(X)/.flags,$(xcc) $(xflags))
-include $(xobj:.o=.d)
$(X)/%.o: %.c $(X)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$@)$(xcc) $(xflags) $(deps) -c -o $@ $<
$(X)/libstage2.a: $(xobj)
	$(call say,AR,$@)rm -f $@; $(STAGE2_CROSS)ar rcs $@ $^

.PHONY: libstage2 install
libstage2: $(X)/libstage2.a
install: $(X)/libstage2.a
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))install -d $(DESTDIR)$(PREFIX)/include/stage2 $(DESTDIR)$(LIBDIR)/pkgconfig
	$(Q)install -m 644 stage2/include/stage2/*.h $(DESTDIR)$(PREFIX)/include/stage2
	$(Q)install -m 644 stage2/port/extern/s2_port.h $(DESTDIR)$(PREFIX)/include
	$(Q)install -m 644 $(X)/libstage2.a $(DESTDIR)$(LIBDIR)
	$(Q)sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@LIBDIR@,$(LIBDIR),' -e 's,@VERSION@,$(version),' tools/stage2.pc.in \
		> $(DESTDIR)$(LIBDIR)/pkgconfig/stage2.pc
