/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The audit of a whole machine with two VMs: what is wrong with the books of one of them, with table pages, VMIDs, and what the
 * hypervisor maps is found, under the right name and at the right place. */
#include "audit_world.h"

/* --- spaces ------------------------------------------------------------------------------------------------------------------ */

static void a_frame_reachable_without_a_right(void **state)
{
    struct machine *m = *state;
    uint64_t pa = pa_of(&m->w->space, ALLOC + PAGE);
    struct s2_ledger_entry was = entry_at(m, pa, PAGE), e = was;

    e.owner = OTHER;
    s2_ledger_set(&m->w->ledger, &e);
    (void)finds(m, VM, "is mapped, and the ledger says that it is not this VM's", pa);
    (void)finds(m, OTHER, "is mapped by the ledger, not by its area", pa);
    e = was;
    e.rights = S2_R;
    s2_ledger_set(&m->w->ledger, &e);
    (void)finds(m, VM, "is mapped with rights that the ledger does not allow", pa);
    s2_ledger_set(&m->w->ledger, &was);
}

static void stale_rights(void **state)
{
    struct machine *m = *state;
    struct s2_ledger_entry was = entry_at(m, THEIRS_PA + MIB(3), PAGE), e = was;

    e.ipa = S2_IPA(MIB(100));
    s2_ledger_set(&m->w->ledger, &e);
    (void)finds(m, OTHER, "is mapped by the ledger, not by an area", THEIRS_PA + MIB(3));
    s2_ledger_set(&m->w->ledger, &was);
}

static void books_of_a_space(void **state)
{
    struct machine *m = *state;
    struct s2_space *sp = &m->other;
    uint32_t free = m->nodes.free;

    m->nodes.free--;
    (void)finds(m, OTHER, s2_pool_check(&m->nodes), 0);
    m->nodes.free = free;
    m->nodes.count++;
    (void)finds(m, OTHER, "has nodes that no map of it uses", m->nodes.count - 1);
    m->nodes.count--;
    m->nodes.reserved++;
    (void)finds(m, OTHER, "has nodes promised that nobody needs", m->nodes.reserved);
    m->nodes.reserved--;
    sp->areas.map.nodes++;
    (void)finds(m, OTHER, s2_imap_check(&sp->areas.map), 0);
    sp->areas.map.nodes--;
    sp->table.quota.used++;
    (void)finds(m, OTHER, "is charged for table pages that it has nowhere", sp->table.quota.used - 1);
    (void)finds(m, S2_OWNER_HYP, "has table pages that are charged to nobody, or twice", RAM_BASE);
    m->busy_caches = true; /* what vCPUs have in hand may be the rest, but the sum is what it is */
    (void)finds(m, S2_OWNER_HYP, "has table pages that are charged to nobody, or twice", RAM_BASE);
    assert_int_equal(m->findings, 1);
    m->busy_caches = false;
    sp->table.quota.used--;
    /* One wrong sum does not hide the next. */
    sp->frames_promised++;
    sp->frames_held++;
    sp->taken.count++;
    sp->cut_nodes += S2_CUT_NODES;
    (void)finds(m, OTHER, "has more in its cut reserve than belongs there", 0);
    (void)finds(m, OTHER, "promises other frames than its areas lack", sp->frames_promised - 1);
    (void)finds(m, OTHER, "holds another number of frames than its chunks have", sp->frames_held - 1);
    (void)finds(m, OTHER, "still holds what an operation took", 0);
    sp->cut_nodes -= S2_CUT_NODES;
    sp->taken.count--;
    sp->frames_held--;
    sp->frames_promised--;
}

/* Between two steps, while one of them has looked at half of it. */
static void a_space_that_goes_meanwhile(void **state)
{
    struct machine *m = *state;

    m->findings = 0;
    s2_audit_begin(&m->audit, &m->cfg);
    while (m->audit.spaces < 2)
        assert_true(s2_audit_step(&m->audit, 1));
    s2_space_destroy_begin(&m->other);
    while (s2_audit_step(&m->audit, 1))
        continue;
    assert_int_equal(m->findings, 0);
    assert_int_equal(m->audit.spaces, 2);
    finish_other(m);
}

static void table_pages(void **state)
{
    struct machine *m = *state;
    struct s2_tpool *p = &m->w->tables;
    struct s2_tpage *free = &p->meta[p->free_head];
    struct s2_ledger_entry e = ledger_entry(RAM_BASE, PAGE, S2_OWNER_NONE, S2_DEVICE);

    /* In use by its record, and on the free list. */
    free->level = S2_TPAGE_HELD;
    (void)finds(m, S2_OWNER_HYP, "a table page in use is on the free list", RAM_BASE);
    m->busy_caches = true;
    clean(m);
    m->busy_caches = false;
    free->level = S2_TPAGE_FREE;
    /* Linked by a table, and free by its record. */
    struct s2_tpage *root = &p->meta[s2_tpool_index(p, m->other.table.root)];
    int8_t level = root->level;
    root->level = S2_TPAGE_FREE;
    (void)finds(m, OTHER, "a table page is recorded as another one", 0);
    root->level = level;
    s2_ledger_set(&m->w->ledger, &e);
    (void)finds(m, S2_OWNER_HYP, "holds tables, and is not the hypervisor's by the ledger", RAM_BASE);
    e = ledger_entry(RAM_BASE, PAGE, S2_OWNER_HYP, S2_HYP);
    s2_ledger_set(&m->w->ledger, &e);
}

/* Table pages on their way back, pools without a page, of nobody, and none. */
static void pools_of_table_pages(void **state)
{
    struct machine *m = *state;
    struct s2_tpool *used = &m->w->tables, pools[2];
    struct s2_tpage *meta = world_alloc(used->pages * sizeof *meta);
    struct s2_ient e;

    m->w->space.table.detached = 1;
    clean(m);
    m->w->space.table.detached = 0;
    assert_int_equal(s2_tpool_init(&pools[0], m->w->port, used->base, TABLE_BYTES, S2_4K, meta), S2_OK);
    assert_int_equal(s2_tpool_init(&pools[1], m->w->port, used->base, 0, S2_4K, meta), S2_OK);
    m->cfg.tables = pools;
    m->cfg.pools = 2;
    clean(m);
    m->cfg.pools = 0;
    clean(m);
    m->cfg.tables = used;
    m->cfg.pools = 1;
    assert_true(s2_imap_find(&m->w->ledger.map, RAM_BASE, &e));
    s2_imap_erase(&m->w->ledger.map, RAM_BASE);
    (void)finds(m, S2_OWNER_HYP, "holds tables, and is not the hypervisor's by the ledger", RAM_BASE);
    s2_imap_insert(&m->w->ledger.map, &e);
    free(meta);
}

static void one_vmid_of_two_vms(void **state)
{
    struct machine *m = *state;
    uint64_t was;

    world_run(m->w);
    was = m->other.table.vmid.id;
    m->other.table.vmid.id = m->w->space.table.vmid.id;
    (void)finds(m, OTHER, "has a VMID that is another VM's, too", m->other.table.vmid.id & 0xffff);
    /* Those of an older generation say nothing. */
    m->w->vmids.generation += 0x10000;
    clean(m);
    m->w->vmids.generation -= 0x10000;
    m->other.table.vmid.id = was;
}

/* --- what the hypervisor maps ----------------------------------------------------------------------------------------------- */

static void hyp_leaf(struct machine *m, const struct s2_hyp_leaf *leaf, const char *what, uint64_t start)
{
    m->findings = 0;
    s2_audit_begin(&m->audit, &m->cfg);
    s2_audit_hyp_leaf(&m->audit, leaf);
    assert_int_equal(m->findings, what != NULL);
    assert_int_equal(m->audit.leaves, 1);
    if (!what)
        return;
    assert_int_equal(m->finding[0].vm, S2_OWNER_HYP);
    assert_string_equal(m->finding[0].detail.what, what);
    assert_int_equal(m->finding[0].detail.asked_start, start);
}

static void leaves_of_the_hypervisor(void **state)
{
    struct machine *m = *state;
    static const char not_own[] = "is mapped by the hypervisor, and not its own";
    struct s2_hyp_leaf good = {.va = MIB(1), .pa = pa_range(RAM_BASE, MIB(2)), .writable = true}, leaf = good;

    hyp_leaf(m, &good, NULL, 0);
    leaf.executable = true;
    hyp_leaf(m, &leaf, "is writable and executable for the hypervisor", RAM_BASE);
    leaf.writable = false;
    hyp_leaf(m, &leaf, NULL, 0);
    leaf = good;
    leaf.pa = pa_range(RAM_BASE + MIB(1), MIB(2)); /* on into free memory */
    hyp_leaf(m, &leaf, not_own, FRAME_BASE);
    leaf.pa = pa_range(LINEAR_PA, PAGE);
    hyp_leaf(m, &leaf, not_own, LINEAR_PA);
    assert_int_equal(m->finding[0].detail.holder, VM);
    leaf.pa = pa_range(DEVICE_BASE + PAGE, PAGE);
    hyp_leaf(m, &leaf, not_own, DEVICE_BASE + PAGE);
    assert_int_equal(m->finding[0].detail.holder, OTHER);
    leaf.pa = pa_range(MIB(8), PAGE); /* the machine knows nothing of it */
    hyp_leaf(m, &leaf, not_own, MIB(8));
    leaf.pa = pa_range(LINEAR_PA, PAGE);
    leaf.window = true;
    hyp_leaf(m, &leaf, "is behind a window that was left open", LINEAR_PA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_reachable_without_a_right),
        TEST(stale_rights),
        TEST(books_of_a_space),
        TEST(a_space_that_goes_meanwhile),
        TEST(table_pages),
        TEST(pools_of_table_pages),
        TEST(one_vmid_of_two_vms),
        TEST(leaves_of_the_hypervisor),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
