/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* All workloads, all subjects, several rounds. */
#ifndef BENCH_TABLE_MEASURE_H
#define BENCH_TABLE_MEASURE_H

#include "subject.h"

enum row {
    W1_PAGES,
    W2_BLOCKS,
    W3_MIXED,
    W4_UNMAP,
    W5_PROTECT,
    W5_DIRTY,
    W6_MAP,
    W6_UNMAP,
    W6_FAULT,
    W7_SPLIT,
    W8_LOOKUP,
    W9_DESTROY,
    ROWS
};

#define MOST_SUBJECTS 8u
#define MOST_REPEATS  8u /* of one sequence in one round */

struct result {
    double ns;            /* per unit, the median of rounds and repeats; negative: the subject does not do it */
    uint64_t tlbi, dsb;   /* of one batch */
    uint32_t pages, kept; /* table pages held afterwards; of them in reserve */
    uint32_t needed;      /* the fewest tables that do */
};
struct results {
    struct result of[ROWS][MOST_SUBJECTS];
};

/* How --only calls the sequences. */
extern const char *const sequence_name[SEQUENCES];

/* Only the sequences whose bit is set. False when a table was not what it should be; it has been said on stderr. */
bool measure(struct results *results, const struct subject *const *subject, unsigned subjects, const struct work *work,
             unsigned rounds, unsigned sequences);

#endif
