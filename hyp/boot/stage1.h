/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* EL2's own translation tables: 4K granule, 48-bit addresses, one map for all CPUs except the windows. */
#ifndef BOOT_STAGE1_H
#define BOOT_STAGE1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stage1_kind { STAGE1_TEXT, STAGE1_RODATA, STAGE1_DATA, STAGE1_DEVICE };

/* What a CPU loads to switch its MMU on; head.S reads it with the MMU off. */
struct stage1_regs {
    uint64_t entry_root; /* with the entry page one to one */
    uint64_t mair, tcr, sctlr;
    uint64_t root; /* without */
};
extern struct stage1_regs stage1_regs;

/* MMU off, on the boot stack: builds the map of the image that lies at pa, for that exception level (CurrentEL). Null
 * when this CPU cannot use it. */
const struct stage1_regs *stage1_build(uint64_t pa, uint64_t current_el);

uint64_t stage1_image_pa(void);
/* The first address that is too high for this CPU, or for our descriptors. */
uint64_t stage1_pa_limit(void);

/* Maps whole pages, nothing there before; pages of tables come from stage1_set_source's, before that from a few in the
 * image. False: out of those. Any CPU. */
bool stage1_map(uint64_t va, uint64_t pa, size_t bytes, enum stage1_kind kind);
void stage1_set_source(void *(*page)(void));

/* A root for another CPU: shares everything but the windows, whose level-3 tables come back in windows[]. */
struct stage1_cpu {
    uint64_t *root;
    uint64_t *pages[2]; /* level 3: one entry per page of a window */
};
bool stage1_make_cpu(struct stage1_cpu *cpu);
/* Makes it the root of the CPU that calls. */
void stage1_use_cpu(const struct stage1_cpu *cpu);

/* What is mapped, for the audit. */
struct stage1_leaf {
    uint64_t va, pa, bytes;
    bool writable, executable;
    bool window;
};
typedef void stage1_leaf_fn(void *arg, const struct stage1_leaf *leaf);
/* Every leaf that all CPUs share, and the entry page's, which is mapped one to one while a CPU comes in. */
void stage1_visit(stage1_leaf_fn *fn, void *arg);
/* Every page that is behind a window of that CPU. */
void stage1_visit_windows(const struct stage1_cpu *cpu, stage1_leaf_fn *fn, void *arg);

/* Entry `i` of a window's level-3 table; no barrier. */
uint64_t stage1_page(uint64_t pa, enum stage1_kind kind);

#endif
