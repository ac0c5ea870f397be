/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The parts of EL2's memory that only boot/ and cpu/ deal with. */
#ifndef BOOT_MEM_INIT_H
#define BOOT_MEM_INIT_H

#include <stdbool.h>
#include <stdint.h>

#include <boot/mem.h>
#include <boot/stage1.h>

/* Maps boot_info.pool; from here on mem_alloc works. */
bool mem_init_pool(void);
/* A stack with its guard, the address of its end; null when out of memory. */
uint8_t *mem_make_stack(unsigned n);

/* One CPU's windows. */
struct mem_windows {
    struct stage1_cpu map;
    unsigned pages[MEM_WINDOWS]; /* mapped now; 0: not in use */
    uint64_t offset[MEM_WINDOWS];
};
#define MEM_WINDOW_SINGLE 32u /* up to so many pages are invalidated one by one */

void *mem_window_open(struct mem_windows *w, uint64_t pa, size_t bytes);
void mem_window_close(struct mem_windows *w, void *va);

#endif
