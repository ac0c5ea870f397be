/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The frame allocator: power-of-two blocks of 4K frames, largest aligned block first, each free frame dirty or clean.
 * It writes nothing into a free frame and keeps its books outside them, since EL2 does not map guest memory. */
#ifndef STAGE2_FRAMES_H
#define STAGE2_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/error.h>
#include <stage2/port_types.h>

#define S2_FRAME_LOG2    12u
#define S2_FRAME         (1ull << S2_FRAME_LOG2)
#define S2_FRAME_ORDERS  19u /* blocks of 4 KiB << 0 .. 18 (1 GiB) */
#define S2_FRAME_REGIONS 16u

/* One bank of RAM. free[o] has one bit per naturally aligned block of order o, set when exactly that block is free.
 * clean has one bit per frame; it says something about free frames only. */
struct s2_frame_region {
    s2_pa base;
    uint64_t frames;
    uint64_t *free[S2_FRAME_ORDERS];
    uint64_t *clean;
    uint64_t count[S2_FRAME_ORDERS]; /* free blocks of the order */
    uint64_t hint[S2_FRAME_ORDERS];  /* no free block of the order lies below this word */
};

struct s2_frames {
    struct s2_lock lock;
    struct s2_port *port;
    unsigned regions;
    uint64_t total, free, clean, reserved; /* frames; clean: free and clean */
    s2_pa scrub;                           /* where the next scrub step looks */
    struct s2_frames *next;                /* of those that are joined, in a ring */
    struct s2_frame_region region[S2_FRAME_REGIONS];
};

struct s2_block {
    s2_pa pa;
    uint8_t order;
    bool clean;
};

void s2_frames_init(struct s2_frames *f, struct s2_port *port);
/* Bytes of book-keeping that a bank of that size needs. */
size_t s2_frames_meta_bytes(s2_pa base, uint64_t bytes);
/* Adds a bank, all of it in use (nothing free); meta is 8-byte aligned. S2_EALIGN, S2_EINVAL, S2_EEXIST (meets a
 * bank), S2_ERANGE (more banks than S2_FRAME_REGIONS). */
S2_NODISCARD enum s2_err s2_frames_add(struct s2_frames *f, s2_pa base, uint64_t bytes, void *meta,
                                       struct s2_detail *d);

/* Promise n frames: later allocations with `reserved` true draw on promises and find something, perhaps only of order
 * 0. S2_EFRAMES when free - reserved < n. */
S2_NODISCARD enum s2_err s2_frames_reserve(struct s2_frames *f, uint64_t n);
void s2_frames_unreserve(struct s2_frames *f, uint64_t n);

/* A block of `max_order`, cut from the smallest larger one if need be, else the largest there is; the lowest of its
 * order. `reserved`: spends a promise of as many frames as it gets, and cannot fail while one frame is promised; else it
 * leaves enough for every promise. S2_EFRAMES. out->clean: every frame is known to be zero. */
S2_NODISCARD enum s2_err s2_frames_alloc(struct s2_frames *f, unsigned max_order, bool reserved, struct s2_block *out);
/* Exactly that range, for RAM at a chosen address. S2_EALIGN, S2_EINVAL, S2_ENOENT (not RAM of a bank), S2_EEXIST (in
 * part in use; detail names the first frame), S2_EFRAMES (promised to others). All or nothing. *clean: all of it was. */
S2_NODISCARD enum s2_err s2_frames_alloc_at(struct s2_frames *f, struct s2_pa_range range, bool *clean,
                                            struct s2_detail *d);
/* Back to the free blocks; never fails on ranges that were allocated. `clean`: nothing but zeroes was written since the
 * allocation, so each frame is as clean as it was then; else all of it is dirty. A promise may be renewed in the same
 * step (reserve_again), so that a lazy area that gives a frame back still has it. */
void s2_frames_free(struct s2_frames *f, struct s2_pa_range range, bool clean, bool reserve_again);

/* A machine may have several allocators, each with banks of its own: named regions of memory. Those that were joined, at boot,
 * know of each other; no lock is held with another one's. */
void s2_frames_join(struct s2_frames *f, struct s2_frames *other);
/* s2_frames_free, dirty, each part to the one of the joined that has it. What none has is left alone. */
void s2_frames_give_back(struct s2_frames *f, struct s2_pa_range range);

/* Zeroes [pa, pa+bytes) through windows and cleans it to the point of coherency. pa and bytes are multiples of 4K. */
void s2_frames_zero(struct s2_port *port, s2_pa pa, uint64_t bytes);
/* One idle step: zeroes at most `budget` frames of free dirty memory, not holding the lock meanwhile, and looks at a
 * bounded number of others. True while dirty memory is left. */
bool s2_frames_scrub_step(struct s2_frames *f, uint64_t budget);

/* What is free, and in how large pieces: memory that is free in small ones is of no use to who wants large leaves. */
struct s2_frames_stats {
    uint64_t total, free, clean, reserved; /* frames */
    uint64_t blocks[S2_FRAME_ORDERS];      /* free blocks of exactly that order */
    uint64_t usable[S2_FRAME_ORDERS];      /* free frames that lie in blocks of at least that order */
    unsigned largest_order;                /* of a free block; S2_FRAME_ORDERS: nothing is free */
};
/* All of one moment: takes the lock. */
void s2_frames_stats(struct s2_frames *f, struct s2_frames_stats *out);
/* How much of the free memory is of no use for a block of that order, in thousandths, rounded up: 0 when all of it can serve,
 * or when nothing is free. */
static inline unsigned s2_frames_fragmentation(const struct s2_frames_stats *s, unsigned order)
{
    uint64_t lost = s->free - s->usable[order];

    return s->free ? (unsigned)((1000 * lost + s->free - 1) / s->free) : 0;
}
/* Does all of the range lie in its banks? Several allocators share a machine, each with memory of its own. */
bool s2_frames_holds(const struct s2_frames *f, struct s2_pa_range range);

/* For tests, the console and the checker. */
bool s2_frames_is_free(const struct s2_frames *f, s2_pa pa);
/* The first free frame in the range; false: none is. */
bool s2_frames_any_free(struct s2_frames *f, struct s2_pa_range range, s2_pa *first);
uint64_t s2_frames_free_blocks(const struct s2_frames *f, unsigned order);
/* Null when counts and bit maps agree and no frame lies in two free blocks. */
const char *s2_frames_check(const struct s2_frames *f);

#endif
