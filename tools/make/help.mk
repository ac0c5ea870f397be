# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors

define helptext
Bulkhead partitions guest memory on 64-bit Arm.

  make run            boot U-Boot, Bulkhead and the guests of a manifest under QEMU
      MANIFEST=my.dts   the manifest                 (guest/manifests/demo.dts)
      CPU=name          cortex-a53, cortex-a72, max  ($(CPU))
      SMP=n  MEM=size   CPUs and memory              ($(SMP), $(MEM))
  make check          every test: unit tests, then boot tests under QEMU
  make check-unit     the tests that run on this machine, plain and under sanitizers
  make check-boot     the tests that boot the hypervisor
  make check-threads  the suites that start threads, under the thread sanitizer
  make coverage       which lines and branches of stage2/base and stage2/space the host suites run
  make fuzz-long      random operations on the area set and the interval map against arrays   (STEPS=, SEED=)
  make fuzz-area | fuzz-imap   libFuzzer on the same, from the corpus on   (SECONDS=)
  make hostile-long   the hostile guests for longer: both CPU models, half of the time each   (MINUTES=, SEED=)
  make check-mutants  breaks the library in many places: does a test notice each?
  make bench          measures, as ratios within one run
  make bench-fault    instructions of EL2 for a fault, counted and by part   (BENCH_ARGS='--functions max')
  make bench-interference   what a neighbour costs, quiet or hostile, in instructions   (BENCH_ARGS=max)
  make bench-area     the interval map and the area set beside the fastest search that there can be   (ROUNDS=)
  make bench-area-peers   ... and beside other people's containers, those whose packages are there
      BENCH_ARGS='--sizes 16,1000 --peers std::map --markdown'
  make bench-table    the table engine beside the bare stores that its work comes down to   (ROUNDS=)
  make bench-table-peers   ... and beside KVM's, fetched where linux-source-6.1 is not installed

  make                the hypervisor: $(O)/target/bulkhead.img
  make guests         the bare-metal guests and the initramfs
  make bundles        every manifest of guest/manifests with its images
  make install        headers, libstage2.a and stage2.pc   (PREFIX=, DESTDIR=, STAGE2_CROSS=)
  make menuconfig | defconfig | olddefconfig | savedefconfig
  make lint           format, static analysis, licence headers, floors
  make format         let clang-format lay out every C file
  make clean          remove what was built (fetched files stay)

  O=dir  build elsewhere     V=1  show commands     CC_KIND=clang or LLVM=1  use clang
endef
export helptext

.PHONY: help
help:
	@printf '%s\n' "$$helptext"
