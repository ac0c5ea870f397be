/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The event trace: the line of every kind of event, and what edits of a space look like in it. */
#include "space_world.h"

#include <stage2/trace.h>

#define VMID(n)    ((uint64_t)(n) << 48)
#define TTL(code)  ((uint64_t)(code) << 44)
#define VTCR_DS    (1ull << 32)
#define VTCR_PS(n) ((uint64_t)(n) << 16)
/* The fields of a range operation. */
#define RANGE(tg, scale, num, ttl)                                                                                     \
    ((uint64_t)(tg) << 46 | (uint64_t)(scale) << 44 | (uint64_t)(num) << 39 | (uint64_t)(ttl) << 37)

/* --- lines -------------------------------------------------------------------------------------------------------------- */

struct row {
    struct s2_event event;
    const char *line;
};

static void assert_rows(const struct row *row, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        char line[S2_EVENT_LINE];
        size_t n = s2_event_line(&row[i].event, line);

        assert_string_equal(line, row[i].line);
        assert_int_equal(n, strlen(line));
    }
}
#define ASSERT_ROWS(rows) assert_rows(rows, sizeof(rows) / sizeof(rows)[0])
#define EVENT(KIND, HOW, ...)                                                                                          \
    {                                                                                                                  \
        .kind = S2_EVENT_##KIND, .how = (HOW), __VA_ARGS__                                                             \
    }

static void writes(void **state)
{
    static const struct row row[] = {
        {EVENT(WRITE, S2_WRITE_STORE, .number = 123, .a = 0x48012018, .c = 0x40200705),
         "trace 000123 c0 write store pte=0x48012018 new=0x40200705"},
        {EVENT(WRITE, S2_WRITE_RELEASE, .number = 7, .cpu = 12, .a = 0x48012000, .c = 0x48013003),
         "trace 000007 c12 write release pte=0x48012000 new=0x48013003"},
        {EVENT(WRITE, S2_WRITE_SWAP, .a = 0x48012018, .b = 0x40200705),
         "trace 000000 c0 write swap pte=0x48012018 old=0x40200705 new=0x0"},
        {EVENT(WRITE, S2_WRITE_CAS, .number = 1234567, .a = 0x48012018, .c = 0x40200705, .n = 1),
         "trace 1234567 c0 write cas pte=0x48012018 old=0x0 new=0x40200705 done"},
        {EVENT(WRITE, S2_WRITE_CAS, .a = 0x48012018, .b = 1, .c = 0x40200705),
         "trace 000000 c0 write cas pte=0x48012018 old=0x1 new=0x40200705 failed"},
        {EVENT(WRITE, S2_WRITE_FILL, .a = 0x48012000, .b = 0x40200703, .c = 0x1000, .n = 512),
         "trace 000000 c0 write fill pte=0x48012000 new=0x40200703 step=0x1000 count=512"},
    };

    (void)state;
    ASSERT_ROWS(row);
}

static void invalidations_by_address(void **state)
{
    static const struct row row[] = {
        {EVENT(TLBI, S2_TLBI_IPAS2E1IS, .a = 0x40200, .b = VMID(3) | 0x48000000),
         "trace 000000 c0 tlbi ipas2e1is vmid=3 ipa=0x40200000 ttl=-"},
        {EVENT(TLBI, S2_TLBI_IPAS2LE1IS, .a = TTL(7) | 0x40200, .b = VMID(3)),
         "trace 000000 c0 tlbi ipas2le1is vmid=3 ipa=0x40200000 ttl=4k/3"},
        {EVENT(TLBI, S2_TLBI_IPAS2E1, .a = TTL(4) | 0xffffffffff, .b = VMID(65535)),
         "trace 000000 c0 tlbi ipas2e1 vmid=65535 ipa=0xffffffffff000 ttl=4k/0"},
        {EVENT(TLBI, S2_TLBI_IPAS2LE1, .a = TTL(10) | 1, .b = VMID(1)),
         "trace 000000 c0 tlbi ipas2le1 vmid=1 ipa=0x1000 ttl=16k/2"},
        /* 00xx is no hint, whatever xx is. */
        {EVENT(TLBI, S2_TLBI_IPAS2LE1, .a = TTL(3) | 1, .b = VMID(1)),
         "trace 000000 c0 tlbi ipas2le1 vmid=1 ipa=0x1000 ttl=-"},
        {EVENT(TLBI, S2_TLBI_RIPAS2E1IS, .a = RANGE(1, 0, 0, 0) | 0x40200, .b = VMID(3)),
         "trace 000000 c0 tlbi ripas2e1is vmid=3 ipa=0x40200000 bytes=0x2000 ttl=-"},
        {EVENT(TLBI, S2_TLBI_RIPAS2LE1IS, .a = RANGE(1, 1, 31, 3) | 0x40200, .b = VMID(3)),
         "trace 000000 c0 tlbi ripas2le1is vmid=3 ipa=0x40200000 bytes=0x800000 ttl=4k/3"},
        {EVENT(TLBI, S2_TLBI_RIPAS2E1, .a = RANGE(2, 3, 4, 2) | 0x10, .b = VMID(3)),
         "trace 000000 c0 tlbi ripas2e1 vmid=3 ipa=0x40000 bytes=0x140000000 ttl=16k/2"},
        {EVENT(TLBI, S2_TLBI_RIPAS2LE1, .a = RANGE(3, 0, 1, 1) | 0x10, .b = VMID(3)),
         "trace 000000 c0 tlbi ripas2le1 vmid=3 ipa=0x100000 bytes=0x40000 ttl=64k/1"},
        /* With DS the base counts in 64K. */
        {EVENT(TLBI, S2_TLBI_RIPAS2LE1IS, .a = RANGE(1, 0, 0, 3) | 0x10, .b = VMID(3), .c = VTCR_DS),
         "trace 000000 c0 tlbi ripas2le1is vmid=3 ipa=0x100000 bytes=0x2000 ttl=4k/3"},
    };

    (void)state;
    ASSERT_ROWS(row);
}

static void invalidations_of_everything(void **state)
{
    static const struct row row[] = {
        {EVENT(TLBI, S2_TLBI_VMALLE1IS, .b = VMID(3)), "trace 000000 c0 tlbi vmalle1is vmid=3"},
        {EVENT(TLBI, S2_TLBI_VMALLS12E1IS, .b = VMID(3)), "trace 000000 c0 tlbi vmalls12e1is vmid=3"},
        {EVENT(TLBI, S2_TLBI_VMALLE1, .b = VMID(3)), "trace 000000 c0 tlbi vmalle1 vmid=3"},
        {EVENT(TLBI, S2_TLBI_VMALLS12E1, .b = VMID(3)), "trace 000000 c0 tlbi vmalls12e1 vmid=3"},
        {EVENT(TLBI, S2_TLBI_ALLE1IS, .b = VMID(3)), "trace 000000 c0 tlbi alle1is"},
        {EVENT(TLBI, S2_TLBI_ALLE1, .b = VMID(3)), "trace 000000 c0 tlbi alle1"},
    };

    (void)state;
    ASSERT_ROWS(row);
}

static void barriers_and_contexts(void **state)
{
    static const struct row row[] = {
        {EVENT(BARRIER, S2_DSB_ISHST), "trace 000000 c0 barrier dsb ishst"},
        {EVENT(BARRIER, S2_DSB_ISH), "trace 000000 c0 barrier dsb ish"},
        {EVENT(BARRIER, S2_DSB_NSH), "trace 000000 c0 barrier dsb nsh"},
        {EVENT(BARRIER, S2_ISB), "trace 000000 c0 barrier isb"},
        {EVENT(VTTBR, 0, .a = VMID(5) | 0x48000001, .b = 0x80043558),
         "trace 000000 c0 vttbr vmid=5 root=0x48000000 cnp=1 vtcr=0x80043558"},
        {EVENT(VTTBR, 0, .a = 0xfffffffffffe, .b = VTCR_PS(5)),
         "trace 000000 c0 vttbr vmid=0 root=0xfffffffffffe cnp=0 vtcr=0x50000"},
        /* With 52-bit addresses the upper four bits are elsewhere. */
        {EVENT(VTTBR, 0, .a = VMID(5) | 0x4800003d, .b = VTCR_PS(6)),
         "trace 000000 c0 vttbr vmid=5 root=0xf000048000000 cnp=1 vtcr=0x60000"},
        {EVENT(ENTER, 0, .a = 2, .b = VMID(5) | 0x48000000), "trace 000000 c0 enter vmid=5 vcpu=2"},
    };

    (void)state;
    ASSERT_ROWS(row);
}

static void locks(void **state)
{
    static const struct row row[] = {
        {EVENT(LOCK, S2_LOCK_EXCLUSIVE, .a = S2_LOCK_SPACE, .b = 4, .n = 1),
         "trace 000000 c0 lock exclusive space id=4"},
        {EVENT(LOCK, S2_LOCK_SHARED, .a = S2_LOCK_SPACE, .b = 4, .n = 1), "trace 000000 c0 lock shared space id=4"},
        {EVENT(LOCK, S2_LOCK_TRY, .a = S2_LOCK_LEDGER, .n = 1), "trace 000000 c0 lock try ledger id=0 done"},
        {EVENT(LOCK, S2_LOCK_TRY, .a = S2_LOCK_FRAMES), "trace 000000 c0 lock try frames id=0 failed"},
        {EVENT(UNLOCK, S2_LOCK_EXCLUSIVE, .a = S2_LOCK_TPOOL), "trace 000000 c0 unlock exclusive tpool id=0"},
        {EVENT(UNLOCK, S2_LOCK_TRY, .a = S2_LOCK_VMIDS), "trace 000000 c0 unlock try vmids id=0"},
    };

    (void)state;
    ASSERT_ROWS(row);
}

static void the_rest(void **state)
{
    static const struct row row[] = {
        {EVENT(MEMORY, S2_MEMORY_ZERO, .a = 0x50000000, .b = 0x200000),
         "trace 000000 c0 memory zero pa=0x50000000 bytes=0x200000"},
        {EVENT(MEMORY, S2_MEMORY_COPY, .a = 0x50000010, .b = 1), "trace 000000 c0 memory copy pa=0x50000010 bytes=0x1"},
        {EVENT(MEMORY, S2_MEMORY_CLEAN, .a = 0x50000000, .b = 64),
         "trace 000000 c0 memory clean pa=0x50000000 bytes=0x40"},
        {EVENT(MEMORY, S2_MEMORY_SYNC, .a = 0x50000000, .b = 64),
         "trace 000000 c0 memory sync pa=0x50000000 bytes=0x40"},
        {EVENT(ACCESS, MODEL_READ, .a = 0x40000000), "trace 000000 c0 access read ipa=0x40000000"},
        {EVENT(ACCESS, MODEL_WRITE, .a = 0x40000000), "trace 000000 c0 access write ipa=0x40000000"},
        {EVENT(ACCESS, MODEL_EXEC, .a = 0x40000000), "trace 000000 c0 access execute ipa=0x40000000"},
        {EVENT(LOST, 0, .a = 17), "trace 000000 c0 lost count=17"},
        {EVENT(KINDS, 0), "trace 000000 c0 ?"},
        {EVENT(BARRIER, 9), "trace 000000 c0 barrier ?"},
        {EVENT(LOCK, 9, .a = 9), "trace 000000 c0 lock ? ? id=0"},
    };

    (void)state;
    ASSERT_ROWS(row);
}

/* Whatever an event holds, its line has room. */
static void no_line_is_too_long(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind <= S2_EVENT_KINDS; kind++) {
        for (unsigned how = 0; how <= S2_TLBI_ALLE1 + 1; how++) {
            struct s2_event e = {UINT64_MAX, UINT64_MAX,    UINT64_MAX,   UINT64_MAX,
                                 UINT32_MAX, (uint8_t)kind, (uint8_t)how, UINT8_MAX};
            char line[S2_EVENT_LINE];

            assert_true(s2_event_line(&e, line) < S2_EVENT_LINE);
        }
    }
}

static void every_kind_has_its_name(void **state)
{
    static const char *const name[] = {"write",  "tlbi",   "barrier", "vttbr",  "lock",
                                       "unlock", "memory", "enter",   "access", "lost"};

    (void)state;
    for (unsigned kind = 0; kind < S2_EVENT_KINDS; kind++)
        assert_string_equal(s2_event_name(kind), name[kind]);
    assert_string_equal(s2_event_name(S2_EVENT_KINDS), "?");
}

/* --- what edits look like, on the model ----------------------------------------------------------------------------------- */

enum { SHOWN = 32 };

struct shown {
    char *text;
    size_t bytes;
    FILE *file;
    unsigned lines;
    const char *line[SHOWN]; /* from the kind on */
};

static void watch(struct shown *s, struct s2_port *port)
{
    *s = (struct shown){.lines = 0};
    s->file = open_memstream(&s->text, &s->bytes);
    assert_non_null(s->file);
    model_trace(port, s->file);
}

/* Keeps the lines of those kinds (a list with a space before and behind each), without number and CPU. */
static void look(struct shown *s, struct s2_port *port, const char *kinds)
{
    uint64_t number = 0;

    model_trace(port, NULL);
    fclose(s->file);
    for (char *line = strtok(s->text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long long n;
        char kind[16], word[24];
        int at = 0;

        assert_int_equal(sscanf(line, "trace %llu c0 %n%15s", &n, &at, kind), 2);
        assert_true(number == 0 || n == number + 1);
        number = n;
        snprintf(word, sizeof word, " %s ", kind);
        if (!strstr(kinds, word))
            continue;
        assert_true(s->lines < SHOWN);
        s->line[s->lines++] = line + at;
    }
}

static void assert_lines(struct shown *s, const char *const *line, unsigned lines)
{
    for (unsigned i = 0; i < lines && i < s->lines; i++)
        assert_string_equal(s->line[i], line[i]);
    assert_int_equal(s->lines, lines);
    free(s->text);
}
#define ASSERT_LINES(s, lines) assert_lines(s, lines, sizeof(lines) / sizeof(lines)[0])

#define COST " tlbi barrier vttbr "

/* Four pages of the VM's, at 16 MiB, mapped and running. */
static struct world *make(bool strict)
{
    struct world_config wc = world_defaults();
    struct world *w;

    wc.not_strict = !strict;
    w = world_create(&wc);
    world_give(w, FRAME_BASE + MIB(16), MIB(2), VM, S2_RWX);
    world_run(w);
    assert_int_equal(map_new(w, area_linear(MIB(16), 4 * PAGE, FRAME_BASE + MIB(16) + 4 * PAGE, S2_RW)), S2_OK);
    return w;
}

static void end(struct world *w)
{
    assert_true(model_ok(w->port));
    world_destroy(w);
}

static void a_map_is_one_barrier(void **state)
{
    static const char *const line[] = {"barrier dsb ishst"};
    struct world *w = make(true);
    struct shown s;

    (void)state;
    watch(&s, w->port);
    assert_int_equal(map_new(w, area_linear(MIB(17), PAGE, FRAME_BASE + MIB(17), S2_RW)), S2_OK);
    look(&s, w->port, COST);
    ASSERT_LINES(&s, line);
    end(w);
}

static void an_unmap_is_two_invalidations_and_three_barriers(void **state)
{
    static const char *const line[] = {
        "barrier dsb ishst", "tlbi ipas2le1is vmid=1 ipa=0x1001000 ttl=4k/3",
        "barrier dsb ish",   "tlbi vmalle1is vmid=1",
        "barrier dsb ish",   "barrier isb",
    };
    struct world *w = make(true);
    struct shown s;

    (void)state;
    watch(&s, w->port);
    assert_int_equal(unmap(w, MIB(16) + PAGE, PAGE), S2_OK);
    look(&s, w->port, COST);
    ASSERT_LINES(&s, line);
    end(w);
}

static void a_protect_of_a_range_is_one_range_operation(void **state)
{
    static const char *const line[] = {
        "barrier dsb ishst", "tlbi ripas2le1is vmid=1 ipa=0x1000000 bytes=0x4000 ttl=4k/3",
        "barrier dsb ish",   "tlbi vmalle1is vmid=1",
        "barrier dsb ish",   "barrier isb",
    };
    struct world *w = make(true);
    struct shown s;

    (void)state;
    watch(&s, w->port);
    assert_int_equal(protect(w, MIB(16), 3 * PAGE, S2_R), S2_OK);
    look(&s, w->port, COST);
    ASSERT_LINES(&s, line);
    end(w);
}

/* The edit is in the table that the map before it made, between the lock and the flush; no machine needs to be strict. */
static void writes_are_under_the_lock(void **state)
{
    (void)state;
    for (unsigned strict = 0; strict < 2; strict++) {
        struct world *w = make(strict != 0);
        struct shown s;
        unsigned i = 0;

        watch(&s, w->port);
        assert_int_equal(unmap(w, MIB(16) + PAGE, PAGE), S2_OK);
        look(&s, w->port, " lock unlock write tlbi ");
        assert_string_equal(s.line[0], "lock exclusive space id=2");
        while (i < s.lines && strncmp(s.line[i], "write ", 6) != 0)
            i++;
        assert_true(i < s.lines);
        assert_non_null(strstr(s.line[i], "008 ")); /* the second descriptor of a table */
        while (i < s.lines && strncmp(s.line[i], "tlbi ", 5) != 0)
            i++;
        assert_true(i < s.lines);
        while (i < s.lines && strcmp(s.line[i], "unlock exclusive space id=2") != 0)
            i++;
        assert_true(i < s.lines);
        free(s.text);
        end(w);
    }
}

/* A fault is served under the shared lock by a compare-and-swap; what the guest does is there, too. */
static void a_fault_swaps(void **state)
{
    struct world *w = make(true);
    struct shown s;
    bool swapped = false;

    (void)state;
    assert_int_equal(map_new(w, area_alloc(MIB(32), MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    watch(&s, w->port);
    assert_true(guest(w, MIB(32), MODEL_WRITE).done);
    model_enter_vcpu(w->port, 3);
    look(&s, w->port, " access lock enter write ");
    assert_string_equal(s.line[0], "access write ipa=0x2000000");
    assert_string_equal(s.line[1], "lock shared space id=2");
    for (unsigned i = 0; i < s.lines; i++)
        swapped |= strncmp(s.line[i], "write cas ", 10) == 0 && strstr(s.line[i], " done");
    assert_true(swapped);
    assert_string_equal(s.line[s.lines - 2], "access write ipa=0x2000000");
    assert_string_equal(s.line[s.lines - 1], "enter vmid=1 vcpu=3");
    free(s.text);
    end(w);
}

/* A machine in plain words: every function of the port that is traced. */
static void every_request_is_an_event(void **state)
{
    static const char *const line[] = {
        "write store pte=0x40000008 new=0x10",
        "write release pte=0x40000008 new=0x20",
        "write swap pte=0x40000008 old=0x20 new=0x30",
        "write cas pte=0x40000008 old=0x30 new=0x40 done",
        "write cas pte=0x40000008 old=0x30 new=0x50 failed",
        "write fill pte=0x40000008 new=0x60 step=0x8 count=2",
        "vttbr vmid=9 root=0x40000000 cnp=0 vtcr=0x80000000",
        "tlbi vmalle1 vmid=9",
        "barrier dsb nsh",
        "lock try tpool id=0 done",
        "lock try tpool id=0 failed",
        "unlock exclusive tpool id=0",
        "lock shared vmids id=7",
        "unlock shared vmids id=7",
        "memory zero pa=0x40001000 bytes=0x1000",
        "memory copy pa=0x40001000 bytes=0x8",
        "memory clean pa=0x40001000 bytes=0x1000",
        "memory sync pa=0x40001000 bytes=0x1000",
    };
    struct s2_port *m = model_create_simple(RAM_BASE, MIB(2), false);
    uint64_t *slot = s2_port_table(m, S2_PA(RAM_BASE)) + 1, word = 1;
    struct s2_lock pool = {{0}}, vmids = {{0}};
    struct shown s;
    void *va;

    (void)state;
    watch(&s, m);
    s2_port_pte_store(m, slot, 0x10);
    s2_port_pte_store_release(m, slot, 0x20);
    assert_int_equal(s2_port_pte_xchg(m, slot, 0x30), 0x20);
    assert_true(s2_port_pte_cas(m, slot, 0x30, 0x40));
    assert_false(s2_port_pte_cas(m, slot, 0x30, 0x50));
    s2_port_pte_fill(m, slot, 2, 0x60, 8);
    s2_port_load_context(m, VMID(9) | RAM_BASE, 0x80000000);
    s2_port_tlbi(m, S2_TLBI_VMALLE1, 0);
    s2_port_barrier(m, S2_DSB_NSH);
    assert_true(s2_port_trylock(m, &pool, S2_LOCK_TPOOL, 0));
    assert_false(s2_port_trylock(m, &pool, S2_LOCK_TPOOL, 0));
    s2_port_unlock(m, &pool);
    s2_port_lock_shared(m, &vmids, S2_LOCK_VMIDS, 7);
    s2_port_unlock_shared(m, &vmids);
    va = s2_port_window_map(m, S2_PA(RAM_BASE + PAGE), PAGE);
    s2_port_zero(m, va, PAGE);
    s2_port_copy(m, va, &word, sizeof word);
    s2_port_copy(m, &word, va, sizeof word); /* to a buffer of nobody's */
    s2_port_clean_poc(m, va, PAGE);
    s2_port_sync_code(m, va, PAGE);
    s2_port_window_unmap(m, va, PAGE);
    look(&s, m, " write vttbr tlbi barrier lock unlock memory ");
    ASSERT_LINES(&s, line);
    assert_true(model_ok(m));
    model_destroy(m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),
        cmocka_unit_test(invalidations_by_address),
        cmocka_unit_test(invalidations_of_everything),
        cmocka_unit_test(barriers_and_contexts),
        cmocka_unit_test(locks),
        cmocka_unit_test(the_rest),
        cmocka_unit_test(no_line_is_too_long),
        cmocka_unit_test(every_kind_has_its_name),
        cmocka_unit_test(a_map_is_one_barrier),
        cmocka_unit_test(an_unmap_is_two_invalidations_and_three_barriers),
        cmocka_unit_test(a_protect_of_a_range_is_one_range_operation),
        cmocka_unit_test(writes_are_under_the_lock),
        cmocka_unit_test(a_fault_swaps),
        cmocka_unit_test(every_request_is_an_event),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
