/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* One size measured: all peers, all rows, several rounds. */
#ifndef BENCH_AREA_MEASURE_H
#define BENCH_AREA_MEASURE_H

#include "bench/common/watch.h"
#include "work.h"

#define MOST_PEERS 16u
#define MOST_SIZES 8u

/* value[row][peer]: ns (bytes) per operation (area), the median of the rounds; negative: the peer does not do it. */
struct column {
    uint64_t n;
    double value[ROWS][MOST_PEERS];
};

/* False when a peer answered anything but the truth; it has been said on stderr. */
bool measure(struct column *column, const struct peer *const *peer, unsigned peers, uint64_t n, unsigned rounds,
             uint64_t seed);

#endif
