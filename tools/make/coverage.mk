# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
#
# What the host suites run of stage2/base and stage2/space. Without optimisation, so that each branch is one that stands in
# the source. Always gcc, as its gcov reads what it writes.

cov := $(O)/cov
cov_measured := stage2/base stage2/space
# Left out: suites of other floors, those that find their way at random or by threads, and those that try one thing after
# another and take long. What is covered is so on purpose, again by the next run, and soon.
cov_left_out := test_bundle% test_calls% test_monitor% test_caps% test_geometry% test_ids% test_loader% test_manifest% test_model% test_mux% test_outring% \
	test_pace% test_string% test_table% test_vgic% test_vmid% test_vtimer% test_vuart% %_fuzz %_oracle %_random %_threads \
	test_all_or_nothing% test_never_lacks% test_area_need% test_area_nodes%
cov_names := $(filter-out $(cov_left_out),$(unit_names))

$(eval $(call host_variant,cov,$$(cov_flags)))
$(cov_measured:%=$(cov)/%/%.o): private cov_flags := -O0 --coverage
$(cov)/unit/%: private hostlibs += -lgcov
$(cov)/%: HOSTCC := gcc
cov_bin := $(cov_names:%=$(cov)/unit/%)

.PHONY: coverage coverage-bin
coverage-bin: $(cov_bin)
coverage: coverage-bin
	$(Q)find $(cov) -name '*.gcda' -delete
	$(Q)MAKEFLAGS= prove --timer -j $(JOBS) --exec '' $(cov_bin)
	$(Q)tools/coverage.py $(cov) $(cov_measured)
