/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Tables read as hardware reads them (D8.2, D8.3), by code that is nobody's whose tables these are. */
#ifndef BENCH_TABLE_ORACLE_H
#define BENCH_TABLE_ORACLE_H

#include <stdbool.h>

#include "subject.h"

enum expect { MAPPED_RW, MAPPED_RO, UNMAPPED };

struct totals {
    uint64_t bytes;         /* mapped */
    uint32_t tables, empty; /* linked ones and the root; those without an entry, the root aside */
};
void oracle_totals(const struct arena *a, uint64_t root, struct totals *out);
/* Is every page of every job as expected? `dirty`: writable may also mean that hardware may make it so. */
bool oracle_agrees(const struct arena *a, uint64_t root, const struct jobs *jobs, enum expect expect);
/* The tables that leaves of 2 MiB and 4 KiB for these jobs need, the root among them. */
uint32_t oracle_tables_needed(const struct jobs *jobs);

#endif
