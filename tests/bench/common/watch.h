/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A stop watch, without what reading the clock takes; it knows whether another process had the CPU meanwhile. */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct watch {
    uint64_t from;
    long preemptions;
};
struct took {
    uint64_t ns;
    bool disturbed;
};
struct watch watch_start(void);
struct took watch_stop(const struct watch *w);

/* What one sample is put together from: the parts that were not disturbed, or else all. */
struct tally {
    struct took calm, all;
    uint64_t calm_jobs, jobs;
};
void tally_add(struct tally *t, struct took took, uint64_t jobs);

/* Samples of ns per job. While all were disturbed, the smallest stands for them. */
#define MOST_SAMPLES 101u
struct cell {
    double sample[MOST_SAMPLES];
    unsigned samples;
    bool disturbed;
};
void cell_add(struct cell *c, const struct tally *t);
void cell_add_one(struct cell *c, struct took took, uint64_t jobs);
double cell_median(struct cell *c); /* -1 without a sample */

#endif
