/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the audit is for, done to the first two VMs of the manifest, which run on and take no notice: none touches the page that
 * this is about. Each is what a fault in the hypervisor would leave behind, in the tables or in one of the books. */
#ifdef CONFIG_SELFTEST_DAMAGE

#include "vm/selftest_damage.h"

#include <boot/boot.h>
#include <boot/layout.h>
#include <boot/mem.h>
#include <cpu/cpu.h>
#include <s2_port.h>

#include "vm/vm.h"

#define PAGE_OFFSET 0x380000ull   /* in the first region of a VM: no guest goes there */
#define SPARE_IPA   0x70000000ull /* of the first VM: no area is there */

/* What is to be put back. */
static struct {
    uint64_t pa;
    struct s2_ledger_entry entry;
    struct s2_ient record;
    struct s2_tquota quota;
    struct s2_tstash stash;
    uint64_t *slot, desc, vmid;
    void *window;
} kept;

static struct vm *first(void)
{
    return vm_at(0);
}
static struct vm *second(void)
{
    return vm_at(1);
}

static struct s2_pa_range page_at(uint64_t pa)
{
    return (struct s2_pa_range){S2_PA(pa), S2_PA(pa + S2_FRAME)};
}

static s2_ipa page_ipa(const struct vm *vm)
{
    return S2_IPA(vm->cfg->region[0].ipa + PAGE_OFFSET);
}

static uint64_t page_of(struct vm *vm)
{
    struct s2_leaf leaf;
    return s2_space_translate(&vm->space, page_ipa(vm), &leaf) ? leaf.pa.v + (page_ipa(vm).v - leaf.range.start.v) : 0;
}

static struct s2_ledger_entry entry_of(uint64_t pa)
{
    struct s2_ledger_entry e;
    (void)s2_ledger_find(&host.ledger, S2_PA(pa), &e);
    if (e.ipa.v != S2_IPA_NONE.v)
        e.ipa.v += pa - e.range.start.v;
    e.range = page_at(pa);
    return e;
}

static bool set_entry(const struct s2_ledger_entry *e)
{
    uint32_t nodes;
    if (s2_ledger_reserve(&host.ledger, S2_OWNER_HYP, 1, &nodes) != S2_OK)
        return false;
    s2_ledger_set(&host.ledger, e);
    s2_ledger_unreserve(&host.ledger, nodes);
    return true;
}

/* --- leaves ----------------------------------------------------------------------------------------------------------- */

/* The page is the first VM's for as long as it takes to map it there. */
static bool map_spare(uint64_t pa)
{
    struct s2_ledger_entry e = entry_of(pa);
    struct s2_area area = {.range = {S2_IPA(SPARE_IPA), S2_IPA(SPARE_IPA + S2_FRAME)},
                           .backend = &s2_backend_linear,
                           .backing = pa,
                           .attr = S2_ATTR(S2_RW)};
    bool ok;
    kept.pa = pa;
    kept.entry = e;
    e.owner = first()->id;
    e.state = S2_OWNED;
    e.pooled = false;
    e.ipa = S2_IPA_NONE;
    ok = set_entry(&e) && s2_space_map(&first()->space, &area, S2_MAP_NEW, NULL) == S2_OK;
    return set_entry(&kept.entry) && ok;
}

static void unmap_spare(void)
{
    struct s2_ledger_entry e = kept.entry;
    e.owner = first()->id;
    e.state = S2_OWNED;
    e.pooled = false;
    e.ipa = S2_IPA(SPARE_IPA);
    (void)set_entry(&e);
    (void)!s2_space_unmap(&first()->space, (struct s2_ipa_range){S2_IPA(SPARE_IPA), S2_IPA(SPARE_IPA + S2_FRAME)},
                          NULL);
    (void)set_entry(&kept.entry);
}

static const char *alien(uint64_t *where)
{
    *where = page_of(second());
    return map_spare(*where) ? NULL : "cannot be mapped";
}

static const char *stale(uint64_t *where)
{
    struct s2_block b;
    if (s2_frames_alloc(&host.frames, 0, false, &b) != S2_OK)
        return "no frame is free";
    *where = b.pa.v;
    bool ok = map_spare(b.pa.v); /* and it is free by the ledger again */
    s2_frames_free(&host.frames, page_at(b.pa.v), false, false);
    return ok ? NULL : "cannot be mapped";
}

static void undo_stale(void)
{
    bool clean;
    if (s2_frames_alloc_at(&host.frames, page_at(kept.pa), &clean, NULL) != S2_OK)
        return;
    unmap_spare();
    s2_frames_free(&host.frames, page_at(kept.pa), false, false);
}

static const char *right(uint64_t *where)
{
    struct s2_ledger_entry e = entry_of(page_of(first()));
    *where = e.range.start.v;
    kept.entry = e;
    e.rights = S2_R;
    return set_entry(&e) ? NULL : "the ledger has no room";
}

static void put_entry(void)
{
    (void)set_entry(&kept.entry);
}

static const char *descriptor(uint64_t *where)
{
    struct s2_walk_step steps[5];
    unsigned n = s2_space_walk(&second()->space, page_ipa(second()), steps);
    kept.slot = s2_port_table(host.port, steps[n - 1].slot);
    kept.desc = *kept.slot;
    *where = page_ipa(second()).v;
    __atomic_store_n(kept.slot, kept.desc ^ S2_FRAME, __ATOMIC_RELAXED); /* the neighbour of the frame */
    return NULL;
}

static void put_descriptor(void)
{
    __atomic_store_n(kept.slot, kept.desc, __ATOMIC_RELAXED);
}

/* --- books ------------------------------------------------------------------------------------------------------------ */

static const char *freed(uint64_t *where)
{
    *where = kept.pa = page_of(first());
    s2_frames_free(host_frames(first()->cfg), page_at(kept.pa), true, false);
    return NULL;
}

static void undo_freed(void)
{
    bool clean;
    (void)!s2_frames_alloc_at(host_frames(first()->cfg), page_at(kept.pa), &clean, NULL);
}

static const char *leak(uint64_t *where)
{
    struct s2_block b;
    if (s2_frames_alloc(&host.frames, 0, false, &b) != S2_OK)
        return "no frame is free";
    *where = kept.pa = b.pa.v;
    return NULL;
}

static void undo_leak(void)
{
    s2_frames_free(&host.frames, page_at(kept.pa), true, false);
}

static const char *charge(uint64_t *where)
{
    (void)where;
    first()->space.frames_held++;
    return NULL;
}

static void undo_charge(void)
{
    first()->space.frames_held--;
}

static const char *account(uint64_t *where)
{
    (void)where;
    host.ledger.account[second()->index].held++;
    return NULL;
}

static void undo_account(void)
{
    host.ledger.account[second()->index].held--;
}

static const char *node(uint64_t *where)
{
    (void)where;
    return s2_pool_reserve(&second()->nodes, 1) == S2_OK ? NULL : "no node is free";
}

static void undo_node(void)
{
    s2_pool_unreserve(&second()->nodes, 1);
}

static const char *table(uint64_t *where)
{
    struct s2_tpool *p = &host.tables[0];
    kept.quota = (struct s2_tquota){.limit = 1};
    kept.stash = S2_TSTASH_EMPTY;
    *where = p->base.v;
    return s2_tpool_take(p, &kept.quota, 1, &kept.stash) == S2_OK ? NULL : "no table page is free";
}

static void undo_table(void)
{
    s2_tpool_give(&host.tables[0], &kept.quota, &kept.stash);
}

static const char *share(uint64_t *where)
{
    const struct s2_ledger *l = &host.ledger;
    struct s2_ledger_entry e;
    struct s2_ient run;
    for (unsigned i = 0; i < l->shares; i++) {
        if (l->share[i].phase == S2_SHARE_UNUSED || !s2_imap_find_from(&l->share[i].runs, 0, &run))
            continue;
        *where = run.val.w[0];
        (void)s2_imap_find(&l->map, *where, &kept.record);
        (void)s2_ledger_find(&host.ledger, S2_PA(*where), &e);
        e.state = S2_OWNED;
        e.share = 0;
        return set_entry(&e) ? NULL : "the ledger has no room";
    }
    return "nothing is shared";
}

/* As it was, bit for bit; it has had the same owner, and so the same account. */
static void undo_share(void)
{
    s2_imap_set(&host.ledger.map, kept.record.start, &kept.record.val);
}

static const char *vmid(uint64_t *where)
{
    if (first()->state != VM_PAUSED || second()->state != VM_PAUSED)
        return "they are to be paused first: who runs with another's VMID meets its translations";
    (void)where;
    kept.vmid = second()->space.table.vmid.id;
    second()->space.table.vmid.id = first()->space.table.vmid.id;
    return NULL;
}

static void undo_vmid(void)
{
    second()->space.table.vmid.id = kept.vmid;
}

/* --- what EL2 maps ------------------------------------------------------------------------------------------------------ */

enum { LEVELS = 4, INDEX_MASK = 511 };
#define DESC_ADDRESS  0xfffffffff000ull
#define DESC_RO_OR_XN (1ull << 7 | 1ull << 54)

static uint64_t *own_table(uint64_t pa)
{
    bool in_image = pa - boot_info.image.start < boot_info.image.end - boot_info.image.start;
    return in_image ? (uint64_t *)(VA_IMAGE + (pa - boot_info.image.start)) : mem_pool_va(pa);
}

/* The descriptor of a page that has been mapped by itself. */
static uint64_t *own_slot(uint64_t va)
{
    uint64_t *t = this_cpu()->windows.map.root;
    unsigned shift = 39;
    for (unsigned level = 0; level < LEVELS - 1; level++, shift -= 9)
        t = own_table(t[va >> shift & INDEX_MASK] & DESC_ADDRESS);
    return &t[va >> shift & INDEX_MASK];
}

static const char *executable(uint64_t *where)
{
    static const void *page;
    static uint64_t pa;
    if (page == NULL) {
        void *own = mem_alloc(S2_FRAME, S2_FRAME);
        pa = own != NULL ? mem_pa(own) : 0;
        page = own != NULL ? mem_map_ro(pa, S2_FRAME) : NULL;
    }
    if (page == NULL)
        return "the hypervisor's pool is used up";
    *where = pa;
    kept.slot = own_slot((uintptr_t)page);
    kept.desc = *kept.slot;
    __atomic_store_n(kept.slot, kept.desc & ~DESC_RO_OR_XN, __ATOMIC_RELAXED);
    return NULL;
}

static const char *window(uint64_t *where)
{
    *where = page_of(first());
    kept.window = mem_window_map(*where, S2_FRAME);
    return kept.window != NULL ? NULL : "both windows are in use";
}

static void undo_window(void)
{
    mem_window_unmap(kept.window, S2_FRAME);
}

/* --- all ------------------------------------------------------------------------------------------------------------------ */

static const struct damage damages[] = {
    {"alien", "a leaf of the first VM points to a frame of the second", alien, unmap_spare},
    {"stale", "a leaf is left, and its frame was freed", stale, undo_stale},
    {"right", "a leaf has a right that the ledger does not give", right, put_entry},
    {"descriptor", "a descriptor has a bit that nobody set", descriptor, put_descriptor},
    {"freed", "a frame that is in use is free in the allocator", freed, undo_freed},
    {"leak", "a frame was taken from the allocator, and forgotten", leak, undo_leak},
    {"charge", "a VM is charged for a frame twice", charge, undo_charge},
    {"account", "a VM is charged for an entry of the ledger twice", account, undo_account},
    {"node", "a node was promised, and nobody needs it", node, undo_node},
    {"table", "a table page was taken, and charged to nobody", table, undo_table},
    {"share", "frames of a share are their owner's alone by the ledger", share, undo_share},
    {"vmid", "two VMs have one VMID", vmid, undo_vmid},
    {"executable", "the hypervisor may write what it may execute", executable, put_descriptor},
    {"window", "a window onto a VM's frame was left open", window, undo_window},
};

const struct damage *damage_at(unsigned index)
{
    return index < sizeof(damages) / sizeof(damages[0]) ? &damages[index] : NULL;
}

#else
typedef int selftest_damage_is_off; /* ISO C wants something in every file */
#endif
