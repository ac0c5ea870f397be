/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Stage-2 faults: the syndrome read by the Arm ARM's rules, and the words for it. */
#include "faults.h"

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
            struct s2_fault f = fault_of(*state, EC_DABT | fsc, 0, 0);

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
    f = fault_of(w, EC_DABT | TRANSLATION_L3, 0xffff000000000abc, HPFAR(0x8765000ull));
    assert_true(f.has_ipa);
    assert_int_equal(f.ipa.v, 0x8765abc);
    f = fault_of(w, EC_DABT | ACCESS_L2, 0xabc, HPFAR(0xf000000000000ull));
    assert_int_equal(f.ipa.v, 0xf000000000abc);
    /* Of a walk HPFAR is good also for permission faults, and the offset of FAR is not the descriptor's. */
    f = fault_of(w, EC_DABT | PERMISSION_L3 | S1PTW, 0xabc, HPFAR(0x8765000ull));
    assert_true(f.has_ipa);
    assert_int_equal(f.ipa.v, 0x8765000);
    assert_int_equal(at.calls, 0);
    /* Else it is unknown, and the guest's stage 1 is asked. */
    f = fault_of(w, EC_DABT | PERMISSION_L3 | WNR, 0xffff000000000abc, POISON);
    assert_int_equal(at.calls, 1);
    assert_int_equal(at.va, 0xffff000000000abc);
    assert_false(at.write);
    assert_true(f.has_ipa);
    assert_int_equal(f.ipa.v, 0x7654abc);
    at.par = 1;
    f = fault_of(w, EC_DABT | PERMISSION_L3, 0xabc, POISON);
    assert_false(f.has_ipa);
    assert_true(f.retry);
    /* What is no fault of the map has no IPA. */
    f = fault_of(w, EC_DABT | 0x30, 0xabc, POISON);
    assert_false(f.has_ipa);
    f = fault_of(w, EC_DABT | 0x35, 0xabc, POISON);
    assert_false(f.has_ipa);
    f = fault_of(w, EC_DABT | 0x10 | FNV, 0xabc, POISON);
    assert_false(f.has_ipa);
    assert_int_equal(f.va, 0);
    /* FnV speaks of external aborts alone. */
    f = fault_of(w, EC_DABT | TRANSLATION_L3 | FNV, 0xabc, HPFAR(0x8765000ull));
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
    struct s2_fault f = fault_of(w, EC_DABT | ISV | SAS(3) | SSE | SRT(17) | SF | AR | WNR | TRANSLATION_L3, 0, 0);

    assert_true(f.isv && f.sign_extend && f.reg64 && f.acquire);
    assert_int_equal(f.size_log2, 3);
    assert_int_equal(f.reg, 17);
    assert_int_equal(f.access, S2_ACCESS_WRITE);
    assert_int_equal(fault_of(w, EC_DABT | ISV | TRANSLATION_L3, 0, 0).access, S2_ACCESS_READ);
    f = fault_of(w, EC_IABT | ISV | WNR | TRANSLATION_L3, 0, 0);
    assert_int_equal(f.access, S2_ACCESS_EXEC);
    assert_false(f.isv);
    f = fault_of(w, EC_DABT | CM | WNR | TRANSLATION_L3, 0, 0);
    assert_true(f.maintenance);
    assert_int_equal(f.access, S2_ACCESS_READ);
    /* A walk reads, and writes only what it could read. */
    f = fault_of(w, EC_IABT | S1PTW | TRANSLATION_L3, 0, 0);
    assert_true(f.on_walk);
    assert_int_equal(f.access, S2_ACCESS_READ);
    assert_int_equal(fault_of(w, EC_DABT | S1PTW | WNR | TRANSLATION_L3, 0, 0).access, S2_ACCESS_READ);
    assert_int_equal(fault_of(w, EC_DABT | S1PTW | PERMISSION_L3, 0, 0).access, S2_ACCESS_WRITE);
}

static void phrases_say_what_happened(void **state)
{
    struct s2_fault f = fault_of(*state, EC_DABT | WNR | TRANSLATION_L3, 0, 0);

    assert_string_equal(s2_fault_phrase(&f), "write to unmapped memory");
    f = fault_of(*state, EC_IABT | S1PTW | TRANSLATION_L3, 0, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_status_code_has_its_kind, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(hpfar_is_read_only_where_it_is_valid, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_page_that_is_only_executed_is_found, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(the_access_is_described, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(phrases_say_what_happened, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(violations_have_words, world_setup, world_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
