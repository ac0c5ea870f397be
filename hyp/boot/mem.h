/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* EL2's own memory. Everything that is mapped is mapped once, at its place, with one set of permissions: text execute
 * and read, rodata read, the rest read-write and never executable. Guest memory is reached through windows only. */
#ifndef BOOT_MEM_H
#define BOOT_MEM_H

#include <stddef.h>
#include <stdint.h>

#define MEM_PAGE    4096ull
#define MEM_WINDOW  (2ull << 20) /* bytes of one window */
#define MEM_WINDOWS 2u           /* per CPU */

/* From the hypervisor pool: zeroed, mapped, never given back. align: a power of two. Null when the
 * pool is used up. Any CPU; meant for boot and for the creation of VMs. */
void *mem_alloc(size_t bytes, size_t align);
/* Bytes of the pool that are still there. */
size_t mem_left(void);

/* The physical address of anything in the image or the pool. */
uint64_t mem_pa(const void *va);
/* The way back, for addresses in the pool (table pages); null for any other. */
void *mem_pool_va(uint64_t pa);

/* Lasting maps, whole pages around [pa, pa + bytes): Device-nGnRE read-write, or Normal write-back read-only. The
 * address returned keeps the offset within the page. Null when the room for maps is used up or the range wraps. */
void *mem_map_device(uint64_t pa, size_t bytes);
const void *mem_map_ro(uint64_t pa, size_t bytes);

/* This CPU's windows onto guest frames: Normal write-back, read-write, only the pages asked for, until unmapped. pa and
 * bytes: multiples of a page, within one multiple of MEM_WINDOW. Null when both are in use. Interrupts stay masked. */
void *mem_window_map(uint64_t pa, size_t bytes);
void mem_window_unmap(void *va, size_t bytes);

/* To the point of coherency by address, DSB included. */
void mem_clean(const void *va, size_t bytes);
void mem_clean_invalidate(const void *va, size_t bytes);

#endif
