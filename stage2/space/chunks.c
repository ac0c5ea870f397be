/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The memory behind alloc areas. Within a chunk PA = chunk.pa + (IPA - chunk.start); chunks that continue each other at
 * both addresses are one entry. sp->chunks says what the areas hold, sp->taken what an operation has taken and not yet
 * mapped: a replace holds old and new memory for the same addresses at once. */
#include "space/inner.h"

enum { W_PA, W_DIRTY, W_MARK };

static struct s2_chunk unpack(const struct s2_ient *e)
{
    return (struct s2_chunk){
        .range = {S2_IPA(e->start), S2_IPA(e->end)}, .pa = S2_PA(e->val.w[W_PA]), .dirty = e->val.w[W_DIRTY] != 0};
}

static bool continues(const struct s2_ient *low, const struct s2_ient *high)
{
    return low->end == high->start && low->val.w[W_PA] + (low->end - low->start) == high->val.w[W_PA] &&
           low->val.w[W_DIRTY] == high->val.w[W_DIRTY] && low->val.w[W_MARK] == high->val.w[W_MARK];
}

/* Puts a chunk in, as one entry with the neighbours that it continues. pre: nodes for one insertion. */
static void put(struct s2_imap *map, struct s2_ient e)
{
    struct s2_ient low, high;
    bool joins_low = s2_imap_find_below(map, e.start, &low) && continues(&low, &e);
    bool joins_high = s2_imap_find(map, e.end, &high) && continues(&e, &high);

    if (joins_high) {
        s2_imap_erase(map, high.start);
        e.end = high.end;
    }
    if (joins_low)
        s2_imap_resize(map, low.start, low.start, e.end);
    else
        s2_imap_insert(map, &e);
}

bool s2_chunk_next(const struct s2_imap *map, struct s2_ipa_range range, struct s2_chunk *out)
{
    struct s2_ient e;
    uint64_t skip;

    if (!s2_imap_overlaps(map, range.start.v, range.end.v, &e))
        return false;
    *out = unpack(&e);
    skip = s2_max_u64(range.start.v, e.start) - e.start;
    out->range = s2_range_meet(out->range, range);
    out->pa.v += skip;
    return true;
}

bool s2_chunk_around(const struct s2_space *sp, const struct s2_area *area, s2_ipa ipa, struct s2_chunk *out)
{
    struct s2_ient e;

    if (!s2_imap_find(&sp->chunks, ipa.v, &e))
        return false;
    *out = unpack(&e);
    out->range = s2_range_meet(out->range, area->range);
    out->pa.v += out->range.start.v - e.start;
    return true;
}

/* --- taking --------------------------------------------------------------------------------------------------------- */

/* log2 of the largest naturally aligned chunk that begins at ipa and has at most `bytes`. */
static unsigned chunk_log2(const struct s2_space *sp, uint64_t ipa, uint64_t bytes)
{
    unsigned log2 = (unsigned)s2_min_u64(sp->cfg.chunk_log2, s2_log2(bytes));

    return ipa ? (unsigned)s2_min_u64(log2, s2_ctz(ipa)) : log2;
}

/* One block of at most 2^log2 bytes and at least a granule, charged to the VM. */
static enum s2_err take_block(struct s2_space *sp, unsigned log2, bool promised, struct s2_block *b)
{
    enum s2_err err = s2_frames_alloc(sp->cfg.frames, log2 - S2_FRAME_LOG2, promised, b);

    if (!err && b->order + S2_FRAME_LOG2 < sp->cfg.geometry.granule_log2) {
        s2_frames_free(sp->cfg.frames, s2_pa_run(b->pa, S2_FRAME << b->order), true, promised);
        err = S2_EFRAMES;
    }
    if (!err)
        sp->frames_held += 1ull << b->order;
    return err;
}

static enum s2_err take_one(struct s2_space *sp, struct s2_op *op, uint64_t ipa, uint64_t bytes, uint64_t *got)
{
    struct s2_pool *pool = sp->cfg.nodes;
    uint32_t nodes = s2_imap_need(&sp->taken, 1);
    struct s2_block b;
    enum s2_err err = s2_pool_reserve(pool, nodes);

    if (err)
        return s2_refuse(op->detail, err, S2_AXIS_IPA, ipa, ipa + bytes, "needs more chunk nodes than there are");
    err = take_block(sp, chunk_log2(sp, ipa, bytes), true, &b);
    if (err) {
        s2_pool_unreserve(pool, nodes);
        return s2_refuse(op->detail, err, S2_AXIS_IPA, ipa, ipa + bytes, "needs more memory than is free");
    }
    op->frames_taken -= 1ull << b.order;
    *got = S2_FRAME << b.order;
    put(&sp->taken, (struct s2_ient){ipa, ipa + *got, {{b.pa.v, !b.clean, 0}}});
    s2_pool_unreserve(pool, nodes);
    return S2_OK;
}

/* The ledger must agree that these frames are nobody's: the allocator is not asked twice, and never alone. */
static enum s2_err check_free(struct s2_space *sp, const struct s2_chunk *c, struct s2_detail *d)
{
    struct s2_ledger_entry want = {.range = s2_pa_run(c->pa, s2_range_bytes(c->range)),
                                   .owner = sp->cfg.id,
                                   .state = S2_OWNED,
                                   .ipa = c->range.start};
    struct s2_claim claim;
    enum s2_err err = s2_ledger_plan(sp->cfg.ledger, &claim, S2_OWNER_NONE, S2_FREE, &want, d);

    s2_ledger_drop(sp->cfg.ledger, &claim);
    return err;
}

/* Is it in the middle of a chunk, which becomes two when it goes? */
static bool is_hole(const struct s2_space *sp, struct s2_ipa_range range)
{
    struct s2_ient e;

    return s2_imap_find(&sp->chunks, range.start.v, &e) && e.start < range.start.v && range.end.v < e.end;
}

/* For the chunks that were taken; and once more for the hole that they fill, if they replace what is there: two needs, each of
 * which the root has room for, may not fit there together. */
static enum s2_err promise_nodes(struct s2_space *sp, struct s2_op *op, struct s2_ipa_range range)
{
    uint32_t inserts = (uint32_t)sp->taken.count + is_hole(sp, range);

    return s2_op_more_nodes(op, sp->cfg.nodes, s2_imap_need_alone(&sp->chunks, inserts));
}

enum s2_err s2_chunks_take(struct s2_space *sp, struct s2_op *op, struct s2_ipa_range range)
{
    struct s2_chunk c;
    enum s2_err err = S2_OK;

    for (uint64_t ipa = range.start.v, got = 0; ipa < range.end.v && !err; ipa += got)
        err = take_one(sp, op, ipa, range.end.v - ipa, &got);
    for (s2_ipa at = range.start; !err && s2_chunk_next(&sp->taken, (struct s2_ipa_range){at, range.end}, &c);
         at = c.range.end)
        err = check_free(sp, &c, op->detail);
    /* cover: 2^31 pieces are 8 TiB and more */
    if (!err && sp->taken.count > UINT32_MAX / 2)
        err = S2_ENODES;
    if (!err)
        err = promise_nodes(sp, op, range);
    if (!err)
        err = s2_op_more_ledger(op, (uint32_t)sp->taken.count);
    if (err)
        s2_chunks_untake(sp, op);
    return err;
}

void s2_chunks_untake(struct s2_space *sp, struct s2_op *op)
{
    struct s2_ient e;

    while (s2_imap_find_from(&sp->taken, 0, &e)) {
        uint64_t frames = (e.end - e.start) / S2_FRAME;

        /* Nothing was written into them, so they are as clean as they were. */
        s2_frames_free(sp->cfg.frames, s2_pa_run(S2_PA(e.val.w[W_PA]), e.end - e.start), true, true);
        op->frames_taken += frames;
        sp->frames_held -= frames;
        s2_imap_erase(&sp->taken, e.start);
    }
}

/* --- becoming the VM's ------------------------------------------------------------------------------------------------ */

static void claim(struct s2_space *sp, const struct s2_chunk *c)
{
    struct s2_ledger_entry mine = {.range = s2_pa_run(c->pa, s2_range_bytes(c->range)),
                                   .owner = sp->cfg.id,
                                   .state = S2_OWNED,
                                   .rights = S2_RWX,
                                   .pooled = true,
                                   .ipa = c->range.start};

    s2_ledger_set(sp->cfg.ledger, &mine);
}

static void own(struct s2_space *sp, const struct s2_chunk *c)
{
    if (c->dirty)
        s2_frames_zero(sp->cfg.port, c->pa, s2_range_bytes(c->range));
    claim(sp, c);
}

void s2_chunks_own(struct s2_space *sp, struct s2_ipa_range range)
{
    struct s2_chunk c;

    for (; s2_chunk_next(&sp->taken, range, &c); range.start = c.range.end)
        own(sp, &c);
}

void s2_chunks_settle(struct s2_space *sp)
{
    struct s2_ient e;

    while (s2_imap_find_from(&sp->taken, 0, &e)) {
        s2_imap_erase(&sp->taken, e.start);
        e.val.w[W_DIRTY] = 0;
        put(&sp->chunks, e);
    }
}

void s2_chunks_hold(struct s2_space *sp, uint64_t mark)
{
    struct s2_ient e;

    while (s2_imap_find_from(&sp->taken, 0, &e)) {
        struct s2_chunk c = unpack(&e);

        claim(sp, &c);
        s2_imap_erase(&sp->taken, e.start);
        e.val.w[W_MARK] = mark;
        put(&sp->chunks, e);
    }
}

/* The entry that ends at `at` and the one that starts there become one if they may. */
static void join_at(struct s2_imap *map, uint64_t at)
{
    struct s2_ient low, high;

    if (!s2_imap_find(map, at, &high) || !s2_imap_find_below(map, at, &low) || !continues(&low, &high))
        return;
    s2_imap_erase(map, high.start);
    s2_imap_resize(map, low.start, low.start, high.end);
}

void s2_chunks_unmark(struct s2_space *sp, struct s2_ipa_range range)
{
    struct s2_ient e;

    for (uint64_t at = range.start.v; s2_imap_overlaps(&sp->chunks, at, range.end.v, &e); at = e.end) {
        e.val.w[W_DIRTY] = e.val.w[W_MARK] = 0;
        s2_imap_set(&sp->chunks, e.start, &e.val);
        join_at(&sp->chunks, e.start);
    }
    join_at(&sp->chunks, range.end.v);
}

/* --- giving back ------------------------------------------------------------------------------------------------------ */

/* Takes [start, end), which lies inside one entry, out of the map. pre: nodes for one insertion if it is in the middle. */
static void cut_out(struct s2_imap *map, uint64_t start, uint64_t end)
{
    struct s2_ient e, tail;

    (void)s2_imap_find(map, start, &e);
    tail = (struct s2_ient){end, e.end, {{e.val.w[W_PA] + (end - e.start), e.val.w[W_DIRTY], e.val.w[W_MARK]}}};
    if (e.start < start) {
        s2_imap_resize(map, e.start, e.start, start);
        if (end < e.end)
            s2_imap_insert(map, &tail);
    } else if (end < e.end) {
        s2_imap_resize(map, e.start, end, e.end);
        s2_imap_set(map, end, &tail.val);
    } else {
        s2_imap_erase(map, e.start);
    }
}

uint32_t s2_chunk_cut_nodes(const struct s2_space *sp, struct s2_ipa_range range)
{
    return is_hole(sp, range) ? s2_imap_need(&sp->chunks, 1) : 0;
}

/* The chunk's memory becomes nobody's, an entry at a time, though chunks that go next share it. */
static void disown(struct s2_space *sp, const struct s2_chunk *c, struct s2_ipa_range goes)
{
    struct s2_pa_range run = s2_pa_run(c->pa, s2_range_bytes(c->range));
    struct s2_ledger_entry e;
    s2_pa next;

    /* cover: what an area holds is in the ledger, from which nothing goes */
    for (s2_pa at = run.start; at.v < run.end.v && s2_ledger_find(sp->cfg.ledger, at, &e); at = next) {
        struct s2_ledger_entry nobodys = {
            .owner = S2_OWNER_NONE, .state = S2_FREE, .rights = S2_RWX, .ipa = S2_IPA_NONE};

        next = e.range.end;
        if (e.owner != sp->cfg.id)
            continue; /* went with what lies below */
        next = s2_ledger_goes(&e, at, S2_IPA(c->range.start.v + (at.v - run.start.v)), goes);
        nobodys.range = (struct s2_pa_range){at, next};
        s2_ledger_set(sp->cfg.ledger, &nobodys);
    }
}

uint64_t s2_chunks_release(struct s2_space *sp, struct s2_ipa_range range, struct s2_ipa_range goes, bool untouched)
{
    struct s2_chunk c;
    uint64_t frames = 0;

    while (s2_chunk_next(&sp->chunks, range, &c)) {
        struct s2_pa_range run = s2_pa_run(c.pa, s2_range_bytes(c.range));

        /* The ledger first: who finds the frame in the allocator must find it free there too. */
        disown(sp, &c, goes);
        s2_frames_free(sp->cfg.frames, run, untouched, false);
        cut_out(&sp->chunks, c.range.start.v, c.range.end.v);
        frames += s2_range_bytes(c.range) / S2_FRAME;
        range.start = c.range.end;
        if (range.start.v >= range.end.v)
            break;
    }
    sp->frames_held -= frames;
    return frames;
}

/* --- from and to shares ------------------------------------------------------------------------------------------------- */

void s2_chunks_leave(struct s2_space *sp, struct s2_ipa_range range)
{
    struct s2_chunk c;

    while (s2_chunk_next(&sp->chunks, range, &c)) {
        cut_out(&sp->chunks, c.range.start.v, c.range.end.v);
        sp->frames_held -= s2_range_bytes(c.range) / S2_FRAME;
        range.start = c.range.end;
    }
}

void s2_chunks_unadopt(struct s2_space *sp)
{
    struct s2_ient e;

    while (s2_imap_find_from(&sp->taken, 0, &e)) {
        sp->frames_held -= (e.end - e.start) / S2_FRAME;
        s2_imap_erase(&sp->taken, e.start);
    }
}

/* The run of the share that begins at `offset`, for ipa. */
static enum s2_err adopt_run(struct s2_space *sp, struct s2_op *op, uint64_t ipa, uint64_t offset, uint64_t *got)
{
    uint32_t nodes = s2_imap_need(&sp->taken, 1);
    uint64_t start;
    s2_pa pa = S2_PA(0);

    (void)s2_share_run(sp->cfg.ledger, s2_share_index(op->share), offset, &start, &pa, got);
    if ((offset | pa.v | *got) & (s2_granule_bytes(&sp->cfg.geometry) - 1))
        return s2_refuse(op->detail, S2_EALIGN, S2_AXIS_PA, pa.v, pa.v + *got,
                         "is memory that this VM's granule cannot map");
    if (s2_pool_reserve(sp->cfg.nodes, nodes))
        return s2_refuse(op->detail, S2_ENODES, S2_AXIS_IPA, ipa, ipa + *got, "needs more chunk nodes than there are");
    put(&sp->taken, (struct s2_ient){ipa, ipa + *got, {{pa.v, 0, 0}}});
    s2_pool_unreserve(sp->cfg.nodes, nodes);
    sp->frames_held += *got / S2_FRAME;
    return S2_OK;
}

enum s2_err s2_chunks_adopt(struct s2_space *sp, struct s2_op *op, struct s2_ipa_range range)
{
    uint64_t got = 0;
    enum s2_err err = S2_OK;

    for (uint64_t ipa = range.start.v; ipa < range.end.v && !err; ipa += got)
        err = adopt_run(sp, op, ipa, ipa - range.start.v, &got);
    if (!err)
        err = promise_nodes(sp, op, range);
    if (err)
        s2_chunks_unadopt(sp);
    return err;
}

/* --- a fault's chunk --------------------------------------------------------------------------------------------------- */

/* log2 of the largest naturally aligned block around ipa that lies in the area and holds no chunk yet. */
static unsigned room_around(const struct s2_space *sp, const struct s2_area *area, uint64_t ipa)
{
    unsigned log2 = sp->cfg.geometry.granule_log2;

    while (log2 < sp->cfg.chunk_log2) {
        uint64_t size = 2ull << log2, start = ipa & ~(size - 1);

        if (start < area->range.start.v || start + size > area->range.end.v ||
            s2_imap_overlaps(&sp->chunks, start, start + size, NULL))
            break;
        log2++;
    }
    return log2;
}

/* Without a promise the quota bounds the chunk; with one, what the area was promised covers it. */
static enum s2_err fault_block(struct s2_space *sp, const struct s2_area *area, s2_ipa ipa, struct s2_chunk *c)
{
    unsigned log2 = room_around(sp, area, ipa.v);
    struct s2_block b = {0};
    uint64_t bytes;
    bool promised = s2_area_promised(area);
    uint64_t left = s2_frames_left(sp);
    enum s2_err err;

    if (!promised) {
        if (left < 1ull << (sp->cfg.geometry.granule_log2 - S2_FRAME_LOG2))
            return S2_EQUOTA;
        log2 = (unsigned)s2_min_u64(log2, s2_log2(left) + S2_FRAME_LOG2);
    }
    err = take_block(sp, log2, promised, &b);
    if (err)
        return err;
    bytes = S2_FRAME << b.order;
    *c = (struct s2_chunk){.range.start.v = ipa.v & ~(bytes - 1), .pa = b.pa, .dirty = !b.clean};
    c->range.end.v = c->range.start.v + bytes;
    err = check_free(sp, c, NULL);
    if (err) {
        s2_frames_free(sp->cfg.frames, s2_pa_run(c->pa, bytes), true, promised);
        sp->frames_held -= 1ull << b.order;
    } else if (promised) {
        sp->frames_promised -= 1ull << b.order;
    }
    return err;
}

enum s2_err s2_chunk_fault(struct s2_space *sp, const struct s2_area *area, s2_ipa ipa)
{
    uint32_t nodes = s2_imap_need(&sp->chunks, 1), ledger_nodes;
    struct s2_chunk c;
    enum s2_err err = s2_pool_reserve(sp->cfg.nodes, nodes);

    if (err)
        return err;
    err = s2_ledger_reserve(sp->cfg.ledger, sp->cfg.id, 1, &ledger_nodes);
    if (!err) {
        err = fault_block(sp, area, ipa, &c);
        if (!err) {
            own(sp, &c);
            put(&sp->chunks, (struct s2_ient){c.range.start.v, c.range.end.v, {{c.pa.v, 0, 0}}});
        }
        s2_ledger_unreserve(sp->cfg.ledger, ledger_nodes);
    }
    s2_pool_unreserve(sp->cfg.nodes, nodes);
    return err;
}
