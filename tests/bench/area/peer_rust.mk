# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# Rust's BTreeMap, by Debian's rustc or any other from 1.59 on.

RUSTC ?= rustc

ifneq ($(shell command -v $(RUSTC)),)
$(area_dir)/bench-area-peers: $(area_dir)/libpeer_rust.a
# A weak reference takes nothing out of an archive. The rest is what rustc --print native-static-libs says.
area_peer_libs += -Wl,--undefined=peer_rust -lgcc_s -lutil -lrt -lm -ldl
else
area_missing += rustc
endif
rustc_version := $(shell $(RUSTC) --version 2> /dev/null)
$(call remember,$(area_dir)/.rustc,$(rustc_version))

$(area_dir)/libpeer_rust.a: tests/bench/area/peer_rust.rs $(area_dir)/.rustc
	$(call say,RUSTC,$@)MAKEFLAGS= RUSTC_VERSION='$(rustc_version)' $(RUSTC) --edition 2021 --crate-type staticlib \
		--crate-name peer_rust -A non_upper_case_globals -C opt-level=3 -C panic=abort -o $@ $<
