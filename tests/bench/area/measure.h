/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* One size measured: all peers, all rows, several rounds. */
#ifndef BENCH_AREA_MEASURE_H
#define BENCH_AREA_MEASURE_H

#include "work.h"

#define MOST_PEERS  16u
#define MOST_SIZES  8u
#define MOST_ROUNDS 101u

/* value[row][peer]: ns (bytes) per operation (area), the median of the rounds; negative: the peer does not do it. */
struct column {
    uint64_t n;
    double value[ROWS][MOST_PEERS];
};

/* False when a peer answered anything but the truth; it has been said on stderr. */
bool measure(struct column *column, const struct peer *const *peer, unsigned peers, uint64_t n, unsigned rounds,
             uint64_t seed);

/* A stop watch without what reading the clock takes; it knows whether another process had the CPU meanwhile. */
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

double median(double *value, unsigned n);

#endif
