/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What waits for a serial line that is slower than those who write, and who may add to it. Plain logic; the user's lock.
 *
 * A guest has a share of each round. A round ends when little is left to send: so the line never rests, what a guest that
 * floods has in front of its neighbours is bounded by its share, and its neighbours' shares are their own. */
#ifndef DEVICE_OUTRING_H
#define DEVICE_OUTRING_H

#include <stdbool.h>
#include <stdint.h>

#define OUTRING_BYTES 8192u
#define OUTRING_SHARE 512u
#define OUTRING_LAST  512u /* what one that ends may add to that: its last words */
#define OUTRING_LOW   64u  /* so much, or less, is left when a new round begins */
/* Stays free of guests: for their last words, half of it, and for the hypervisor's messages. */
#define OUTRING_ROOM 2048u

struct outring {
    uint32_t head, tail; /* how many were taken out and put in since the beginning */
    unsigned round;
    char text[OUTRING_BYTES];
};

/* Of one writer. Zero before its first character. */
struct outring_share {
    unsigned round;
    uint32_t used; /* in that round */
};

/* Total even when others have written head and tail meanwhile: a crash does not wait for locks. */
static inline uint32_t outring_count(const struct outring *r)
{
    uint32_t n = r->tail - r->head;
    return n <= OUTRING_BYTES ? n : 0;
}

/* False: it is full. */
static inline bool outring_put(struct outring *r, char c)
{
    if (outring_count(r) == OUTRING_BYTES)
        return false;
    r->text[r->tail++ % OUTRING_BYTES] = c;
    return true;
}

/* What comes out next: it stays until head is moved past it. pre: not empty. */
static inline char outring_next(const struct outring *r)
{
    return r->text[r->head % OUTRING_BYTES];
}

/* May that writer add a character, with all that it brings about? */
static inline bool outring_may(struct outring *r, struct outring_share *s)
{
    uint32_t n = outring_count(r);
    if (n <= OUTRING_LOW)
        r->round++;
    if (s->round != r->round)
        *s = (struct outring_share){.round = r->round};
    return s->used < OUTRING_SHARE && n <= OUTRING_BYTES - OUTRING_ROOM;
}

/* The same of one that ends, and may begin and end again as often as it likes. */
static inline bool outring_may_end(struct outring *r, struct outring_share *s)
{
    return outring_may(r, s) ||
           (s->used < OUTRING_SHARE + OUTRING_LAST && outring_count(r) <= OUTRING_BYTES - OUTRING_ROOM / 2);
}

#endif
