/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/colours.h"

#include <stage2/colours.h>

#include <boot/mem.h>

enum { COLOURS = CONFIG_CACHE_COLOURS, PIECES = 2 * MANIFEST_VMS, NODE_ALIGN = 64 };
_Static_assert((COLOURS & (COLOURS - 1)) == 0 && COLOURS != 1, "CACHE_COLOURS is 0 or a power of two from 2 on");

static struct s2_colours *region[MANIFEST_POOLS];

bool colours_made(unsigned pool)
{
    return region[pool] != NULL;
}

bool colours_fit(unsigned pool, struct problems *p)
{
    const struct manifest_pool *m = &host.manifest.pool[pool];
    uint64_t stripe = COLOURS * S2_FRAME;
    if (COLOURS == 0)
        problem(p, "machine: ", "memory-region %s is coloured, and this hypervisor was built without CACHE_COLOURS",
                m->name);
    else if ((m->pa | m->size) & (stripe - 1))
        problem(p, "machine: ", "memory-region %s is not a number of whole stripes of colours, %x", m->name, stripe);
    return COLOURS != 0 && ((m->pa | m->size) & (stripe - 1)) == 0;
}

bool colours_make(unsigned pool, struct problems *p)
{
    const struct manifest_pool *m = &host.manifest.pool[pool];
    struct s2_pa_range range = {S2_PA(m->pa), S2_PA(m->pa + m->size)};
    struct s2_colours *c = mem_alloc(sizeof(*c) + PIECES * sizeof(struct s2_colour_piece), NODE_ALIGN);
    struct s2_detail d = {.err = S2_OK};
    if (c == NULL) {
        problem(p, "machine: ", "the hypervisor's pool is too small for memory-region %s", m->name);
        return false;
    }
    if (s2_colours_add(&host.ledger, c, range, COLOURS, S2_FRAME_LOG2, (struct s2_colour_piece *)(c + 1), PIECES, &d) !=
        S2_OK) {
        host_explain(p, "machine: memory-region: ", &d);
        return false;
    }
    region[pool] = c;
    return true;
}

bool colours_scrub_step(unsigned pool, uint64_t budget)
{
    return region[pool] != NULL && s2_colours_scrub_step(&host.ledger, region[pool], budget);
}

static enum s2_err give(uint16_t vm, const struct manifest_region *r, struct s2_detail *d)
{
    struct s2_colouring c;
    if (s2_colours_at(&host.ledger, vm, S2_IPA(r->ipa), &c))
        return S2_OK; /* it has it */
    if (region[r->pool] == NULL)
        return s2_refuse(d, S2_ENOENT, S2_AXIS_NONE, 0, 0, "is of a memory-region that is not there");
    return s2_colours_give(&host.ledger, region[r->pool], vm, r->colours, r->size, S2_IPA(r->ipa), d);
}

bool colours_give_step(uint16_t vm, const struct manifest_region *r, uint64_t budget)
{
    if (r->colours == 0 || give(vm, r, NULL) != S2_EBUSY)
        return false;
    (void)colours_scrub_step(r->pool, budget);
    return true;
}

enum s2_err colours_check(uint16_t vm, const struct manifest_region *r, struct s2_detail *d)
{
    return r->colours == 0 ? S2_OK : give(vm, r, d);
}

void colours_take_back(uint16_t vm)
{
    while (s2_colours_take_back(&host.ledger, vm))
        continue;
}
