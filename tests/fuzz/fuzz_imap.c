/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Any bytes as operations on two interval maps that share a pool, each made on a sorted array too.
 *
 * An input: four bytes that choose the world (struct keys, nodes, mood), then operations: a byte that says which, by its
 * low six bits (ops[]), and on which map, by bit 6; and its operands. */
#include "imap_world.h"

/* --- the world ---------------------------------------------------------------------------------------------------- */

static const struct keys keys[] = {
    {0, 1, 500, 12, 48, {0, 0}},                                        /* the root leaf and a little more */
    {0, 1, 6000, 12, 400, {4, 7}},                                      /* one or two levels of inner nodes */
    {0x40000000, 0x1000, 0x10000, 16, 1500, {21, 30}},                  /* guest memory */
    {0x80000000, 0x1000, 0x100000, 64, 2 * MOST / 6, {16, 21}},         /* thousands of entries: three levels */
    {0, 1, UINT64_MAX, UINT32_MAX, 1500, {12, 21}},                     /* gaps of more than 2^32 units */
    {UINT64_MAX - 4000, 1, 4000, 20, 300, {0, 3}},                      /* ends where keys do */
    {UINT64_C(0) - (1 << 24), 0x1000, (1 << 12) - 1, 9, 300, {16, 16}}, /* the same in pages */
};

static const struct fuzz_shape shapes[] = {
    {"500 keys", {0, 0, 1, 0}, 5000, 5},           {"6,000 keys", {1, 0, 4, 0}, 40000, 6},
    {"256 MiB by 4 KiB", {2, 0, 15, 0}, 60000, 5}, {"4 GiB by 4 KiB", {3, 0, 255, 0}, 600000, 4},
    {"all keys", {4, 0, 20, 0}, 60000, 3},         {"the top, by one", {5, 0, 4, 0}, 20000, 3},
    {"the top, by 4 KiB", {6, 0, 4, 0}, 20000, 3}, {"a pool of five nodes", {1, 5, 2, 0}, 8000, 2},
};

static struct world *open_world(const uint8_t *data, size_t bytes)
{
    struct world *w = calloc(1, sizeof(*w));
    uint32_t nodes;

    w->in = (struct fuzz_in){data, data + bytes};
    w->keys = &keys[fuzz_u8(&w->in) % (sizeof(keys) / sizeof(keys[0]))];
    nodes = fuzz_u8(&w->in);
    w->mood_period = 256u * fuzz_u8(&w->in);
    (void)fuzz_u8(&w->in);
    nodes = nodes ? nodes : w->keys->nodes;
    w->mem = aligned_alloc(64, (size_t)nodes * S2_NODE_BYTES);
    s2_pool_init(&w->pool, w->mem, (size_t)nodes * S2_NODE_BYTES);
    for (unsigned i = 0; i < 2; i++) {
        struct flat *f = &w->flat[i];

        *f = (struct flat){.room = MOST + 1, .lo = w->keys->lo, .unit = w->keys->unit};
        f->hi = f->lo + w->keys->units * f->unit;
        f->e = malloc(f->room * sizeof(f->e[0]));
        s2_imap_init(&w->map[i], &w->pool, f->lo, f->hi, aligns(w->keys));
    }
    return w;
}

static void close_world(struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        s2_imap_clear(&w->map[i]);
        FUZZ_EQ(w->map[i].nodes, 0);
        free(w->flat[i].e);
    }
    FUZZ_EQ(w->pool.free, w->pool.count);
    FUZZ_SOUND(s2_pool_check(&w->pool));
    free(w->mem);
    free(w);
}

/* --- the interpreter ---------------------------------------------------------------------------------------------- */

typedef void operation(struct world *w);

/* By the low six bits. */
#define TWICE(x)  x, x
#define TIMES4(x) TWICE(x), TWICE(x)
#define TIMES8(x) TIMES4(x), TIMES4(x)
static operation *const ops[64] = {
    [0x00] = TIMES8(try_insert),
    [0x08] = TIMES4(try_insert),
    [0x0c] = TIMES8(try_erase),
    [0x14] = TIMES4(try_resize),
    [0x18] = TIMES8(try_cursor),
    [0x20] = TIMES8(try_find_gap),
    [0x28] = TIMES4(try_find),
    [0x2c] = TIMES4(try_walk),
    [0x30] = TIMES4(try_insert_run),
    [0x34] = TIMES4(try_erase_run),
    [0x38] = TWICE(try_set),
    [0x3a] = TWICE(try_overlaps),
    [0x3c] = try_clear,
    [0x3d] = try_find,
    [0x3e] = try_insert,
    [0x3f] = try_erase,
};

/* The maps grow and shrink by turns: of each three periods, one where most erasures are insertions, one the other way
 * round. */
static operation *chosen(const struct world *w, uint32_t b)
{
    operation *op = ops[b & 63];

    if (w->mood_period == 0 || b >= 0xe0)
        return op;
    switch (fuzz.step / w->mood_period % 3) {
    case 0:
        return op == try_erase ? try_insert : op == try_erase_run ? try_insert_run : op;
    case 1:
        return op == try_insert ? try_erase : op == try_insert_run ? try_erase_run : op;
    default:
        return op;
    }
}

static uint64_t run_imap(const uint8_t *data, size_t bytes)
{
    struct world *w = open_world(data, bytes);

    for (fuzz.step = 1; fuzz_more(&w->in); step(w)) {
        uint32_t b = fuzz_u8(&w->in);
        operation *op = chosen(w, b);

        w->on = b >> 6 & 1;
        op(w);
    }
    for (w->on = 0; w->on < 2; w->on++)
        compare_all(w);
    close_world(w);
    return fuzz.step - 1;
}

const struct fuzz_target fuzz_target = {"imap", run_imap, shapes, sizeof(shapes) / sizeof(shapes[0])};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz.data = data;
    fuzz.bytes = bytes;
    (void)run_imap(data, bytes);
    return 0;
}
