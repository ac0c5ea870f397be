/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Between the files of the table engine: nodes of the tree, index arithmetic, detaching and splitting. */
#ifndef STAGE2_TABLE_ENGINE_H
#define STAGE2_TABLE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <s2_port.h>

#include "base/bits.h"
#include "table/desc.h"
#include "table/table.h"

/* One table page, with the IPA that its first entry translates. Concatenated roots are as many nodes. Functions that
 * recurse do so by one level per call: at most five deep. */
struct s2_node {
    uint64_t *slots;
    struct s2_tpage *page;
    uint64_t base;
    int level;
};

/* --- arithmetic ---------------------------------------------------------------------------------------------------- */

static inline uint64_t s2_entry_bytes(const struct s2_table *t, int level)
{
    return 1ull << s2_level_shift(&t->geo, level);
}
static inline unsigned s2_entries(const struct s2_table *t)
{
    return 1u << t->geo.stride;
}
/* Bytes that one table page at `level` translates. */
static inline uint64_t s2_node_bytes(const struct s2_table *t, int level)
{
    return s2_entry_bytes(t, level) << t->geo.stride;
}
static inline unsigned s2_node_index(const struct s2_table *t, const struct s2_node *n, uint64_t ipa)
{
    return (unsigned)((ipa - n->base) >> s2_level_shift(&t->geo, n->level));
}
/* The end of what the entry at `ipa` covers, but not beyond `end`. */
static inline uint64_t s2_entry_end(const struct s2_table *t, int level, uint64_t ipa, uint64_t end)
{
    return s2_min_u64((ipa | (s2_entry_bytes(t, level) - 1)) + 1, end);
}
static inline bool s2_entry_whole(const struct s2_table *t, int level, uint64_t start, uint64_t end)
{
    return end - start == s2_entry_bytes(t, level);
}
/* May a leaf at `level` stand at `start`, inside `end`, when outputs are `delta` (wrapping) above inputs? */
S2_INLINE bool s2_leaf_fits(const struct s2_table *t, int level, uint64_t start, uint64_t end, uint64_t delta)
{
    uint64_t size = s2_entry_bytes(t, level);

    return level >= t->geo.block_level && !((start | (start + delta)) & (size - 1)) && end - start >= size;
}

/* May a leaf's size change in one step, with nothing else, and be flushed then (FEAT_BBM level 2, rule 12)? Not where hardware may
 * write into it meanwhile. */
static inline bool s2_size_in_place(const struct s2_table *t)
{
    return t->caps.bbm == 2 && !s2_desc_hardware_writes(t);
}

/* --- nodes --------------------------------------------------------------------------------------------------------- */

static inline struct s2_node s2_node_at(const struct s2_table *t, s2_pa pa, int level, uint64_t base)
{
    return (struct s2_node){s2_port_table(t->port, pa), &t->pool->meta[s2_tpool_index(t->pool, pa)], base, level};
}
/* The root page that translates ipa. */
static inline struct s2_node s2_node_root(const struct s2_table *t, uint64_t ipa)
{
    uint64_t bytes = s2_node_bytes(t, t->geo.start_level), base = ipa & ~(bytes - 1);
    uint64_t page = base >> (s2_level_shift(&t->geo, t->geo.start_level) + t->geo.stride);

    return s2_node_at(t, S2_PA(t->root.v + (page << t->geo.granule_log2)), t->geo.start_level, base);
}
/* What the table descriptor `desc`, met in `n` at ipa, points to. */
static inline struct s2_node s2_node_child(const struct s2_table *t, const struct s2_node *n, uint64_t ipa,
                                           uint64_t desc)
{
    uint64_t bytes = s2_entry_bytes(t, n->level);

    return s2_node_at(t, s2_desc_oa(t, desc), n->level + 1, ipa & ~(bytes - 1));
}
/* A page from the stash as the table of `level` at `base`, not linked yet; all zero but for [from, to), which the caller fills.
 * *desc: what links it. */
static inline struct s2_node s2_node_new(struct s2_table *t, struct s2_tstash *stash, int level, uint64_t base,
                                         uint64_t from, uint64_t to, uint64_t *desc)
{
    uint32_t index = s2_tstash_pop(t->pool, stash);
    struct s2_tpage *page = &t->pool->meta[index];
    s2_pa pa = s2_tpool_pa(t->pool, index);
    struct s2_node n = {s2_port_table(t->port, pa), page, base, level};
    unsigned shift = s2_level_shift(&t->geo, level);
    unsigned first = (unsigned)((from - base) >> shift), last = (unsigned)((to - 1 - base) >> shift) + 1;

    if (!(page->flags & S2_TPAGE_ZERO) && last - first < s2_entries(t) / 2) {
        s2_port_pte_fill(t->port, n.slots, s2_entries(t), 0, 0); /* whole lines, whole pages: what machines do best */
    } else if (!(page->flags & S2_TPAGE_ZERO)) {
        s2_port_pte_fill(t->port, n.slots, first, 0, 0);
        s2_port_pte_fill(t->port, n.slots + last, s2_entries(t) - last, 0, 0);
    }
    page->level = (int8_t)level;
    page->space = t->id;
    page->valid = page->tables = 0;
    page->flags = 0;
    page->sum = 0;
    *desc = s2_desc_table(t, pa);
    return n;
}

/* --- leaves of one node: leaves.c ---------------------------------------------------------------------------------------- */

/* Bytes of a run of leaves with the Contiguous bit at that level; 0: there are none. */
static inline uint64_t s2_run_bytes(const struct s2_table *t, int level)
{
    unsigned log2 = t->geo.run_log2[level + 1];

    return log2 ? s2_entry_bytes(t, level) << log2 : 0;
}
static inline struct s2_ipa_range s2_run_around(const struct s2_table *t, int level, uint64_t ipa)
{
    uint64_t bytes = s2_run_bytes(t, level), start = ipa & ~(bytes - 1);

    return (struct s2_ipa_range){S2_IPA(start), S2_IPA(start + bytes)};
}
/* What the leaf at ipa adds to the sum of its table; of leaves that continue each other, each the same. */
static inline uint64_t s2_leaf_sum(const struct s2_table *t, const struct s2_node *n, uint64_t ipa, uint64_t leaf)
{
    uint64_t below = (ipa - n->base) & ~(s2_entry_bytes(t, n->level) - 1);

    return s2_sum_output(t, leaf, below) + s2_sum_attr(t, leaf);
}
/* The entries [at, end), if there are any: desc and what continues it, or, when that is 0, holes. Not counted. */
void s2_entries_set(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t end, uint64_t desc);
/* Where [at, end) holds nothing valid that a walker reaches: leaves, the first of which says `desc` without the Contiguous bit,
 * each one output behind the last, the bit set in all full runs; counted. Returns where they end: before `end` only where the
 * upper bits of the output change. */
uint64_t s2_leaves_fill(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t end, uint64_t desc);
/* The run around ipa, whose members have the Contiguous bit, becomes single leaves. They are broken (DESC_VALID clear, contents
 * kept) until the gather is flushed, which makes those again that still say something; but at FEAT_BBM level 2, if what stays
 * of them stays the `same`, they change in place (rule 12). */
void s2_run_unfold(struct s2_table *t, struct s2_gather *g, const struct s2_node *n, uint64_t ipa, bool same);
/* Is the leaf at `at` one of a run that [start, end) covers in part? */
static inline bool s2_run_cut(const struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t start,
                              uint64_t end, uint64_t desc)
{
    struct s2_ipa_range run;

    if (!(desc & DESC_CONTIGUOUS))
        return false;
    run = s2_run_around(t, n->level, at);
    return run.start.v < start || run.end.v > end;
}
/* Clears DESC_VALID, and `bits`, losing no update by hardware (I_GXGZY). */
void s2_leaf_break(struct s2_table *t, uint64_t *slot, uint64_t bits);
/* The leaves [at, end), the first of which says desc, are new or say something new: marks what may be promoted now. desc with the
 * Contiguous bit: full runs among them have it already. */
void s2_mark_leaves(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t end, uint64_t desc);
/* The same for one leaf, without the Contiguous bit. */
void s2_mark_leaf(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t desc);
void s2_mark(struct s2_table *t, struct s2_ipa_range range);
/* Do all n leaves from slot on, which lie `size` apart, say what the first says, and is its output a multiple of n * size? Not
 * asked of the Contiguous bit, nor of what hardware writes. */
bool s2_leaves_congruent(const struct s2_table *t, const uint64_t *slot, unsigned n, uint64_t size);

/* --- need.c -------------------------------------------------------------------------------------------------------- */

/* Entries at `level` that [start, end) covers in part: 0 to 2. */
uint32_t s2_entries_cut(const struct s2_table *t, int level, uint64_t start, uint64_t end);

/* --- gather.c ------------------------------------------------------------------------------------------------------ */

/* Leaves of `level` in [start, end) were changed. broadcast: a right was taken away. */
void s2_gather_add(struct s2_gather *g, uint64_t start, uint64_t end, int level, bool broadcast);
/* The table that `desc` pointed to was unlinked; what it translated was or will be added with s2_gather_add. */
void s2_gather_detach(struct s2_table *t, struct s2_gather *g, uint64_t desc);
/* Once an invalidation is done, *slot becomes desc; or, of a run of that many entries, those that say something get its bits. */
void s2_gather_make(struct s2_table *t, struct s2_gather *g, uint64_t *slot, uint32_t run, uint64_t desc,
                    struct s2_ipa_range range);
bool s2_gather_pends(const struct s2_gather *g);
/* Before an edit in range: flushes if a split block that meets it is not published yet, or, when `make`, something valid
 * may still be cached there. */
void s2_gather_settle(struct s2_table *t, struct s2_gather *g, struct s2_ipa_range range, bool make);

/* --- split.c ------------------------------------------------------------------------------------------------------- */

/* What becomes of the part of a block that is cut out. */
struct s2_part {
    struct s2_ipa_range range;
    bool keep;          /* false: a hole */
    uint64_t attr_bits; /* keep: the part's new attributes */
};
/* Replaces the block in n at ipa, which part.range covers in part, by a table with the final contents. */
void s2_split_block(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, const struct s2_node *n,
                    uint64_t ipa, const struct s2_part *part);

/* --- walk.c -------------------------------------------------------------------------------------------------------- */

/* Where a walk of ipa, which is below the IPA limit, ends: the entry, what it says, and the node that it is in. */
uint64_t *s2_descend(const struct s2_table *t, uint64_t ipa, struct s2_node *out, uint64_t *desc);
/* What a descriptor that was met at ipa says. */
void s2_leaf_describe(const struct s2_table *t, int level, uint64_t ipa, uint64_t desc, struct s2_leaf *out);

/* --- flush.c ------------------------------------------------------------------------------------------------------- */

/* Orders all edits, then, where the VMID is live, invalidates what g records. */
void s2_flush_invalidate(struct s2_table *t, const struct s2_gather *g);

#endif
