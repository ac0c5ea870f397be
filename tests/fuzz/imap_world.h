/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The world of the map fuzzer: two interval maps that share a pool, and beside each a sorted array (imap_model.h). */
#ifndef IMAP_WORLD_H
#define IMAP_WORLD_H

#include "base/pool.h"

#include "imap_model.h"

#define MOST 20000u /* entries of a map */

struct keys {
    uint64_t lo, unit, units;
    uint32_t longest;  /* entry, in units */
    uint32_t nodes;    /* of the pool */
    uint8_t larger[2]; /* the alignments besides the unit that the map knows, as log2 */
};

struct world {
    struct s2_pool pool;
    unsigned char *mem;
    struct s2_imap map[2];
    struct flat flat[2];
    const struct keys *keys;
    struct fuzz_in in;
    uint32_t mood_period;
    unsigned on; /* the map of the operation */
};

static inline struct s2_imap *map_of(struct world *w)
{
    return &w->map[w->on];
}

static inline struct flat *flat_of(struct world *w)
{
    return &w->flat[w->on];
}

/* --- reading and checking (imap_world.c) -------------------------------------------------------------------------- */

struct s2_imap_align aligns(const struct keys *k);
/* Anywhere, or beside an entry that is there. */
uint64_t read_key(struct world *w);
uint64_t read_length(struct world *w);
struct s2_ival read_value(struct world *w);
/* Which entry of the array; count when there is none. */
uint32_t read_entry(struct world *w);
/* Other ends for entry `at`, anywhere between its neighbours, often touching them. */
void read_ends(struct world *w, uint32_t at, uint64_t *start, uint64_t *end);

/* want: null when nothing should have been found. */
void same_entry(bool found, const struct s2_ient *got, const struct s2_ient *want);
/* Every lookup at one key. */
void compare_at(struct world *w, uint64_t key);
void compare_all(struct world *w);
/* The n entries from `at` on have come, or were changed, or (none) something was there that went: they and their neighbours
 * are right, and so are the nodes that the edit can have touched. */
void edited(struct world *w, uint32_t at, uint32_t n);
/* A step is over. */
void step(struct world *w);

/* The nodes for n insertions; false: there are too few, which is right only if there are. */
bool promise(struct world *w, uint32_t n, uint32_t *need);
/* Gives the promise back; it was enough. */
void kept(struct world *w, uint32_t need, uint32_t before);

/* --- operations: they read their operands from the input --------------------------------------------------------- */

void try_insert(struct world *w);
void try_insert_run(struct world *w);
void try_erase(struct world *w);
void try_erase_run(struct world *w);
void try_set(struct world *w);
void try_resize(struct world *w);
void try_clear(struct world *w);
void try_find(struct world *w);
void try_overlaps(struct world *w);
void try_walk(struct world *w);
void try_find_gap(struct world *w);
void try_cursor(struct world *w);

#endif
