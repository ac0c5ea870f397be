/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A space in words. Lines are made in a buffer on the stack; what does not fit is cut off. */
#include "space/inner.h"

enum { LINE = 160 };

struct text {
    char line[LINE];
    unsigned length;
};

static void put(struct text *t, const char *s)
{
    while (*s && t->length < LINE - 1)
        t->line[t->length++] = *s++;
    t->line[t->length] = '\0';
}

static void pad(struct text *t, unsigned column)
{
    do
        put(t, " ");
    while (t->length < column);
}

static void put_number(struct text *t, uint64_t x, unsigned base)
{
    enum { DIGITS = 20 };
    char digits[DIGITS + 1];
    unsigned at = DIGITS;

    digits[DIGITS] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[x % base];
        x /= base;
    } while (x);
    put(t, digits + at);
}

static void put_hex(struct text *t, uint64_t x)
{
    put(t, "0x");
    put_number(t, x, 16);
}

/* Bytes, at least a page of them, in the largest unit that divides them. */
static void put_size(struct text *t, uint64_t bytes)
{
    static const char unit[] = "KMGT";
    unsigned u = 0;

    bytes >>= 10;
    while (u < sizeof unit - 2 && !(bytes & 1023)) {
        bytes >>= 10;
        u++;
    }
    put_number(t, bytes, 10);
    put(t, (const char[]){unit[u], '\0'});
}

static void put_range(struct text *t, uint64_t start, uint64_t end)
{
    put_hex(t, start);
    put(t, "-");
    put_hex(t, end);
}

static void put_attr(struct text *t, s2_attr attr)
{
    static const char *const type[] = {"wb", "wt", "nc", "nGnRnE", "nGnRE", "nGRE", "GRE", "?"};

    put(t, attr.bits & S2_R ? "r" : "-");
    put(t, attr.bits & S2_W ? "w" : "-");
    put(t, attr.bits & S2_X ? "x" : "-");
    put(t, attr.bits & S2_UX ? "u " : "- ");
    put(t, type[(attr.bits & S2_MT_MASK) >> S2_MT_SHIFT]);
}

/* --- areas -------------------------------------------------------------------------------------------------------------- */

struct leaf_count {
    uint64_t leaves[5];
};

static bool count(void *arg, const struct s2_leaf *leaf)
{
    struct leaf_count *c = arg;

    c->leaves[leaf->level + 1]++;
    return true;
}

static void put_leaves(struct text *t, const struct s2_space *sp, struct s2_ipa_range range)
{
    struct leaf_count c = {{0}};
    bool any = false;

    s2_table_visit(&sp->table, range, count, &c);
    for (int level = -1; level <= 3; level++) {
        uint64_t n = c.leaves[level + 1];

        if (!n)
            continue;
        if (any)
            put(t, "+");
        put_number(t, n, 10);
        put(t, "x");
        put_size(t, 1ull << s2_level_shift(&sp->cfg.geometry, level));
        any = true;
    }
    if (!any)
        put(t, "-");
}

/* Where an area's memory is: one address when it lies together, else in how many pieces. */
static void put_backing(struct text *t, const struct s2_space *sp, const struct s2_area *a)
{
    struct s2_ipa_range left = a->range;
    struct s2_chunk c, first = {0};
    uint64_t chunks = 0;

    if (a->backend != &s2_backend_alloc) {
        put_hex(t, a->backing);
        return;
    }
    for (; left.start.v < left.end.v && s2_chunk_next(&sp->chunks, left, &c); left.start = c.range.end)
        if (chunks++ == 0)
            first = c;
    if (chunks == 0) {
        put(t, "-");
    } else if (chunks == 1) {
        put_hex(t, first.pa.v);
    } else {
        put_number(t, chunks, 10);
        put(t, " chunks");
    }
}

static void area_line(struct text *t, const struct s2_space *sp, const struct s2_area *a)
{
    enum { COLUMN_SIZE = 30, COLUMN_KIND = 37, COLUMN_PA = 48, COLUMN_ATTR = 63, COLUMN_LEAVES = 76, COLUMN_NAME = 96 };

    *t = (struct text){.length = 0};
    put_range(t, a->range.start.v, a->range.end.v);
    pad(t, COLUMN_SIZE);
    put_size(t, s2_range_bytes(a->range));
    pad(t, COLUMN_KIND);
    put(t, a->backend->kind);
    put(t, a->flags & S2_AREA_GROWING ? " grows" : "");
    put(t, !(a->flags & S2_AREA_LAZY) ? "" : a->flags & S2_AREA_OVERCOMMIT ? " over" : " lazy");
    pad(t, COLUMN_PA);
    put_backing(t, sp, a);
    pad(t, COLUMN_ATTR);
    put_attr(t, a->attr);
    pad(t, COLUMN_LEAVES);
    put_leaves(t, sp, a->range);
    pad(t, COLUMN_NAME);
    put(t, "#");
    put_number(t, a->name, 10);
}

void s2_space_dump_areas(struct s2_space *sp, s2_line_fn *line, void *arg)
{
    struct s2_area a;
    struct text t;

    s2_space_lock_shared(sp);
    for (s2_ipa at = S2_IPA(0); s2_area_set_find_from(&sp->areas, at, &a); at = a.range.end) {
        area_line(&t, sp, &a);
        line(arg, t.line);
    }
    s2_space_unlock_shared(sp);
}

/* --- tables -------------------------------------------------------------------------------------------------------------- */

/* Leaves of one level and attribute, with the Contiguous bit or without, each following the one before it at both addresses. */
struct run {
    const struct s2_space *sp;
    s2_line_fn *line;
    void *arg;
    struct s2_leaf first, last;
    uint64_t leaves;
};

static void run_line(const struct run *r)
{
    enum { COLUMN_PA = 30, COLUMN_LEAVES = 50, COLUMN_ATTR = 64 };
    struct text t = {.length = 0};

    if (!r->leaves)
        return;
    put_range(&t, r->first.range.start.v, r->last.range.end.v);
    pad(&t, COLUMN_PA);
    put(&t, "-> ");
    put_hex(&t, r->first.pa.v);
    pad(&t, COLUMN_LEAVES);
    put_number(&t, r->leaves, 10);
    put(&t, "x");
    put_size(&t, 1ull << s2_level_shift(&r->sp->cfg.geometry, r->first.level));
    pad(&t, COLUMN_ATTR);
    put_attr(&t, r->first.attr);
    put(&t, r->first.contiguous ? " contiguous" : "");
    r->line(r->arg, t.line);
}

static bool add_leaf(void *arg, const struct s2_leaf *leaf)
{
    struct run *r = arg;
    bool follows = r->leaves && leaf->level == r->last.level && s2_attr_eq(leaf->attr, r->last.attr) &&
                   leaf->contiguous == r->last.contiguous && leaf->range.start.v == r->last.range.end.v &&
                   leaf->pa.v == r->last.pa.v + s2_range_bytes(r->last.range);

    if (!follows) {
        run_line(r);
        r->first = *leaf;
        r->leaves = 0;
    }
    r->last = *leaf;
    r->leaves++;
    return true;
}

void s2_space_dump_tables(struct s2_space *sp, s2_line_fn *line, void *arg)
{
    struct run r = {.sp = sp, .line = line, .arg = arg};
    struct s2_ipa_range all = {S2_IPA(0), S2_IPA(s2_ipa_limit(&sp->cfg.geometry))};

    s2_space_lock_shared(sp);
    s2_table_visit(&sp->table, all, add_leaf, &r);
    run_line(&r);
    s2_space_unlock_shared(sp);
}
