/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The world of the area fuzzer: an area set with backends that write down what they are told (area_backends.c), and
 * beside it a flat array with a record for each granule (area_model.c). */
#ifndef AREA_WORLD_H
#define AREA_WORLD_H

#include <stage2/area.h>
#include <stage2/backend.h>

#include "fuzz.h"

enum kind {
    HOLE,
    LINEAR, /* a backing that goes on from address to address */
    OPAQUE, /* a backing that is the same for the whole area */
    LOOSE,  /* never merges, takes nothing and is never asked: the callbacks that may be null are */
    KINDS
};

/* The model: what one granule is. */
struct cell {
    uint64_t backing; /* of this granule */
    uint32_t attr;
    uint16_t name, flags;
    uint8_t kind;
    bool first; /* an area begins here */
};

/* The "page table" behind the set: what the commits have left in one granule. */
struct shade {
    uint64_t backing;
    uint32_t attr;
    uint8_t kind;
};

/* What the operation under way was told, change by change. */
struct changes {
    uint64_t *hash;
    unsigned count;
};

struct world {
    struct s2_area_set set;
    struct s2_pool pool;
    unsigned char *mem;
    uint64_t lo, hi, granule;
    uint32_t cells;
    struct cell *cell;   /* cells of them and one more, which stays a hole */
    struct shade *shade; /* the same */
    uint64_t areas;      /* that the model has */
    struct fuzz_in in;
    uint32_t mood_period;

    struct changes prepared, taken, committed, released;
    unsigned undone;
    bool extends; /* what comes becomes one with the area whether or not the backend lets neighbours merge */

    /* For the next operation only: */
    unsigned refuse_prepare, refuse_take; /* the call of that number is refused, 0: none */
    enum s2_err refuse_with;
    bool refuse_told; /* with words of its own */
    bool refused;     /* it has come to that */
    bool reenter;     /* callbacks try operations of their own */
    bool no_detail;
    uint32_t leave; /* so many nodes are left in the pool; UINT32_MAX: all */
    uint8_t skew;   /* makes its range a bad one */
    unsigned reentered;
};

/* A range of the input: cells, if it is a good one. */
struct span {
    uint64_t start, end;
    uint32_t first, last;
    enum s2_err err;
};
struct span read_span(struct world *w);
/* Any address, also outside; also inside a granule. */
uint64_t read_address(struct world *w);
static inline struct s2_ipa_range range_of(const struct span *s)
{
    return (struct s2_ipa_range){S2_IPA(s->start), S2_IPA(s->end)};
}

/* --- backends ----------------------------------------------------------------------------------------------------- */

extern const struct s2_backend fuzz_backend[KINDS];
static inline enum kind kind_of(const struct s2_backend *backend)
{
    return (enum kind)(backend - fuzz_backend);
}
void changes_begin(struct world *w);
/* What must hold when an operation is over: every change that was planned has been made, in the same order, or none. */
void changes_end(const struct world *w, enum s2_err err, bool moves_memory);
/* Tries operations from inside a callback. */
void reenter(struct world *w, struct s2_op *under_way);

/* --- an operation, with everything that must hold after it (area_call.c) -------------------------------------------- */

struct call {
    struct s2_op op;
    struct s2_detail detail;
    enum s2_area_op kind;
    bool moves_memory;                /* takes and releases */
    enum s2_err want;                 /* unless what the input injects comes first */
    struct s2_ipa_range asked, found; /* what the detail says then */

    /* How it is made on the array, where it changes cells from `first` to `last`, and what begins at `last`. */
    void (*apply)(struct world *w, const struct call *c);
    uint32_t first, last;
    const void *arg;

    /* The state before. */
    uint32_t held, cut, nodes, need; /* held: promised away meanwhile */
    bool kept;
    struct s2_area_set set;
    struct s2_pool pool;
    unsigned char *mem;
};
/* The call on a range of the input: its error, if it is bad. */
struct call call_on(const struct world *w, enum s2_area_op kind, const struct span *s);
void call_begin(struct world *w, struct call *c);
/* The result is right, and so is everything else; if the operation has been made, it is made on the array too. True then. */
bool call_end(struct world *w, struct call *c, enum s2_err err);

/* Operations (area_edits.c, area_lookups.c): they read their operands from the input. */
void try_map_new(struct world *w);
void try_map_replace(struct world *w);
void try_unmap(struct world *w);
void try_unmap_expected(struct world *w);
void try_swap(struct world *w);
void try_extend(struct world *w);
void try_rename(struct world *w);
void try_protect(struct world *w);
void try_clear(struct world *w);
void try_comb(struct world *w);
void try_find(struct world *w);
void try_around(struct world *w);
void try_overlaps(struct world *w);
void try_iterate(struct world *w);
void try_stats(struct world *w);
void try_find_free(struct world *w);

/* --- the model ---------------------------------------------------------------------------------------------------- */

static inline uint64_t address(const struct world *w, uint64_t cell)
{
    return w->lo + cell * w->granule;
}
static inline uint32_t index_of(const struct world *w, uint64_t at)
{
    return (uint32_t)((at - w->lo) / w->granule);
}

/* Where the area that holds the cell begins, and where it ends. pre: no hole. */
uint32_t model_first(const struct world *w, uint32_t cell);
uint32_t model_end(const struct world *w, uint32_t cell);
/* The area that holds the cell, as s2_area_set_find must give it; false: a hole. */
bool model_area(const struct world *w, uint32_t cell, struct s2_area *out);
/* The lowest cell in [first, last) that is no hole; last when there is none. */
uint32_t model_meets(const struct world *w, uint32_t first, uint32_t last);
/* The cell from which something may lie above the address; cells when all is below. */
uint32_t model_from(const struct world *w, uint64_t at);
uint32_t model_starts(const struct world *w, uint32_t first, uint32_t last);
/* An area begins at the cell, if it is no hole. */
void model_cut(struct world *w, uint32_t cell);
/* The areas that meet at the cell become one if they may. */
void model_join(struct world *w, uint32_t cell);
/* Both: count the areas anew. */
void model_map(struct world *w, const struct s2_area *area, uint32_t first, uint32_t last);
void model_unmap(struct world *w, uint32_t first, uint32_t last);
enum s2_err model_range(const struct world *w, uint64_t start, uint64_t end);
/* Error and place that s2_area_set_find_free must give; *tries: how many gaps that are large enough it must pass by. */
enum s2_err model_find_free(const struct world *w, uint64_t hint, uint64_t size, uint64_t lo, uint64_t hi,
                            uint64_t align, enum s2_fit fit, uint64_t *out, unsigned *tries);

/* The areas that meet [first, last), and the neighbours of that, are those of the model; so is the shade. The nodes that an
 * edit there can have touched are sound. */
void compare_near(const struct world *w, uint32_t first, uint32_t last);
void compare_all(const struct world *w);
/* A step is over. */
void step(const struct world *w);

#endif
