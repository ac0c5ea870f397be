/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The owner's side: it asserts everything, what the borrower sees included. */
#include "exchange.h"

/* Its memory by the manifest. */
#define POOL     0x50000000ul /* 8 MiB */
#define POOL_END 0x50800000ul
#define LAZY     0x60000000ul /* 2 MiB, lazy */
#define READONLY 0x64000000ul /* 64 KiB */
#define PLACED   0x68000000ul /* 64 KiB at a chosen place */
#define NOWHERE  0x78000000ul
#define GICD     0x08000000ul
/* What lies where in the pool. */
#define PAGE   POOL
#define WINDOW (POOL + 0x10000)
#define SECRET (POOL + 0x40000)
#define CODE   (POOL + 0x50000)
#define GIFT   (POOL + 0x80000)
#define LOAN   (POOL + 0x200000)
enum {
    WINDOW_BYTES = 0x10000,
    LOAN_BYTES = 0x200000, /* two scrub steps */
    GIFT_BYTES = 0x10000,
    ROUNDS = 32,
    SHARES_EACH = 16,
    PIECES = 32,
    SPINS = 2000,
    QUIET_MS = 50,
    OFFER_BYTES = offsetof(struct hv_offer, borrower[1]),
    CODE_RESULT = 0x2a,
};
#define AT(n)   (BORROWED + 0x10000ul * (n)) /* places of the borrower's */
#define MOVZ_W0 0x52800000u
#define RET     0xd65f03c0u

static struct page *const page = (struct page *)PAGE;
static unsigned intid, peer, idle, self;
static uint64_t events, page_handle, rings;

/* --- orders -------------------------------------------------------------------------------------------------------- */

static void ask(enum order order, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    page->order = order;
    page->arg[0] = a;
    page->arg[1] = b;
    page->arg[2] = c;
    page->arg[3] = d;
    page->asked++;
    hv_call(HV_RING, page_handle, 0, 0);
}

static void wait_answer(void)
{
    while (page->answered != page->asked) {
        if (!wait_doorbell(intid, &events)) {
            say("# the borrower does not answer order %lu\n", page->order);
            done("exchange");
            power_off();
        }
        rings++;
    }
}

static uint64_t order(enum order what, uint64_t a, uint64_t b, uint64_t c)
{
    ask(what, a, b, c, 0);
    wait_answer();
    return page->result[0];
}

static int64_t order_call(unsigned n, uint64_t a, uint64_t b, uint64_t c)
{
    ask(ORDER_CALL, n, a, b, c);
    wait_answer();
    return (int64_t)page->result[0];
}

/* Did the borrower's access end in an external abort of that class, as on-fault says? */
static bool faults(enum order what, uint64_t address, unsigned class)
{
    order(what, address, 0, 0);
    return ESR_EC(page->fault) == class && ESR_FSC(page->fault) == FSC_EXTERNAL;
}

static bool no_access(uint64_t address)
{
    return faults(ORDER_READ, address, EC_DATA_ABORT) && faults(ORDER_WRITE, address, EC_DATA_ABORT) &&
           faults(ORDER_EXECUTE, address, EC_INSN_ABORT);
}

static bool owner_faults(uint64_t address)
{
    uint64_t value;
    struct fault f = try_read(address, &value);
    return f.taken && ESR_EC(f.esr) == EC_DATA_ABORT && try_write(address, 1).taken;
}

static uint64_t peer_events(void)
{
    return order(ORDER_EVENTS, 0, 0, 0);
}

static bool is_zero(uint64_t address, uint64_t bytes)
{
    uint64_t all = 0;
    for (uint64_t i = 0; i < bytes; i += 8)
        all |= load64(address + i);
    return all == 0;
}

static uint64_t offer_as(unsigned n, uint64_t ipa, uint64_t bytes, unsigned rights)
{
    struct hv_result r = hv_offer(n, ipa, bytes, peer, rights);
    return r.error == HV_SUCCESS ? r.x1 : 0;
}

/* --- the calls themselves ------------------------------------------------------------------------------------------ */

/* SMCCC 1.1: x4 to x17 are preserved when they are no results. By HVC and by SMC; false when one was not. */
#define KEEPS(conduit)                                                                                                 \
    ({                                                                                                                 \
        uint64_t differs;                                                                                              \
        __asm__ volatile(".irp n, 4,5,6,7,8,9,10,11,12,13,14,15,16,17\n mov x\\n, #(0x100 + \\n)\n .endr\n"            \
                         "mov x0, %1\n" conduit " #0\n mov %0, x0\n"                                                   \
                         ".irp n, 4,5,6,7,8,9,10,11,12,13,14,15,16,17\n sub x\\n, x\\n, #(0x100 + \\n)\n"              \
                         "orr %0, %0, x\\n\n .endr"                                                                    \
                         : "=&r"(differs)                                                                              \
                         : "r"(HV_CALLS + HV_EVENTS)                                                                   \
                         : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",     \
                           "x14", "x15", "x16", "x17", "memory");                                                      \
        differs == 0;                                                                                                  \
    })

static void check_convention(void)
{
    struct hv_result r = hv_call(HV_VERSION, 0, 0, 0);
    ok(r.error == 0 && r.x1 == 0x10000 && r.x2 == self && r.x3 == intid && (r.x4 & 1) == 1,
       "VERSION: 1.0, VM %lu, doorbell %lu", r.x2, r.x3);
    r = hv_function(HV_UID, 7, 7, 7);
    ok((uint64_t)r.error == 0x7c5f1d6f && r.x1 == 0x0e4bb352 && r.x2 == 0x8b2d649a && r.x3 == 0x17a9c0e3, "UID");
    r = hv_function(HV_REVISION, 7, 7, 7);
    ok(r.error == 1 && r.x1 == 0, "REVISION");
    unsigned wrong = 0;
    for (unsigned n = 0; n < 16; n++) {
        wrong += hv_function(0x86000000ul + n, 0, 0, 0).error != HV_NOT_SUPPORTED;
        wrong += hv_function(0x46000000ul + n, 0, 0, 0).error != HV_NOT_SUPPORTED;
        wrong += hv_function(0xc6000100ul + n, 0, 0, 0).error != HV_NOT_SUPPORTED;
        wrong += hv_function(0xc600000cul + n, 0, 0, 0).error != HV_NOT_SUPPORTED;
    }
    ok(wrong == 0, "32-bit forms, yielding calls and numbers that there are not: not supported (%u are)", wrong);
    ok(KEEPS("hvc") && KEEPS("smc"), "x4 to x17 are kept, by HVC as by SMC");
    r = hv_function(0xffffffff00000000ul | HV_CALLS | HV_EVENTS, 5, 6, 7);
    ok(r.error == 0 && r.x2 == 6 && r.x3 == 7, "the upper half of x0 is ignored; what is no result is kept");
}

static int64_t offer_error(unsigned n, const struct hv_offer *o, uint64_t bytes)
{
    return hv_call(n, (uint64_t)o, bytes, 0).error;
}

static void check_descriptors(void)
{
    static struct hv_offer o;
    unsigned wrong = 0, line = 0;
    static const struct {
        uint64_t ipa, bytes;
        uint32_t borrowers, reserved;
        int vm; /* -1: the peer */
        uint32_t rights;
        int64_t error;
    } bad[] = {
        {WINDOW, 0x1000, 0, 0, -1, 1, HV_INVALID},
        {WINDOW, 0x1000, 2, 0, -1, 1, HV_INVALID},
        {WINDOW, 0x1000, 0x80000001, 0, -1, 1, HV_INVALID},
        {WINDOW, 0x1000, 1, 1, -1, 1, HV_INVALID},
        {WINDOW, 0x1000, 1, 0, 0, 1, HV_INVALID}, /* itself */
        {WINDOW, 0x1000, 1, 0, 3, 1, HV_NO_ENTRY},
        {WINDOW, 0x1000, 1, 0, 0xffff, 1, HV_NO_ENTRY},
        {WINDOW, 0x1000, 1, 0, -1, 0, HV_INVALID},
        {WINDOW, 0x1000, 1, 0, -1, 2, HV_INVALID},
        {WINDOW, 0x1000, 1, 0, -1, 9, HV_INVALID},
        {WINDOW, 0, 1, 0, -1, 1, HV_INVALID},
        {WINDOW, 0x800, 1, 0, -1, 1, HV_ALIGN},
        {WINDOW + 0x800, 0x1000, 1, 0, -1, 1, HV_ALIGN},
        {WINDOW, 0x4000000, 1, 0, -1, 1, HV_RANGE},
        {0ul - 0x1000, 0x1000, 1, 0, -1, 1, HV_RANGE},
        {0ul - 0x1000, 0x2000, 1, 0, -1, 1, HV_RANGE},
        {1ul << 47, 0x1000, 1, 0, -1, 1, HV_NO_ENTRY},
        {NOWHERE, 0x1000, 1, 0, -1, 1, HV_NO_ENTRY},
        {POOL_END - 0x1000, 0x2000, 1, 0, -1, 1, HV_NO_ENTRY},
        {GICD, 0x1000, 1, 0, -1, 1, HV_DENIED},
        {READONLY, 0x1000, 1, 0, -1, 3, HV_DENIED},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        hv_describe(&o, bad[i].ipa, bad[i].bytes, bad[i].borrowers);
        o.reserved = bad[i].reserved;
        hv_borrower(&o, 0, bad[i].vm < 0 ? peer : (unsigned)bad[i].vm, bad[i].rights);
        for (unsigned n = HV_SHARE; n <= HV_DONATE; n++) {
            int64_t error = offer_error(n, &o, OFFER_BYTES);
            if (error != bad[i].error) {
                say("# descriptor %u, call %u: -%lu\n", i, n, (uint64_t)-error);
                wrong++;
            }
            line++;
        }
    }
    ok(wrong == 0, "%u wrong descriptors: each is refused by its code", line);
    hv_describe(&o, WINDOW, GUEST_PAGE, 2);
    hv_borrower(&o, 0, peer, HV_READ);
    hv_borrower(&o, 1, peer, HV_READ | HV_WRITE);
    ok(offer_error(HV_SHARE, &o, OFFER_BYTES + 8) == HV_INVALID, "a borrower that is named twice");
    o.borrower[1].vm = (uint16_t)idle;
    ok(offer_error(HV_LEND, &o, OFFER_BYTES + 8) == HV_INVALID &&
           offer_error(HV_DONATE, &o, OFFER_BYTES + 8) == HV_INVALID,
       "two borrowers of a loan");
    o.borrowers = 1;
    o.borrower[0].reserved = 1;
    ok(offer_error(HV_SHARE, &o, OFFER_BYTES) == HV_INVALID, "a reserved field of a borrower");
    o.borrower[0].reserved = 0;
    ok(offer_error(HV_SHARE, &o, 24) == HV_INVALID && offer_error(HV_SHARE, &o, 33) == HV_INVALID &&
           offer_error(HV_SHARE, &o, 96) == HV_INVALID && offer_error(HV_SHARE, &o, ~7ul) == HV_INVALID &&
           offer_error(HV_SHARE, &o, 1ul << 32 | OFFER_BYTES) == HV_INVALID,
       "descriptors of wrong sizes");
    ok(hv_call(HV_SHARE, (uint64_t)&o + 4, OFFER_BYTES, 0).error == HV_ALIGN &&
           hv_call(HV_SHARE, NOWHERE, OFFER_BYTES, 0).error == HV_NO_ENTRY &&
           hv_call(HV_SHARE, POOL_END - 16, OFFER_BYTES, 0).error == HV_NO_ENTRY &&
           hv_call(HV_SHARE, GICD, OFFER_BYTES, 0).error == HV_DENIED &&
           hv_call(HV_SHARE, ~7ul, OFFER_BYTES, 0).error == HV_RANGE,
       "descriptors where nothing can be read");
    struct hv_result r = hv_call(HV_QUERY, 0, 0, 0);
    ok(r.error == HV_SUCCESS && r.x1 == 0, "and nothing came of all that");
}

/* Another vCPU spoils the descriptor while it is read. */
static struct {
    struct hv_offer offer;
    volatile bool stop, stopped;
} race;

void guest_main_secondary(uint64_t index)
{
    volatile struct hv_offer *o = &race.offer;
    (void)index;
    while (!race.stop) {
        o->borrowers = HV_BORROWERS + 1;
        o->borrowers = 1;
        o->bytes = 0;
        o->bytes = GUEST_PAGE;
        o->borrower[0].vm = (uint16_t)self;
        o->borrower[0].vm = (uint16_t)idle;
        o->borrower[0].rights = 0xf00000ff;
        o->borrower[0].rights = HV_READ;
    }
    race.stopped = true;
    guest_hvc(PSCI_CPU_OFF, 0, 0, 0);
}

static void check_race(void)
{
    enum { EACH = 1000, MOST_MS = 20000 };
    unsigned taken = 0, refused = 0, wrong = 0;
    uint64_t end = now_ms() + MOST_MS;
    hv_describe(&race.offer, WINDOW, GUEST_PAGE, 1);
    hv_borrower(&race.offer, 0, idle, HV_READ);
    guest_hvc(PSCI_CPU_ON, 1, (uint64_t)guest_secondary, 1);
    while ((taken < EACH || refused < EACH) && now_ms() < end) {
        struct hv_result r = hv_call(HV_SHARE, (uint64_t)&race.offer, OFFER_BYTES, 0), q;
        if (r.error != HV_SUCCESS) {
            refused++;
            wrong += r.error != HV_INVALID;
            continue;
        }
        taken++;
        q = hv_call(HV_QUERY, 0, 0, 0);
        wrong += q.x1 != r.x1 || q.x2 != (uint64_t)self << 32 || q.x3 != GUEST_PAGE || q.x5 != 1;
        wrong += hv_reclaim(r.x1, NULL) != HV_SUCCESS;
    }
    race.stop = true;
    while (!race.stopped)
        ;
    ok(taken > 0 && refused > 0 && wrong == 0,
       "a descriptor that changes under the hypervisor's eyes: %u shares, %u refused, %u wrong", taken, refused, wrong);
}

/* --- the page of words --------------------------------------------------------------------------------------------- */

static void meet(void)
{
    struct hv_result r;
    page_handle = offer_as(HV_SHARE, PAGE, GUEST_PAGE, HV_READ | HV_WRITE);
    ok(page_handle != 0, "a page is shared");
    r = hv_call(HV_QUERY, 0, 0, 0);
    ok(r.x1 == page_handle && r.x2 == (uint64_t)self << 32 && r.x3 == GUEST_PAGE && r.x4 == PAGE &&
           (r.x5 == 1 || r.x5 == 0x101),
       "QUERY says so (%lx)", r.x2);
    ok(hv_offer(HV_SHARE, PAGE, GUEST_PAGE, idle, HV_READ).error == HV_DENIED &&
           hv_offer(HV_LEND, POOL, 0x4000, idle, HV_READ).error == HV_NO_ENTRY,
       "what is shared cannot be shared again, nor lent with what lies behind it");
    if (!ok(wait_doorbell(intid, &events) && (events & HV_RUNG) != 0, "the borrower rings")) {
        done("exchange");
        power_off();
    }
    r = hv_call(HV_QUERY, 0, 0, 0);
    ok(r.x5 == 0x101, "who has it by now");
}

static void check_words(void)
{
    unsigned wrong = 0;
    uint64_t handle = offer_as(HV_SHARE, WINDOW, WINDOW_BYTES, HV_READ | HV_WRITE), from = rings,
             half = WINDOW_BYTES / 2;
    ok(handle != 0 && order_call(HV_RETRIEVE, handle, AT(1), HV_READ | HV_WRITE) == HV_SUCCESS &&
           page->result[1] == AT(1) && page->result[2] == WINDOW_BYTES,
       "64 KiB are shared and retrieved");
    for (unsigned i = 0; i < ROUNDS; i++) {
        fill(WINDOW, half, i);
        wrong += order(ORDER_SUM, AT(1), half, 0) != sum_of(i, half);
        order(ORDER_FILL, AT(1) + half, half, ~(uint64_t)i);
        wrong += sum(WINDOW + half, half) != sum_of(~(uint64_t)i, half);
    }
    ok(wrong == 0, "%u rounds of data both ways, by their checksums (%u wrong)", (unsigned)ROUNDS, wrong);
    ok(rings - from >= 2ul * ROUNDS, "each answer came with an interrupt (%lu)", rings - from);
    ok(hv_reclaim(handle, NULL) == HV_SUCCESS && no_access(AT(1)), "nothing is there when it is reclaimed");
    ok(sum(WINDOW + half, half) == sum_of(~(uint64_t)(ROUNDS - 1), half), "what was shared stays as it was written");
    ok((peer_events() & (HV_OFFERED | HV_WITHDRAWN)) == (HV_OFFERED | HV_WITHDRAWN),
       "both were events to the borrower");
}

/* --- rights -------------------------------------------------------------------------------------------------------- */

static void check_rights(void)
{
    fill(SECRET, GUEST_PAGE, 99);
    uint64_t handle = offer_as(HV_SHARE, SECRET, GUEST_PAGE, HV_READ);
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ | HV_WRITE) == HV_DENIED &&
           order_call(HV_RETRIEVE, handle, AT(1), HV_READ | HV_EXECUTE) == HV_DENIED,
       "no more than what was offered is retrieved");
    ok(order_call(HV_RETRIEVE, handle, AT(1), 0) == HV_INVALID &&
           order_call(HV_RETRIEVE, handle, AT(1), HV_WRITE) == HV_INVALID &&
           order_call(HV_RETRIEVE, handle, AT(1), 0x11) == HV_INVALID,
       "rights that there are not");
    ok(order_call(HV_RETRIEVE, handle, AT(1) + 8, HV_READ) == HV_ALIGN &&
           order_call(HV_RETRIEVE, handle, 1ul << 47, HV_READ) == HV_RANGE &&
           order_call(HV_RETRIEVE, handle, ~0xffful, HV_READ) == HV_RANGE &&
           order_call(HV_RETRIEVE, handle, BORROWED, HV_READ) == HV_EXISTS &&
           order_call(HV_RETRIEVE, handle, GICD, HV_READ) == HV_EXISTS,
       "places where it cannot be");
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ) == HV_SUCCESS, "what is only to be read is retrieved");
    ok(order_call(HV_RETRIEVE, handle, AT(2), HV_READ) == HV_EXISTS, "but not twice");
    ok(order(ORDER_READ, AT(1), 0, 0) == pattern(99, 0) && page->fault == 0, "it can be read");
    ok(faults(ORDER_WRITE, AT(1), EC_DATA_ABORT) && faults(ORDER_EXECUTE, AT(1), EC_INSN_ABORT),
       "it cannot be written, nor executed");
    ok(load64(SECRET) == pattern(99, 0), "and was not");
    events = 0;
    ok(order_call(HV_RELINQUISH, handle, 0, 0) == HV_SUCCESS && no_access(AT(1)) && (events & HV_RELINQUISHED) != 0,
       "it is gone when it was relinquished, and the owner was told");
    ok(order_call(HV_RELINQUISH, handle, 0, 0) == HV_DENIED, "what is not held cannot be relinquished");
    ok(order_call(HV_RETRIEVE, handle, AT(3), HV_READ) == HV_SUCCESS, "while it is offered, it can be retrieved again");
    ok(hv_reclaim(handle, NULL) == HV_SUCCESS && no_access(AT(3)), "and then not");

    store32(CODE, MOVZ_W0 | CODE_RESULT << 5);
    store32(CODE + 4, RET);
    handle = offer_as(HV_SHARE, CODE, GUEST_PAGE, HV_READ | HV_EXECUTE);
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ) == HV_SUCCESS && faults(ORDER_EXECUTE, AT(1), EC_INSN_ABORT) &&
           order_call(HV_RELINQUISH, handle, 0, 0) == HV_SUCCESS,
       "what was retrieved without the right to execute is not executed");
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ | HV_EXECUTE) == HV_SUCCESS, "with it");
    order(ORDER_EXECUTE, AT(1), 0, 0);
    ok(page->fault == 0 && hv_reclaim(handle, NULL) == HV_SUCCESS, "it is");
}

/* --- handles ------------------------------------------------------------------------------------------------------- */

static void check_handles(void)
{
    struct hv_result r = hv_offer(HV_SHARE, SECRET, GUEST_PAGE, idle, HV_READ | HV_WRITE);
    uint64_t other = r.x1, wrong = 0;
    ok(r.error == HV_SUCCESS && order(ORDER_LISTED, other, 0, 0) == 0 && order(ORDER_LISTED, page_handle, 0, 0) == 1,
       "a VM is not told of a share that does not name it");
    const uint64_t handles[] = {other, 0, 1, ~0ul, 1ul << 32 | page_handle, page_handle ^ 0x10000, 0xffff};
    for (unsigned i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        wrong += order_call(HV_RETRIEVE, handles[i], AT(1), HV_READ) != HV_DENIED;
        wrong += order_call(HV_RELINQUISH, handles[i], 0, 0) != HV_DENIED;
        wrong += order_call(HV_RECLAIM, handles[i], 0, 0) != HV_DENIED;
        wrong += order_call(HV_RING, handles[i], 0, 0) != HV_DENIED;
    }
    ok(wrong == 0, "whose handle it is not cannot tell it from none (%lu times)", wrong);
    ok(order_call(HV_RECLAIM, page_handle, 0, 0) == HV_DENIED, "a borrower cannot reclaim");
    ok(hv_call(HV_RETRIEVE, other, AT(1), HV_READ).error == HV_DENIED &&
           hv_call(HV_RELINQUISH, page_handle, 0, 0).error == HV_DENIED,
       "nor can the owner retrieve or relinquish");
    ok(hv_reclaim(other, NULL) == HV_SUCCESS && hv_reclaim(other, NULL) == HV_DENIED, "reclaimed once");
    uint64_t again = offer_as(HV_SHARE, SECRET, GUEST_PAGE, HV_READ);
    ok(again != 0 && again != other && hv_call(HV_RECLAIM, other, 0, 0).error == HV_DENIED &&
           order_call(HV_RETRIEVE, other, AT(1), HV_READ) == HV_DENIED,
       "shared again it has another handle, and the old one means nothing");
    ok(order_call(HV_RETRIEVE, again, AT(1), HV_READ) == HV_SUCCESS && hv_reclaim(again, NULL) == HV_SUCCESS,
       "and the new one all");
}

static void check_limit(void)
{
    uint64_t handle[SHARES_EACH];
    unsigned n = 0, back = 0;
    struct hv_result r = {.error = HV_SUCCESS};
    while (n < SHARES_EACH &&
           (r = hv_offer(HV_SHARE, LOAN + n * (uint64_t)GUEST_PAGE, GUEST_PAGE, peer, HV_READ)).error == 0)
        handle[n++] = r.x1;
    ok(n == SHARES_EACH - 1 && r.error == HV_QUOTA, "sixteen shares each, and no more (%u)", n + 1);
    for (unsigned i = 0; i < n; i++)
        back += hv_reclaim(handle[i], NULL) == HV_SUCCESS;
    ok(back == n, "all of them come back");
}

/* --- loans and donations ------------------------------------------------------------------------------------------- */

static void check_loan(void)
{
    unsigned busy;
    fill(LOAN, LOAN_BYTES, 5);
    uint64_t handle = offer_as(HV_LEND, LOAN, LOAN_BYTES, HV_READ | HV_WRITE);
    ok(handle != 0 && owner_faults(LOAN) && owner_faults(LOAN + LOAN_BYTES - 8), "what is lent is the owner's no more");
    ok(hv_reclaim(handle, &busy) == HV_SUCCESS && busy == 0 &&
           load64(LOAN + LOAN_BYTES - 8) == pattern(5, LOAN_BYTES / 8 - 1),
       "what nobody took comes back as it was");
    handle = offer_as(HV_LEND, LOAN, LOAN_BYTES, HV_READ | HV_WRITE);
    ok(order_call(HV_RETRIEVE, handle, 0x71000000, HV_READ | HV_WRITE) == HV_SUCCESS &&
           order(ORDER_READ, 0x71000000 + LOAN_BYTES - 8, 0, 0) == pattern(5, LOAN_BYTES / 8 - 1),
       "the borrower finds what the owner left");
    order(ORDER_FILL, 0x71000000, 0x1000, 7);
    ok(page->fault == 0 && owner_faults(LOAN), "and has it alone");
    int64_t first = hv_call(HV_RECLAIM, handle, 0, 0).error;
    ok(first == HV_BUSY && no_access(0x71000000) && no_access(0x71000000 + LOAN_BYTES - 8) && owner_faults(LOAN),
       "reclaimed, it is nobody's while it is scrubbed");
    ok(order_call(HV_RETRIEVE, handle, 0x71000000, HV_READ) == HV_DYING, "nor can it be had again");
    ok(hv_reclaim(handle, NULL) == HV_SUCCESS && is_zero(LOAN, LOAN_BYTES), "then it is the owner's, and zero");
    for (unsigned rights = HV_READ; rights <= (HV_READ | HV_WRITE); rights += HV_WRITE) {
        fill(WINDOW, GUEST_PAGE, 21);
        handle = offer_as(HV_LEND, WINDOW, GUEST_PAGE, HV_READ | HV_WRITE);
        ok(order_call(HV_RETRIEVE, handle, AT(1), rights) == HV_SUCCESS &&
               order_call(HV_RELINQUISH, handle, 0, 0) == HV_SUCCESS && hv_reclaim(handle, NULL) == HV_SUCCESS &&
               (rights == HV_READ ? sum(WINDOW, GUEST_PAGE) == sum_of(21, GUEST_PAGE) : is_zero(WINDOW, GUEST_PAGE)),
           "what the borrower gave up is %s",
           rights == HV_READ ? "as it was if it could not write" : "zero if it could");
    }
    handle = offer_as(HV_LEND, LAZY + 0x3000, 0x2000, HV_READ);
    ok(handle != 0 && order_call(HV_RETRIEVE, handle, AT(1), HV_READ) == HV_SUCCESS &&
           order(ORDER_READ, AT(1) + 0x1000, 0, 0) == 0 && page->fault == 0 && hv_reclaim(handle, NULL) == HV_SUCCESS,
       "lazy memory that nobody had touched is lent");
}

static void check_donation(void)
{
    fill(GIFT, 2ul * GIFT_BYTES, 3);
    ok(hv_offer(HV_DONATE, PLACED, GUEST_PAGE, peer, HV_READ | HV_WRITE).error == HV_DENIED,
       "memory at a chosen place is not donated");
    uint64_t handle = offer_as(HV_DONATE, GIFT, GIFT_BYTES, HV_READ | HV_WRITE);
    ok(handle != 0 && owner_faults(GIFT), "64 KiB are donated");
    int64_t error;
    while ((error = order_call(HV_RETRIEVE, handle, AT(4), HV_READ | HV_WRITE)) == HV_BUSY)
        ;
    ok(error == HV_SUCCESS, "and received (-%lu)", (uint64_t)-error);
    ok(order(ORDER_SUM, AT(4), GIFT_BYTES, 0) != sum_of(3, GIFT_BYTES) &&
           order(ORDER_READ, AT(4) + 0x8008, 0, 0) == 0 && page->fault == 0 && order(ORDER_READ, AT(4), 0, 0) == 0,
       "as zeros");
    ok(hv_reclaim(handle, NULL) == HV_DENIED && owner_faults(GIFT), "there is no way back");
    order(ORDER_FILL, AT(4), GIFT_BYTES, 11);
    ok(order(ORDER_SUM, AT(4), GIFT_BYTES, 0) == sum_of(11, GIFT_BYTES) && order(ORDER_LISTED, handle, 0, 0) == 0,
       "it is the receiver's own");
    handle = offer_as(HV_DONATE, LOAN, LOAN_BYTES, HV_READ | HV_WRITE);
    unsigned steps = 0;
    while ((error = order_call(HV_RETRIEVE, handle, 0x71000000, HV_READ | HV_WRITE)) == HV_BUSY)
        steps++;
    ok(error == HV_QUOTA && steps > 0, "who has too little spare memory cannot receive (-%lu)", (uint64_t)-error);
    ok(hv_reclaim(handle, NULL) == HV_SUCCESS && !try_write(LOAN, 1).taken &&
           !try_write(LOAN + LOAN_BYTES - 8, 1).taken,
       "what was not received comes back");
}

/* Every other page, so that no two are one. */
static void check_pieces(void)
{
    unsigned received = 0;
    for (unsigned n = 0; n < PIECES; n++) {
        uint64_t handle = offer_as(HV_DONATE, GIFT + GIFT_BYTES + 2ul * n * GUEST_PAGE, GUEST_PAGE, HV_READ);
        uint64_t at = 0x72000000 + n * (uint64_t)GUEST_PAGE;
        received += order_call(HV_RETRIEVE, handle, at, HV_READ) == HV_SUCCESS && order(ORDER_READ, at, 0, 0) == 0;
    }
    ok(received == PIECES, "many small pieces are donated (%u)", received);
}

/* --- the instant --------------------------------------------------------------------------------------------------- */

static void check_instant(void)
{
    uint64_t handle = offer_as(HV_SHARE, WINDOW, WINDOW_BYTES, HV_READ | HV_WRITE);
    store64(WINDOW, 0);
    page->spins = 0;
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ | HV_WRITE) == HV_SUCCESS, "shared again");
    ask(ORDER_SPIN, AT(1), 0, 0, 0);
    uint64_t end = now_ms() + 20000;
    while (page->spins < SPINS && now_ms() < end)
        ;
    ok(page->spins >= SPINS && page->answered != page->asked, "the borrower counts in it on another CPU");
    int64_t error = hv_call(HV_RECLAIM, handle, 0, 0).error;
    uint64_t at_return = load64(WINDOW);
    ok(error == HV_SUCCESS, "it is reclaimed under its hands");
    end = now_ms() + QUIET_MS;
    while (now_ms() < end)
        ;
    uint64_t later = load64(WINDOW);
    wait_answer();
    ok(ESR_EC(page->fault) == EC_DATA_ABORT && ESR_FSC(page->fault) == FSC_EXTERNAL, "its next access faulted");
    ok(at_return == later && later == load64(WINDOW) && at_return >= page->spins && at_return <= page->spins + 1,
       "and changed nothing after the call had returned (%lu, %lu)", at_return, page->spins);
}

/* --- restarts ------------------------------------------------------------------------------------------------------ */

static void check_restart(void)
{
    uint64_t handle = offer_as(HV_SHARE, WINDOW, WINDOW_BYTES, HV_READ);
    fill(WINDOW, WINDOW_BYTES, 31);
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ) == HV_SUCCESS && hv_call(HV_QUERY, handle - 1, 0, 0).x5 == 0x101,
       "the borrower has a window");
    events = 0;
    order(ORDER_RESET, 0, 0, 0);
    ok((events & HV_RELINQUISHED) != 0 && hv_call(HV_QUERY, handle - 1, 0, 0).x5 == 1 && no_access(AT(1)),
       "and has it no more when it has restarted");
    ok(order_call(HV_RETRIEVE, handle, AT(2), HV_READ) == HV_SUCCESS &&
           order(ORDER_SUM, AT(2), WINDOW_BYTES, 0) == sum_of(31, WINDOW_BYTES) &&
           hv_reclaim(handle, NULL) == HV_SUCCESS,
       "it is offered still, and can be retrieved");
    ok(no_access(AT(4)), "what was donated to it is gone");
}

/* Is there something that the borrower offered to this VM's last life? */
static bool second_life(void)
{
    struct hv_result r = hv_call(HV_QUERY, 0, 0, 0);
    uint64_t handle = r.x1;
    if (r.error != HV_SUCCESS || handle == 0)
        return false;
    bool good = r.x2 == ((uint64_t)peer << 32 | 3 << 24 | 1 << 16) && hv_call(HV_QUERY, handle, 0, 0).x1 == 0 &&
                is_zero(POOL, POOL_END - POOL) &&
                hv_call(HV_RETRIEVE, handle, NOWHERE, HV_READ | HV_WRITE).error == 0 && load64(NOWHERE) == HELLO;
    if (good)
        store64(NOWHERE + 8, ANSWER);
    hv_call(HV_RING, handle, 0, 0);
    say("second life: %s\n", good ? "as expected" : "otherwise");
    return true;
}

void owner_main(const char *args)
{
    peer = (unsigned)arg_number(args, "peer", 1);
    idle = (unsigned)arg_number(args, "idle", 2);
    intid = hv_doorbell();
    if (second_life())
        return;
    check_convention();
    check_descriptors();
    check_race();
    meet();
    check_words();
    check_rights();
    check_handles();
    check_limit();
    check_loan();
    check_donation();
    check_pieces();
    check_instant();
    check_restart();
    ok(order(ORDER_OFFER, self, 0, 0) == HV_SUCCESS, "the borrower shares a page of its own with the owner");
    ok(page->silent == 0 && page->doorbells == page->asked, "every one of %lu orders came with a doorbell",
       page->asked);
    done("exchange");
    order(ORDER_END, 0, 0, 0);
    reset();
}
