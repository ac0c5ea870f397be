/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What can be asked of a map. */
#include "imap_world.h"

#define WALKED 24u /* entries that a walk goes over */

void try_find(struct world *w)
{
    uint64_t key = read_key(w);

    key += fuzz_u8(&w->in) < 0x40 && key < UINT64_MAX;
    FUZZ_TELL("map %u: find %#llx", w->on, (unsigned long long)key);
    compare_at(w, key);
}

void try_overlaps(struct world *w)
{
    uint64_t start = read_key(w), end = read_key(w);
    const struct flat *f = flat_of(w);
    uint32_t at = flat_from(f, start);
    struct s2_ient e;

    FUZZ_TELL("map %u: overlaps [%#llx, %#llx)", w->on, (unsigned long long)start, (unsigned long long)end);
    same_entry(s2_imap_overlaps(map_of(w), start, end, &e), &e,
               start < end && at < f->count && f->e[at].start < end ? &f->e[at] : NULL);
}

struct walk {
    const struct flat *f;
    uint32_t at, calls, most;
};

static bool walked(void *arg, const struct s2_ient *e)
{
    struct walk *k = arg;

    FUZZ_TRUE(k->at < k->f->count && k->calls < k->most);
    same_entry(true, e, &k->f->e[k->at++]);
    return ++k->calls < k->most;
}

void try_walk(struct world *w)
{
    uint64_t start = read_key(w), end = read_key(w);
    const struct flat *f = flat_of(w);
    struct walk k = {.f = f, .at = flat_from(f, start), .most = 1 + fuzz_u8(&w->in) % WALKED};
    uint32_t want = 0;

    FUZZ_TELL("map %u: walk [%#llx, %#llx), at most %u", w->on, (unsigned long long)start, (unsigned long long)end,
              k.most);
    while (start < end && want < k.most && k.at + want < f->count && f->e[k.at + want].start < end)
        want++;
    s2_imap_walk(map_of(w), start, end, walked, &k);
    FUZZ_EQ(k.calls, want);
}

/* Alignments of which the map knows the room: the search is exact however many gaps it must pass by. */
static bool is_exact(const struct world *w, uint64_t align)
{
    struct s2_imap_align known = aligns(w->keys);

    for (unsigned i = 0; i < S2_IMAP_ALIGNS; i++)
        if (align == UINT64_C(1) << known.log2[i])
            return true;
    return align < w->keys->unit;
}

/* The place in the first gap that is so large that it must fit: what may come before the search gives up to look at each. */
static bool place_in_large(const struct world *w, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
                           enum s2_fit fit, uint64_t *at)
{
    uint64_t unit = w->keys->unit, slack = align - unit, start;
    unsigned tries;

    if (size > UINT64_MAX - slack || flat_find_gap(&w->flat[w->on], lo, hi, size + slack, unit, fit, &start, &tries))
        return false;
    *at = (start + slack) / align * align; /* for either fit, as the search was for all of the room */
    return true;
}

/* Is the place in such a gap, of which the limits cut off a part? */
static bool in_large(const struct world *w, uint64_t at, uint64_t size, uint64_t align)
{
    const struct flat *f = &w->flat[w->on];
    uint64_t from, to;

    flat_gap(f, flat_from(f, at), &from, &to);
    return to - from >= size + align - w->keys->unit;
}

void try_find_gap(struct world *w)
{
    uint64_t lo = read_key(w), hi = read_key(w), size = read_length(w), align, want_at = 0, got = 77, sure;
    uint32_t b = fuzz_u8(&w->in);
    enum s2_fit fit = b & 1 ? S2_FIT_HIGHEST : S2_FIT_LOWEST;
    enum s2_err want, err;
    unsigned tries;

    align = w->keys->unit << (b < 0x40 ? 0 : b >> 1 & 15);
    if (b >= 0x40 && b < 0x80)
        align = UINT64_C(1) << aligns(w->keys).log2[1 + (b >> 1 & 1)];
    if (b >= 0xfc)
        align = (const uint64_t[]){0, 3, UINT64_C(1) << 63, 1}[b & 3];
    if (b & 0x10) { /* no limits */
        lo = b & 0x20 ? 0 : lo;
        hi = UINT64_MAX;
    }
    if (b >= 0xf0 && b < 0xfc)
        size *= 16;
    size -= b == 0xfc ? size : 0;
    FUZZ_TELL("map %u: find_gap %s [%#llx, %#llx) size %#llx align %#llx", w->on,
              fit == S2_FIT_LOWEST ? "lowest" : "highest", (unsigned long long)lo, (unsigned long long)hi,
              (unsigned long long)size, (unsigned long long)align);
    want = flat_find_gap(flat_of(w), lo, hi, size, align, fit, &want_at, &tries);
    err = s2_imap_find_gap(map_of(w), lo, hi, size, align, fit, &got);
    FUZZ_TELL("  says %s, %#llx after %u", s2_err_name(err), (unsigned long long)got, tries);
    FUZZ_EQ(err, want);
    if (err) {
        FUZZ_EQ(got, 77);
        return;
    }
    FUZZ_TRUE(got >= lo && got < hi && hi - got >= size && got % align == 0);
    FUZZ_TRUE(flat_is_free(flat_of(w), got, size));
    if (tries < S2_IMAP_TRIES || is_exact(w, align))
        FUZZ_EQ(got, want_at);
    else if (!place_in_large(w, lo, hi, size, align, fit, &sure))
        FUZZ_TRUE(got == want_at || in_large(w, got, size, align));
    else if (fit == S2_FIT_LOWEST)
        FUZZ_TRUE(got >= want_at && got <= sure);
    else
        FUZZ_TRUE(got <= want_at && got >= sure);
}
