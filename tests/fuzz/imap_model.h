/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What an interval map must hold: a sorted flat array. */
#ifndef IMAP_MODEL_H
#define IMAP_MODEL_H

#include <stage2/imap.h>

#include "fuzz.h"

struct flat {
    struct s2_ient *e;
    uint32_t count, room;
    uint64_t lo, hi, unit;
};

/* The first with end > key; count for none. */
uint32_t flat_from(const struct flat *f, uint64_t key);
/* How many start below the key. */
uint32_t flat_below(const struct flat *f, uint64_t key);
/* The free space before entry i (of count: behind the last). */
void flat_gap(const struct flat *f, uint32_t i, uint64_t *start, uint64_t *end);
void flat_put(struct flat *f, uint32_t at, const struct s2_ient *e);
void flat_drop(struct flat *f, uint32_t at);

/* The answer that s2_imap_find_gap must give; *tries: how many gaps that are large enough it must pass by. */
enum s2_err flat_find_gap(const struct flat *f, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
                          enum s2_fit fit, uint64_t *out, unsigned *tries);
/* Does the place lie in free space? */
bool flat_is_free(const struct flat *f, uint64_t start, uint64_t size);

#endif
