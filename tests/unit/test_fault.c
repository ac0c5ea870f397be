/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Stage-2 faults: the syndrome read by the Arm ARM's rules, and the answer to each. */
#include "space_world.h"

#define EC_IABT    (0x20ull << 26)
#define EC_DABT    (0x24ull << 26)
#define ISV        (1ull << 24)
#define SAS(n)     ((uint64_t)(n) << 22)
#define SSE        (1ull << 21)
#define SRT(n)     ((uint64_t)(n) << 16)
#define SF         (1ull << 15)
#define AR         (1ull << 14)
#define FNV        (1ull << 10)
#define CM         (1ull << 8)
#define S1PTW      (1ull << 7)
#define WNR        (1ull << 6)
#define HPFAR(ipa) ((ipa) >> 12 << 4)
#define POISON     HPFAR(0xdead000ull)

enum { TRANSLATION_L3 = 0x07, PERMISSION_L3 = 0x0f, ACCESS_L2 = 0x0a };

struct at_script {
    uint64_t par, va;
    bool write, user;
    unsigned calls;
};

static uint64_t scripted_at(void *arg, uint64_t va, bool write, bool user)
{
    struct at_script *s = arg;

    s->calls++;
    s->va = va;
    s->write = write;
    s->user = user;
    return s->par;
}

static int setup(void **state)
{
    struct world_config wc = world_defaults();

    *state = world_create(&wc);
    return 0;
}

static int teardown(void **state)
{
    world_check(*state);
    world_destroy(*state);
    return 0;
}

static struct s2_fault decode(struct world *w, uint64_t esr, uint64_t far, uint64_t hpfar)
{
    struct s2_syndrome syn = {esr, far, hpfar};
    struct s2_fault f;

    s2_fault_decode(w->port, &syn, false, &f);
    return f;
}

/* --- decoding ------------------------------------------------------------------------------------------------------ */

static void every_status_code_has_its_kind(void **state)
{
    static const struct {
        unsigned first, last;
        enum s2_fault_kind kind;
        int level;
    } row[] = {
        {0x00, 0x03, S2_FAULT_ADDRESS_SIZE, 0}, {0x04, 0x07, S2_FAULT_TRANSLATION, 0},
        {0x08, 0x0b, S2_FAULT_ACCESS_FLAG, 0},  {0x0c, 0x0f, S2_FAULT_PERMISSION, 0},
        {0x10, 0x10, S2_FAULT_EXTERNAL, -1},    {0x11, 0x12, S2_FAULT_OTHER, -1},
        {0x13, 0x13, S2_FAULT_EXTERNAL, -1},    {0x14, 0x17, S2_FAULT_EXTERNAL, 0},
        {0x18, 0x18, S2_FAULT_EXTERNAL, -1},    {0x19, 0x1a, S2_FAULT_OTHER, -1},
        {0x1b, 0x1b, S2_FAULT_EXTERNAL, -1},    {0x1c, 0x1f, S2_FAULT_EXTERNAL, 0},
        {0x20, 0x28, S2_FAULT_OTHER, -1},       {0x29, 0x29, S2_FAULT_ADDRESS_SIZE, -1},
        {0x2a, 0x2a, S2_FAULT_OTHER, -1},       {0x2b, 0x2b, S2_FAULT_TRANSLATION, -1},
        {0x2c, 0x2f, S2_FAULT_OTHER, -1},       {0x30, 0x30, S2_FAULT_TLB_CONFLICT, -1},
        {0x31, 0x34, S2_FAULT_OTHER, -1},       {0x35, 0x35, S2_FAULT_ATOMIC, -1},
        {0x36, 0x3f, S2_FAULT_OTHER, -1},
    };

    for (unsigned i = 0; i < sizeof row / sizeof *row; i++)
        for (unsigned fsc = row[i].first; fsc <= row[i].last; fsc++) {
            struct s2_fault f = decode(*state, EC_DABT | fsc, 0, 0);

            assert_int_equal(f.kind, row[i].kind);
            assert_int_equal(f.level, row[i].level < 0 ? -1 : (int)(fsc & 3));
            assert_non_null(s2_fault_phrase(&f));
        }
}

static void hpfar_is_read_only_where_it_is_valid(void **state)
{
    struct world *w = *state;
    struct at_script at = {.par = 0x7654000 | 0xff00000000000000ull};
    struct s2_fault f;

    model_script_at(w->port, scripted_at, &at);
    f = decode(w, EC_DABT | TRANSLATION_L3, 0xffff000000000abc, HPFAR(0x8765000ull));
    assert_true(f.has_ipa);
    assert_int_equal(f.ipa.v, 0x8765abc);
    f = decode(w, EC_DABT | ACCESS_L2, 0xabc, HPFAR(0xf000000000000ull));
    assert_int_equal(f.ipa.v, 0xf000000000abc);
    /* Of a walk HPFAR is good also for permission faults, and the offset of FAR is not the descriptor's. */
    f = decode(w, EC_DABT | PERMISSION_L3 | S1PTW, 0xabc, HPFAR(0x8765000ull));
    assert_true(f.has_ipa);
    assert_int_equal(f.ipa.v, 0x8765000);
    assert_int_equal(at.calls, 0);
    /* Else it is unknown, and the guest's stage 1 is asked. */
    f = decode(w, EC_DABT | PERMISSION_L3 | WNR, 0xffff000000000abc, POISON);
    assert_int_equal(at.calls, 1);
    assert_int_equal(at.va, 0xffff000000000abc);
    assert_false(at.write);
    assert_true(f.has_ipa);
    assert_int_equal(f.ipa.v, 0x7654abc);
    at.par = 1;
    f = decode(w, EC_DABT | PERMISSION_L3, 0xabc, POISON);
    assert_false(f.has_ipa);
    assert_true(f.retry);
    /* What is no fault of the map has no IPA. */
    f = decode(w, EC_DABT | 0x30, 0xabc, POISON);
    assert_false(f.has_ipa);
    f = decode(w, EC_DABT | 0x35, 0xabc, POISON);
    assert_false(f.has_ipa);
    f = decode(w, EC_DABT | 0x10 | FNV, 0xabc, POISON);
    assert_false(f.has_ipa);
    assert_int_equal(f.va, 0);
    /* FnV speaks of external aborts alone. */
    f = decode(w, EC_DABT | TRANSLATION_L3 | FNV, 0xabc, HPFAR(0x8765000ull));
    assert_true(f.has_ipa);
    assert_int_equal(f.ipa.v, 0x8765abc);
    assert_int_equal(f.va, 0xabc);
    assert_int_equal(at.calls, 2);
    model_script_at(w->port, NULL, NULL);
}

/* A page that EL0 may execute and not read: AT for EL0's reads fails on it for ever, for EL1's it does not. */
static uint64_t execute_only(void *arg, uint64_t va, bool write, bool user)
{
    enum { PERMISSION_FAULT_L3 = 0x0f << 1 | 1 };

    (void)arg;
    return write || user ? PERMISSION_FAULT_L3 : va;
}

static void a_page_that_is_only_executed_is_found(void **state)
{
    struct world *w = *state;
    struct s2_syndrome syn = {EC_IABT | PERMISSION_L3, 0x4abc, POISON};
    struct s2_fault_result r;
    struct s2_fault f;

    assert_int_equal(map_new(w, area_alloc(0, MIB(1), S2_RW, 0)), S2_OK);
    model_script_at(w->port, execute_only, NULL);
    s2_fault_decode(w->port, &syn, true, &f);
    assert_int_equal(f.access, S2_ACCESS_EXEC);
    assert_true(f.user && f.has_ipa);
    assert_int_equal(f.ipa.v, 0x4abc);
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_PERMISSION);
    model_script_at(w->port, NULL, NULL);
}

static void the_access_is_described(void **state)
{
    struct world *w = *state;
    struct s2_fault f = decode(w, EC_DABT | ISV | SAS(3) | SSE | SRT(17) | SF | AR | WNR | TRANSLATION_L3, 0, 0);

    assert_true(f.isv && f.sign_extend && f.reg64 && f.acquire);
    assert_int_equal(f.size_log2, 3);
    assert_int_equal(f.reg, 17);
    assert_int_equal(f.access, S2_ACCESS_WRITE);
    assert_int_equal(decode(w, EC_DABT | ISV | TRANSLATION_L3, 0, 0).access, S2_ACCESS_READ);
    f = decode(w, EC_IABT | ISV | WNR | TRANSLATION_L3, 0, 0);
    assert_int_equal(f.access, S2_ACCESS_EXEC);
    assert_false(f.isv);
    f = decode(w, EC_DABT | CM | WNR | TRANSLATION_L3, 0, 0);
    assert_true(f.maintenance);
    assert_int_equal(f.access, S2_ACCESS_READ);
    /* A walk reads, and writes only what it could read. */
    f = decode(w, EC_IABT | S1PTW | TRANSLATION_L3, 0, 0);
    assert_true(f.on_walk);
    assert_int_equal(f.access, S2_ACCESS_READ);
    assert_int_equal(decode(w, EC_DABT | S1PTW | WNR | TRANSLATION_L3, 0, 0).access, S2_ACCESS_READ);
    assert_int_equal(decode(w, EC_DABT | S1PTW | PERMISSION_L3, 0, 0).access, S2_ACCESS_WRITE);
}

static void phrases_say_what_happened(void **state)
{
    struct s2_fault f = decode(*state, EC_DABT | WNR | TRANSLATION_L3, 0, 0);

    assert_string_equal(s2_fault_phrase(&f), "write to unmapped memory");
    f = decode(*state, EC_IABT | S1PTW | TRANSLATION_L3, 0, 0);
    assert_string_equal(s2_fault_phrase(&f), "read of unmapped memory");
    for (f.access = S2_ACCESS_READ; f.access <= S2_ACCESS_EXEC; f.access++) {
        static const char *const at_all[] = {"external abort on a read", "external abort on a write",
                                             "external abort on an instruction fetch"};

        f.kind = S2_FAULT_ATOMIC;
        assert_string_equal(s2_fault_phrase(&f), "atomic access to memory that has none");
        f.kind = S2_FAULT_EXTERNAL;
        assert_string_equal(s2_fault_phrase(&f), at_all[f.access]);
    }
    f = (struct s2_fault){.kind = S2_FAULT_PERMISSION, .access = S2_ACCESS_WRITE};
    assert_string_equal(s2_fault_phrase(&f), "write to memory that may not be written");
    f = (struct s2_fault){.kind = S2_FAULT_ACCESS_FLAG, .access = S2_ACCESS_READ};
    assert_string_equal(s2_fault_phrase(&f), "read of memory without access flag");
    f = (struct s2_fault){.kind = S2_FAULT_ADDRESS_SIZE, .access = S2_ACCESS_EXEC};
    assert_string_equal(s2_fault_phrase(&f), "instruction fetch beyond the guest's physical address size");
    f = (struct s2_fault){.kind = S2_FAULT_TLB_CONFLICT, .access = S2_ACCESS_READ};
    assert_string_equal(s2_fault_phrase(&f), "TLB conflict on a read");
    f = (struct s2_fault){.kind = S2_FAULT_OTHER, .access = S2_ACCESS_EXEC};
    assert_string_equal(s2_fault_phrase(&f), "fault of another kind on an instruction fetch");
}

static void violations_have_words(void **state)
{
    static const char *const words[] = {
        [S2_NO_VIOLATION] = "no violation",
        [S2_NO_AREA] = "no area there",
        [S2_BEYOND_IPA] = "beyond the guest's physical address size",
        [S2_NO_PERMISSION] = "the area does not allow that access",
        [S2_NO_MEMORY] = "the memory that was promised without cover has run out",
        [S2_NO_SYNDROME] = "an emulated device, and the access is of a kind that cannot be emulated",
        [S2_NOT_OURS] = "not a fault of the memory map",
        [S2_STUCK] = "the access faults again and again and nothing changes",
    };

    (void)state;
    for (unsigned why = S2_NO_VIOLATION; why <= S2_STUCK; why++)
        assert_string_equal(s2_violation_phrase((enum s2_violation)why), words[why]);
}

/* --- answers --------------------------------------------------------------------------------------------------------- */

static enum s2_answer answer(struct world *w, uint64_t esr, uint64_t ipa, struct s2_fault_result *r)
{
    struct s2_fault f = decode(w, esr, ipa & 0xfff, HPFAR(ipa));

    return s2_space_fault(&w->space, &w->cache, &f, r);
}

static void faults_outside_are_the_guests_own(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_alloc(MIB(2), PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, MIB(1), &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_AREA);
    assert_false(r.has_area);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, MIB(2) + PAGE, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_AREA);
    assert_int_equal(answer(w, EC_DABT | 0x04, 1ull << 36, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_BEYOND_IPA);
    assert_int_equal(answer(w, EC_DABT | 0x00, 1ull << 36, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_BEYOND_IPA);
    assert_int_equal(answer(w, EC_DABT | 0x10, 0, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NOT_OURS);
    assert_int_equal(answer(w, EC_DABT | 0x35, MIB(2), &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NOT_OURS);
}

static void what_an_area_forbids_is_a_violation(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_R, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(PAGE, PAGE, S2_R | S2_UX, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(2 * PAGE, PAGE, 0, 0)), S2_OK);
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | WNR, 0, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_PERMISSION);
    assert_true(r.has_area);
    assert_int_equal(r.area.range.start.v, 0);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3 | WNR, 0, &r), S2_VIOLATION);
    assert_int_equal(answer(w, EC_IABT | TRANSLATION_L3, 0, &r), S2_VIOLATION);
    /* The walker may not write its own tables there either. */
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | S1PTW, 0, &r), S2_VIOLATION);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 2 * PAGE, &r), S2_VIOLATION);
    /* With FEAT_XNX EL0 may run what EL1 may not. */
    world_run(w);
    assert_true(guest_as(w, PAGE, MODEL_EXEC, true).done);
    assert_int_equal(guest_as(w, PAGE, MODEL_EXEC, false).result.why, S2_NO_PERMISSION);
    assert_int_equal(guest_as(w, 0, MODEL_EXEC, true).result.why, S2_NO_PERMISSION);
    assert_int_equal(map_new(w, area_alloc(MIB(4), PAGE, S2_R | S2_UX, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(guest_as(w, MIB(4), MODEL_EXEC, false).result.why, S2_NO_PERMISSION);
    assert_int_equal(w->space.frames_held, 3);
    assert_true(guest_as(w, MIB(4), MODEL_EXEC, true).done);
}

/* HCR_EL2.PTW refuses a walk through Device memory, whatever the area allows: trying again would not end. */
static void no_tables_in_a_device(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    world_give(w, DEVICE_BASE, PAGE, VM, S2_RW);
    world_give(w, FRAME_BASE, PAGE, VM, S2_RW);
    assert_int_equal(map_new(w, area_linear(0, PAGE, DEVICE_BASE, S2_RW | S2_MT_DEV_nGnRE)), S2_OK);
    assert_int_equal(map_new(w, area_linear(PAGE, PAGE, FRAME_BASE, S2_RW | S2_MT_NORMAL_NC)), S2_OK);
    world_run(w);
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | S1PTW, 0, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_PERMISSION);
    assert_int_equal(answer(w, EC_IABT | PERMISSION_L3 | S1PTW, 0, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_PERMISSION);
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | S1PTW, PAGE, &r), S2_RETRY_FLUSHED);
}

static void trap_areas_are_emulated(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_trap(0x9000000, PAGE, 99)), S2_OK);
    assert_int_equal(answer(w, EC_DABT | ISV | SAS(2) | SRT(3) | WNR | TRANSLATION_L3, 0x9000018, &r), S2_EMULATE);
    assert_int_equal(r.area.backing, 99);
    assert_int_equal(r.offset, 0x18);
    /* Pairs, write-back, exclusives, DC ZVA; instruction fetches; the guest's own tables. */
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 0x9000018, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_SYNDROME);
    assert_int_equal(answer(w, EC_IABT | TRANSLATION_L3, 0x9000018, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_SYNDROME);
    assert_int_equal(answer(w, EC_DABT | ISV | S1PTW | TRANSLATION_L3, 0x9000018, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_SYNDROME);
}

static void good_descriptors_are_tried_again(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;
    struct at_script at = {.par = 0};

    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, 0)), S2_OK);
    world_run(w);
    model_reset_counters(w->port);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 0, &r), S2_RETRY);
    assert_int_equal(model_tlbis(w->port), 0);
    /* After a permission fault this CPU may still hold the old entry: local, non-shareable. */
    model_script_at(w->port, scripted_at, &at);
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | WNR, 0, &r), S2_RETRY_FLUSHED);
    assert_int_equal(w->port->count.tlbi[S2_TLBI_IPAS2E1] + w->port->count.tlbi[S2_TLBI_IPAS2LE1], 1);
    assert_int_equal(w->port->count.tlbi[S2_TLBI_VMALLE1], 1);
    assert_int_equal(model_tlbis(w->port), 2);
    assert_int_equal(w->port->count.barrier[S2_DSB_NSH], 2);
    at.par = 1;
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | WNR, 0, &r), S2_RETRY);
    model_script_at(w->port, NULL, NULL);
    model_reset_counters(w->port);
    assert_int_equal(answer(w, EC_DABT | 0x30, 0, &r), S2_RETRY_FLUSHED);
    assert_int_equal(w->port->count.tlbi[S2_TLBI_VMALLS12E1], 1);
}

static void relaxed_rights_reach_a_cpu_that_holds_old_ones(void **state)
{
    struct world *w = *state;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_R, 0)), S2_OK);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        model_set_cpu(w->port, cpu);
        world_run(w);
        assert_true(guest(w, 0, MODEL_READ).done);
    }
    assert_int_equal(protect(w, 0, MIB(2), S2_RW), S2_OK);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        struct attempt a;

        model_set_cpu(w->port, cpu);
        a = guest(w, 0, MODEL_WRITE);
        assert_true(a.done);
        assert_true(a.faults <= 1);
    }
    model_set_cpu(w->port, 0);
}

static void no_progress_is_reported_not_looped(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_alloc(0, 2 * PAGE, S2_RW, 0)), S2_OK);
    for (unsigned i = 0; i < S2_FAULT_REPEATS; i++)
        assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 8 * i, &r), S2_RETRY);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 0, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_STUCK);
    /* Another address in between is progress. */
    for (unsigned i = 0; i < 3 * S2_FAULT_REPEATS; i++)
        assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, i % 2 * PAGE, &r), S2_RETRY);
}

/* --- lazy areas ---------------------------------------------------------------------------------------------------- */

static void walks_and_maintenance_populate_too(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;
    struct s2_leaf leaf;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_R, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(2), MIB(2), S2_R, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(answer(w, EC_DABT | S1PTW | TRANSLATION_L3, 0x5000, &r), S2_NEED_REFILL);
    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
    assert_int_equal(answer(w, EC_DABT | S1PTW | TRANSLATION_L3, 0x5000, &r), S2_RETRY);
    assert_true(s2_space_translate(&w->space, S2_IPA(0x5000), &leaf));
    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
    assert_int_equal(answer(w, EC_DABT | CM | WNR | TRANSLATION_L3, MIB(2), &r), S2_RETRY);
    assert_true(s2_space_translate(&w->space, S2_IPA(MIB(2)), &leaf));
}

static void a_forbidden_access_takes_no_memory(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_R, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(answer(w, EC_DABT | WNR | TRANSLATION_L3, 0, &r), S2_VIOLATION);
    assert_int_equal(w->space.frames_held, 0);
}

static void a_leaf_stays_inside_its_area(void **state)
{
    struct world *w = *state;

    /* One chunk, which a copy fetched, and two areas over it by now. */
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), "x", 1, 0, false, NULL), S2_OK);
    assert_int_equal(w->space.frames_held, 512);
    assert_int_equal(protect(w, MIB(1), MIB(1), S2_R), S2_OK);
    world_run(w);
    assert_true(guest(w, PAGE, MODEL_WRITE).done);
    world_check(w);
    assert_int_equal(guest(w, MIB(1), MODEL_WRITE).result.why, S2_NO_PERMISSION);
    assert_true(guest(w, MIB(1), MODEL_READ).done);
    assert_int_equal(leaves_at(w, 3), 2);
}

/* The allocator calls frames free that the ledger calls somebody's. */
static void a_chunk_is_nobodys_by_the_ledger(void **state)
{
    struct s2_ledger_entry e = ledger_entry(FRAME_BASE + PAGE, PAGE, OTHER, S2_OWNED);
    uint16_t flags[] = {S2_AREA_LAZY, S2_AREA_LAZY | S2_AREA_OVERCOMMIT};
    struct world *w = *state;
    struct s2_fault_result r;

    for (unsigned i = 0; i < 2; i++) {
        uint64_t reserved;

        assert_int_equal(map_new(w, area_alloc(MIB(2) * i, MIB(2), S2_RW, flags[i])), S2_OK);
        reserved = w->frames.reserved;
        e.owner = OTHER;
        e.state = S2_OWNED;
        s2_ledger_set(&w->ledger, &e);
        assert_int_equal(answer(w, EC_DABT | WNR | TRANSLATION_L3, MIB(2) * i, &r), S2_VIOLATION);
        assert_int_equal(r.why, S2_NO_MEMORY);
        assert_int_equal(w->space.frames_held, 0);
        assert_int_equal(w->frames.free, w->frames.total);
        assert_int_equal(w->frames.reserved, reserved);
        assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
        assert_int_equal(w->port->count.zeroed, 0);
        e.owner = S2_OWNER_NONE;
        e.state = S2_FREE;
        s2_ledger_set(&w->ledger, &e);
        world_check(w);
    }
    world_run(w);
    assert_true(guest(w, 0, MODEL_WRITE).done);
}

static void two_vcpus_need_one_chunk(void **state)
{
    struct world *w = *state;
    uint64_t pa;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    pa = guest(w, 0, MODEL_WRITE).pa;
    model_set_cpu(w->port, 1);
    world_run(w);
    assert_int_equal(guest(w, 0, MODEL_WRITE).pa, pa);
    assert_int_equal(guest(w, PAGE, MODEL_WRITE).pa, pa + PAGE);
    assert_int_equal(w->space.frames_held, 512);
    model_set_cpu(w->port, 0);
}

static void the_quota_of_table_pages_holds_for_every_lazy_page(void **state)
{
    struct world *w = *state;
    uint32_t promised;

    w->space.cfg.small_leaves = true;
    /* Over a boundary of three levels. */
    assert_int_equal(map_new(w, area_alloc((1ull << 30) - MIB(2) - PAGE, MIB(4), S2_RW, S2_AREA_LAZY)), S2_OK);
    promised = w->space.table.quota.promised;
    assert_true(promised >= 5);
    /* There must be room for the promise, */
    w->space.table.quota.limit = w->space.table.quota.used + 2 * promised - 1;
    assert_int_equal(map_new(w, area_alloc((3ull << 30) - MIB(2) - PAGE, MIB(4), S2_RW, S2_AREA_LAZY)), S2_EQUOTA);
    assert_int_equal(w->space.table.quota.promised, promised);
    /* and others may use what is not promised, and nothing of what is. */
    w->space.table.quota.limit = w->space.table.quota.used + promised;
    assert_int_equal(map_new(w, area_alloc(MIB(2), PAGE, S2_RW, 0)), S2_EQUOTA);
    world_run(w);
    for (uint64_t off = 0; off < MIB(4); off += PAGE)
        assert_true(guest(w, (1ull << 30) - MIB(2) - PAGE + off, MODEL_WRITE).done);
    world_check(w);
    w->space.table.quota.limit = 256;
}

static void an_empty_pool_is_reported(void **state)
{
    struct world *w = *state;
    struct s2_tstash all = S2_TSTASH_EMPTY;
    struct s2_tquota quota = {.limit = UINT32_MAX};
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2) - PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(s2_tpool_take(&w->tables, &quota, w->tables.free, &all), S2_OK);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 0, &r), S2_NEED_REFILL);
    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_ETABLES);
    s2_tpool_give(&w->tables, &quota, &all);
    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 0, &r), S2_RETRY);
}

/* A fault without an address: the guest's stage 1 changed meanwhile, or there is nothing to be done about it. */
static void a_fault_without_an_address(void **state)
{
    struct s2_fault f = {.kind = S2_FAULT_PERMISSION, .ipa = S2_IPA_NONE, .retry = true};
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_RETRY);
    f.retry = false;
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NOT_OURS);
}

static void commit_nothing(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}

/* An area of another's backend, which has nothing there: only that backend knows why. */
static void what_another_backend_left_out_is_not_ours(void **state)
{
    static const struct s2_backend own = {.kind = "own", .commit = commit_nothing};
    struct s2_area a = area_trap(MIB(2), PAGE, 0);
    struct world *w = *state;
    struct s2_fault_result r;

    a.backend = &own;
    assert_int_equal(map_new(w, a), S2_OK);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, MIB(2), &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NOT_OURS);
    assert_true(r.has_area);
    assert_ptr_equal(r.area.backend, &own);
    assert_int_equal(answer(w, EC_IABT | TRANSLATION_L3, MIB(2), &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_PERMISSION);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_status_code_has_its_kind),
        T(hpfar_is_read_only_where_it_is_valid),
        T(a_page_that_is_only_executed_is_found),
        T(the_access_is_described),
        T(phrases_say_what_happened),
        T(violations_have_words),
        T(faults_outside_are_the_guests_own),
        T(what_an_area_forbids_is_a_violation),
        T(no_tables_in_a_device),
        T(trap_areas_are_emulated),
        T(good_descriptors_are_tried_again),
        T(relaxed_rights_reach_a_cpu_that_holds_old_ones),
        T(no_progress_is_reported_not_looped),
        T(walks_and_maintenance_populate_too),
        T(a_forbidden_access_takes_no_memory),
        T(a_leaf_stays_inside_its_area),
        T(a_chunk_is_nobodys_by_the_ledger),
        T(two_vcpus_need_one_chunk),
        T(the_quota_of_table_pages_holds_for_every_lazy_page),
        T(an_empty_pool_is_reported),
        T(a_fault_without_an_address),
        T(what_another_backend_left_out_is_not_ours),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
