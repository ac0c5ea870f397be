/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is measured, and batches of jobs for it. */
#ifndef BENCH_AREA_WORK_H
#define BENCH_AREA_WORK_H

#include "layout.h"
#include "peer.h"

enum row {
    FIND_DEP,
    FIND_INDEP,
    INSERT,
    ERASE,
    SPLIT,
    MAP_OVER,
    PROTECT,
    GAP_WORST,
    GAP_RANDOM,
    GAP_RARE,
    ITERATE,
    CLEAR,
    BUILD_RANDOM,
    BUILD_ASCENDING,
    BYTES_RANDOM,
    BYTES_ASCENDING,
    ROWS
};

/* How many jobs there are of what, for a container of n areas. A batch of edits adds at most an eighth to a container (a
 * quarter to a small one), for which room is made before: it never holds more than n. */
struct sizes {
    uint64_t n;
    uint32_t maps;    /* instances in turn, so that a batch on few areas is long enough for the clock */
    uint32_t edits;   /* jobs of one batch, on all instances together */
    uint32_t batches; /* measured in one round */
    uint32_t finds, gaps, warm_finds;
};
struct sizes sizes_of(uint64_t n);

/* A batch of edits, and what is done untimed before and after so that the container holds what it held. */
struct work {
    enum row row;
    uint32_t jobs;
    uint32_t each; /* what the checksum counts for each job */
    union {
        struct bench_area *area;   /* INSERT, MAP_OVER */
        struct bench_range *range; /* ERASE, SPLIT */
        struct bench_protect *protect;
    };
    struct bench_range *before; /* erased before */
    struct bench_range *gone;   /* erased after */
    struct bench_area *back;    /* and inserted then */
    uint32_t n_before, n_gone, n_back;
};
struct work *work_new(const struct sizes *s);
void work_free(struct work *w);
/* Fills w with new random jobs for an edit row. */
void work_draw(struct work *w, enum row row, const struct sizes *s, struct layout *l, struct rng *rng);
uint64_t work_run(const struct work *w, const struct peer *peer, const struct bench_maps *m, uint32_t from, uint32_t n);
bool work_possible(enum row row, const struct peer *peer);

/* Keys inside random areas. */
void draw_keys(uint64_t *key, uint32_t n, const struct layout *l, struct rng *rng);
/* Jobs of GAP_WORST, GAP_RANDOM and GAP_RARE. */
void draw_gaps(struct bench_gap *gap, uint32_t n, enum row row, const struct layout *l, struct rng *rng);

#endif
