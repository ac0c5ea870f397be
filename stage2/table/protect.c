/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Changing attributes. Permissions and software bits of a live leaf are changed by one store, unless hardware writes into
 * descriptors; memory type and shareability need break-before-make (D8.16.1). A broken leaf keeps its contents with
 * DESC_VALID clear, which hardware ignores, so that nothing need be remembered elsewhere until it is made again. */
#include "table/engine.h"

struct job {
    struct s2_table *t;
    struct s2_tstash *stash;
    struct s2_gather *g;
    struct s2_part part;
    bool broken; /* leaves wait to be made */
    bool make;   /* the second pass */
};

static bool needs_break(const struct s2_table *t, uint64_t changed)
{
    return changed & (DESC_MEMATTR | DESC_SH) || s2_desc_hardware_writes(t);
}

static bool restricts(const struct s2_table *t, uint64_t was, uint64_t now)
{
    return s2_desc_attr(t, was).bits & ~s2_desc_attr(t, now).bits & S2_PERM_MASK;
}

static void sum_row(const struct job *j, const struct s2_node *n, uint64_t leaves, uint64_t was, uint64_t now)
{
    n->page->sum += leaves * (s2_sum_attr(j->t, now) - s2_sum_attr(j->t, was));
}

/* Of `count` leaves those that say what the first does, up to one that does not, are broken, or get the bits of `flip` turned.
 * Returns how many those are. */
static uint64_t break_row(struct s2_table *t, uint64_t *slot, uint64_t count, uint64_t first, uint64_t same)
{
    uint64_t i = 0;

    for (; i < count && !((s2_port_pte_load(t->port, &slot[i]) ^ first) & same); i++)
        s2_leaf_break(t, &slot[i], 0);
    return i;
}

static uint64_t flip_row(struct s2_table *t, uint64_t *slot, uint64_t count, uint64_t first, uint64_t same,
                         uint64_t flip)
{
    uint64_t i = 0, a, b, c, d;

    for (; i + 4 <= count; i += 4) { /* by four to a decision: this is the loop that changes gigabytes */
        a = s2_port_pte_load(t->port, &slot[i]);
        b = s2_port_pte_load(t->port, &slot[i + 1]);
        c = s2_port_pte_load(t->port, &slot[i + 2]);
        d = s2_port_pte_load(t->port, &slot[i + 3]);
        if (((a ^ first) | (b ^ first) | (c ^ first) | (d ^ first)) & same)
            break;
        if (!flip)
            continue;
        s2_port_pte_store(t->port, &slot[i], a ^ flip);
        s2_port_pte_store(t->port, &slot[i + 1], b ^ flip);
        s2_port_pte_store(t->port, &slot[i + 2], c ^ flip);
        s2_port_pte_store(t->port, &slot[i + 3], d ^ flip);
    }
    for (; i < count; i++) {
        a = s2_port_pte_load(t->port, &slot[i]);
        if ((a ^ first) & same)
            break;
        if (flip)
            s2_port_pte_store(t->port, &slot[i], a ^ flip);
    }
    return i;
}

/* The leaves in a row that say what the first one says but for their outputs: one decision, then a bare loop. Returns
 * where the row ends. pre: [at, end) lies in the node, covers the first one whole, and when that begins a run, ends with one.
 * A run that changes as a whole stays one, member by member: until the flush either permission may be found, as always. What
 * is broken already, of a run that was unfolded, changes as it waits. */
static uint64_t change_row(struct job *j, const struct s2_node *n, uint64_t *slot, uint64_t at, uint64_t end)
{
    struct s2_table *t = j->t;
    const uint64_t same = t->format.attr | DESC_TYPE | DESC_VALID | DESC_CONTIGUOUS;
    uint64_t size = s2_entry_bytes(t, n->level), count = (end - at) / size, i;
    uint64_t first = s2_port_pte_load(t->port, slot), now = s2_desc_change(t, first, j->part.attr_bits);
    uint64_t flip = first ^ now;
    bool broken = flip && first & DESC_VALID && needs_break(t, flip);

    if (broken)
        i = break_row(t, slot, count, first, same);
    else
        i = flip_row(t, slot, count, first, same, flip);
    end = at + i * size;
    if (!flip)
        return end;
    if (broken)
        j->broken = true;
    else
        sum_row(j, n, i, first, now);
    if (!(first & DESC_VALID)) /* its flush is due */
        return end;
    j->g->made |= !broken;
    if (flip & ~DESC_SW || broken) /* software bits are in no TLB */
        s2_gather_add(j->g, at, end, n->level, broken || restricts(t, first, now));
    if (!broken)
        s2_mark_leaves(t, n, at, end, now);
    return end;
}

/* The second pass: the leaves in a row that were broken and said what the first one says, but for what hardware wrote. Returns
 * where the row ends. */
static uint64_t make_row(struct job *j, const struct s2_node *n, uint64_t *slot, uint64_t at, uint64_t end)
{
    struct s2_table *t = j->t;
    uint64_t first = s2_port_pte_load(t->port, slot), size = s2_entry_bytes(t, n->level), i = 0;
    uint64_t now = s2_desc_change(t, first | DESC_VALID, j->part.attr_bits);
    const uint64_t same = (t->format.attr & ~(first & DESC_DBM ? DESC_WRITE : 0)) | DESC_CONTIGUOUS | DESC_VALID;

    if (first & DESC_VALID)
        return at + size;
    for (; at + i * size < end; i++) {
        uint64_t desc = s2_port_pte_load(t->port, &slot[i]);

        if (!desc || (desc ^ first) & same)
            break;
        s2_port_pte_store(t->port, &slot[i], s2_desc_change(t, desc | DESC_VALID, j->part.attr_bits));
    }
    end = at + i * size;
    sum_row(j, n, i, first, now);
    s2_mark_leaves(t, n, at, end, now);
    j->g->made = true;
    return end;
}

/* The leaf at `at`, and those in `in` behind it that are like it. A run, or a block, that the range cuts is split even when it
 * says the same: where the range ends an area does, and no leaf lies in two. Returns where it got to. */
static uint64_t protect_leaf(struct job *j, const struct s2_node *n, uint64_t *slot, struct s2_ipa_range in,
                             uint64_t at)
{
    uint64_t desc = s2_port_pte_load(j->t->port, slot), size = s2_entry_bytes(j->t, n->level);
    uint64_t end = s2_entry_end(j->t, n->level, at, in.end.v), step = size;

    if (s2_run_cut(j->t, n, at, in.start.v, in.end.v, desc))
        s2_run_unfold(j->t, j->g, n, at, s2_desc_change(j->t, desc, j->part.attr_bits) == desc);
    else if (desc & DESC_CONTIGUOUS)
        step = s2_run_bytes(j->t, n->level);
    if (s2_entry_whole(j->t, n->level, at, end))
        return change_row(j, n, slot, at, in.end.v & ~(step - 1));
    s2_split_block(j->t, j->stash, j->g, n, at, &j->part);
    return end;
}

static void protect_node(struct job *j, const struct s2_node *n, uint64_t start, uint64_t end)
{
    for (uint64_t at = start, next; at < end; at = next) {
        uint64_t *slot = &n->slots[s2_node_index(j->t, n, at)];
        uint64_t desc = s2_port_pte_load(j->t->port, slot);

        next = s2_entry_end(j->t, n->level, at, end);
        if (!desc)
            continue;
        if (s2_desc_is_table(n->level, desc)) {
            struct s2_node child = s2_node_child(j->t, n, at, desc);

            protect_node(j, &child, at, next);
        } else if (j->make) {
            next = make_row(j, n, slot, at, end);
        } else {
            next = protect_leaf(j, n, slot, (struct s2_ipa_range){S2_IPA(start), S2_IPA(end)}, at);
        }
    }
}

static void pass(struct job *j)
{
    uint64_t bytes = s2_node_bytes(j->t, j->t->geo.start_level), end = j->part.range.end.v;

    for (uint64_t at = j->part.range.start.v, next; at < end; at = next) {
        struct s2_node root = s2_node_root(j->t, at);

        next = s2_min_u64(root.base + bytes, end);
        protect_node(j, &root, at, next);
    }
}

void s2_table_protect(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, struct s2_ipa_range range,
                      s2_attr attr)
{
    struct job j = {.t = t, .stash = stash, .g = g};

    j.part = (struct s2_part){.range = range, .keep = true, .attr_bits = s2_desc_attr_bits(t, attr)};
    /* A block that the same operation split in place (FEAT_BBM level 2) may still be cached: its size and now its
     * attributes would change in one step (rule 12). */
    s2_gather_settle(t, g, range, true);
    pass(&j);
    if (!j.broken)
        return;
    s2_gather_flush(t, g);
    j.make = true;
    pass(&j);
}
