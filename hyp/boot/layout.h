/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* EL2's virtual addresses: 48 bits, 4K granule. Read by assembler and linker script too.
 *
 *   0x8000_0000_0000  the image, page by page        one level-0 entry, shared by all CPUs
 *   0x8000_4000_0000  the pool, in blocks
 *   0x8000_8000_0000  stacks, each below unmapped pages
 *   0x8000_c000_0000  devices, device tree, bundle
 *   0x8080_0000_0000  windows onto guest frames      one level-0 entry, each CPU has its own
 *
 * RAM below 0x8000_0000_0000 is where the identity map of the entry code goes while a CPU switches its MMU on. */
#ifndef BOOT_LAYOUT_H
#define BOOT_LAYOUT_H

#define VA_IMAGE   0x800000000000
#define VA_POOL    0x800040000000
#define VA_STACKS  0x800080000000
#define VA_MAPS    0x8000c0000000
#define VA_MAP_END 0x808000000000
#define VA_WINDOWS 0x808000000000
#define VA_BITS    48

#define STACK_BYTES  0x4000
#define STACK_STRIDE 0x8000 /* the rest is the guard */

/* struct boot_cpu, which a secondary CPU reads with its MMU off */
#define BOOT_CPU_TTBR   0
#define BOOT_CPU_STACK  8
#define BOOT_CPU_RECORD 16

/* What head.S gives EL2's registers before there is C (boot/arm.h has the fields; main.c checks): RW, AMO, IMO, FMO; all
 * traps of FP/SIMD off; MMU and caches off. */
#define ENTRY_HCR   0x80000038
#define ENTRY_CPTR  0x33ff
#define ENTRY_SCTLR 0x30c50830

#endif
