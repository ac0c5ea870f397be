/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The machine's memory, divided for the first time: the ledger's entries, and who allocates what. */
#include "vm/colours.h"

#include <boot/mem.h>
#include <stage2/share.h>

enum {
    NODE_ALIGN = 64,
    KIB_LOG2 = 10,
    MIB_LOG2 = 20,
    SHARES_EACH = 16, /* for every VM, so that none can use up another's */
};

static struct range pages_inside(struct range r)
{
    return (struct range){(r.start + S2_FRAME - 1) & ~(S2_FRAME - 1), r.end & ~(S2_FRAME - 1)};
}
static struct range pages_around(struct range r)
{
    return (struct range){r.start & ~(S2_FRAME - 1), (r.end + S2_FRAME - 1) & ~(S2_FRAME - 1)};
}

/* Enters what no entry covers yet: device trees name pages twice (several devices in one page), and that is no error. */
static bool enter(struct range r, uint16_t owner, enum s2_frame_state state, struct problems *p)
{
    uint8_t rights = state == S2_DEVICE ? S2_RW : S2_RWX;
    uint64_t limit = 1ull << host.caps.pa_bits;
    if (r.end > limit)
        r.end = limit; /* nothing beyond can be reached by anybody */
    while (r.start < r.end) {
        struct s2_ledger_entry e;
        bool any = s2_ledger_next(&host.ledger, S2_PA(r.start), &e) && e.range.start.v < r.end;
        uint64_t gap_end = any ? e.range.start.v : r.end;
        if (gap_end > r.start) {
            struct s2_detail d = {.err = S2_OK};
            struct s2_ledger_entry mine = {.range = {S2_PA(r.start), S2_PA(gap_end)},
                                           .owner = owner,
                                           .state = (uint8_t)state,
                                           .rights = rights,
                                           .ipa = S2_IPA_NONE};
            if (s2_ledger_add(&host.ledger, &mine, &d) != S2_OK) {
                host_explain(p, "machine: ", &d);
                return false;
            }
        }
        r.start = any ? e.range.end.v : r.end;
    }
    return true;
}

static bool enter_devices(struct problems *p)
{
    bool ok = true;
    for (unsigned pass = 0; pass < 2; pass++) /* ours first: a page that is shared with one of ours is ours */
        for (unsigned i = 0; i < host.machine.devices; i++)
            if (host.machine.device[i].hypervisor == (pass == 0))
                ok = ok && enter(pages_around(host.machine.device[i].reg), pass == 0 ? S2_OWNER_HYP : S2_OWNER_NONE,
                                 pass == 0 ? S2_HYP : S2_DEVICE, p);
    for (unsigned i = 0; i < host.machine.windows;
         i++) /* nobody is given what lies there, unless a node of its own says what */
        ok = ok && enter(pages_inside(host.machine.window[i]), S2_OWNER_NONE, S2_DEVICE, p);
    return ok;
}

/* The reserved range that begins first among those that meet [at, end); its part within, whole pages. */
static bool next_reserved(uint64_t at, uint64_t end, struct range *out)
{
    bool found = false;
    for (unsigned i = 0; i < host.machine.reserved; i++) {
        struct range r = pages_around(host.machine.res[i].range);
        if (!range_meets(r, (struct range){at, end}) || (found && r.start >= out->start))
            continue;
        *out = (struct range){r.start > at ? r.start : at, r.end < end ? r.end : end};
        found = true;
    }
    return found;
}

/* RAM without a hole that one allocator has, whole pages; what is reserved in it stays the hypervisor's. */
static bool add_bank(struct s2_frames *f, struct range bank, struct problems *p)
{
    struct s2_detail d = {.err = S2_OK};
    void *meta = mem_alloc(s2_frames_meta_bytes(S2_PA(bank.start), bank.end - bank.start), NODE_ALIGN);
    if (meta == NULL) {
        problem(p, "machine: ", "the hypervisor's pool is too small for the books about RAM %r", &bank);
        return false;
    }
    if (s2_frames_add(f, S2_PA(bank.start), bank.end - bank.start, meta, &d) != S2_OK) {
        host_explain(p, "machine: RAM: ", &d);
        return false;
    }
    bool ok = true;
    for (uint64_t at = bank.start; ok && at < bank.end;) {
        struct range res = {bank.end, bank.end};
        bool any = next_reserved(at, bank.end, &res);
        if (res.start > at) {
            s2_frames_free(f, (struct s2_pa_range){S2_PA(at), S2_PA(res.start)}, false, false);
            ok = enter((struct range){at, res.start}, S2_OWNER_NONE, S2_FREE, p);
        }
        if (any)
            ok = ok && enter(res, S2_OWNER_HYP, S2_HYP, p);
        at = res.end;
    }
    return ok;
}

static struct range pool_range(const struct manifest_pool *pool)
{
    return (struct range){pool->pa, pool->pa + pool->size};
}

/* What is left of the bank from `at` on before the next named region, and where to go on. */
static struct range next_general(uint64_t at, uint64_t end, uint64_t *next)
{
    struct range found = {end, end};
    for (unsigned i = 0; i < host.manifest.pools; i++) {
        struct range r = pool_range(&host.manifest.pool[i]);
        if ((host.pool[i] != NULL || colours_made(i)) && range_meets(r, (struct range){at, end}) &&
            r.start < found.start)
            found = r;
    }
    *next = found.end;
    return (struct range){at, found.start};
}

static bool add_general(struct range bank, struct problems *p)
{
    uint64_t limit = 1ull << host.caps.pa_bits, next;
    bool ok = true;
    bank = pages_inside(bank);
    if (bank.end > limit)
        bank.end = limit;
    for (uint64_t at = bank.start; ok && at < bank.end; at = next) {
        struct range piece = next_general(at, bank.end, &next);
        ok = range_empty(piece) || add_bank(&host.frames, piece, p);
    }
    return ok;
}

/* Memory that no allocator gives away. */
static bool make_coloured(unsigned index, struct problems *p)
{
    struct range r = pool_range(&host.manifest.pool[index]);
    return !colours_fit(index, p) || (enter(r, S2_OWNER_NONE, S2_FREE, p) && colours_make(index, p));
}

static bool make_pool(unsigned index, struct problems *p)
{
    if (host.manifest.pool[index].coloured)
        return make_coloured(index, p);
    struct s2_frames *f = mem_alloc(sizeof(*f), NODE_ALIGN);
    if (f == NULL) {
        problem(p, "machine: ", "the hypervisor's pool is too small for memory-region %s",
                host.manifest.pool[index].name);
        return false;
    }
    s2_frames_init(f, host.port);
    s2_frames_join(&host.frames, f);
    host.pool[index] = f;
    host.allocator[host.allocators++] = f;
    return add_bank(f, pool_range(&host.manifest.pool[index]), p);
}

static uint64_t ram_mib(void)
{
    uint64_t ram = 0;
    for (unsigned i = 0; i < host.machine.banks; i++)
        ram += host.machine.bank[i].end - host.machine.bank[i].start;
    return ram >> MIB_LOG2;
}

/* It may be allowed more than there is, but not have it. */
static uint64_t mib_of(const struct manifest_vm *v)
{
    uint64_t mib = !v->ok ? 0 : (manifest_memory(v, true) >> MIB_LOG2) + (v->spare_memory >> MIB_LOG2),
             most = ram_mib();
    return mib < most ? mib : most;
}

/* What the machine itself enters cuts at most so many pieces. */
static struct shape_ledger what_is_to_be_in_it(void)
{
    enum { OWN = 2 * (MACHINE_DEVICES + MACHINE_WINDOWS + MACHINE_RESERVED + MACHINE_BANKS + MANIFEST_POOLS) };
    struct shape_ledger l = {.own = OWN, .vms = host.manifest.vms};
    for (unsigned i = 0; i < l.vms; i++)
        l.mib += mib_of(&host.manifest.vm[i]);
    return l;
}

/* Nor may all together. */
static uint32_t nodes_wanted(struct shape_ledger l)
{
    if (l.mib > ram_mib())
        l.mib = ram_mib();
    return shape_ledger_nodes(&l);
}

static void share_ledger(const struct shape_ledger *l)
{
    static struct s2_ledger_account account[MANIFEST_VMS];
    uint64_t capacity = s2_imap_capacity(host.ledger_nodes.count);
    s2_ledger_quota(&host.ledger, account, MANIFEST_VMS);
    for (unsigned i = 0; i < l->vms; i++)
        s2_ledger_limit(&host.ledger, (uint16_t)(S2_OWNER_FIRST_VM + i),
                        shape_ledger_limit(l, capacity, mib_of(&host.manifest.vm[i])));
}

static bool make_ledger(struct problems *p)
{
    const struct shape_ledger l = what_is_to_be_in_it();
    size_t bytes = (size_t)nodes_wanted(l) * S2_NODE_BYTES;
    void *nodes = mem_alloc(bytes, NODE_ALIGN);
    struct s2_share *shares = mem_alloc(sizeof(*shares) * SHARES_EACH * MANIFEST_VMS, NODE_ALIGN);
    if (nodes == NULL || shares == NULL) {
        problem(p, "machine: ",
                "the hypervisor's pool (HYP_POOL_MIB) is too small for the ledger: %u KiB for VMs of %u MiB",
                bytes >> KIB_LOG2, l.mib);
        return false;
    }
    s2_pool_init(&host.ledger_nodes, nodes, bytes);
    s2_ledger_init(&host.ledger, host.port, &host.ledger_nodes, host.caps.pa_bits);
    s2_share_init(&host.ledger, shares, SHARES_EACH * MANIFEST_VMS, SHARES_EACH);
    share_ledger(&l);
    return true;
}

bool host_make_memory(struct problems *p)
{
    bool ok = make_ledger(p);
    s2_frames_init(&host.frames, host.port);
    host.allocator[host.allocators++] = &host.frames;
    for (unsigned i = 0; ok && i < host.manifest.pools; i++)
        ok = !host.manifest.pool[i].ok || make_pool(i, p);
    for (unsigned i = 0; ok && i < host.machine.banks; i++)
        ok = add_general(host.machine.bank[i], p);
    return ok && enter_devices(p);
}

struct s2_frames *host_frames(const struct manifest_vm *v)
{
    return v->pool < 0 ? &host.frames : host.pool[v->pool];
}

struct host_ram host_ram(void)
{
    struct host_ram sum = {0};
    for (unsigned i = 0; i < host.allocators; i++) {
        sum.total += host.allocator[i]->total;
        sum.free += host.allocator[i]->free;
        sum.clean += host.allocator[i]->clean;
        sum.reserved += host.allocator[i]->reserved;
    }
    return sum;
}

bool host_scrub_step(uint64_t budget)
{
    bool more = false;
    for (unsigned i = 0; i < host.allocators && !more; i++)
        more = s2_frames_scrub_step(host.allocator[i], budget);
    for (unsigned i = 0; i < MANIFEST_POOLS && !more; i++)
        more = colours_scrub_step(i, budget);
    return more;
}
