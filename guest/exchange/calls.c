/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The calls themselves: their convention, what is refused, and descriptors that change while they are read. */
#include "owner.h"

#define READONLY 0x64000000ul /* 64 KiB, by the manifest */
enum { OFFER_BYTES = offsetof(struct hv_offer, borrower[1]) };

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
    ok(r.error == 0 && r.x1 == 0x10000 && r.x2 == SELF && r.x3 == owner.intid && (r.x4 & 1) == 1,
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

/* --- descriptors --------------------------------------------------------------------------------------------------- */

static struct hv_offer offer;

static int64_t offer_error(unsigned n, const struct hv_offer *o, uint64_t bytes)
{
    return hv_call(n, (uint64_t)o, bytes, 0).error;
}

/* One thing is wrong in each. */
static void check_wrong_descriptors(void)
{
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
        hv_describe(&offer, bad[i].ipa, bad[i].bytes, bad[i].borrowers);
        offer.reserved = bad[i].reserved;
        hv_borrower(&offer, 0, bad[i].vm < 0 ? owner.peer : (unsigned)bad[i].vm, bad[i].rights);
        for (unsigned n = HV_SHARE; n <= HV_DONATE; n++) {
            int64_t error = offer_error(n, &offer, OFFER_BYTES);
            if (error != bad[i].error) {
                say("# descriptor %u, call %u: -%lu\n", i, n, (uint64_t)-error);
                wrong++;
            }
            line++;
        }
    }
    ok(wrong == 0, "%u wrong descriptors: each is refused by its code", line);
}

/* What the table has no room for: two borrowers, wrong sizes, descriptors where nothing can be read. */
static void check_odd_descriptors(void)
{
    hv_describe(&offer, WINDOW, GUEST_PAGE, 2);
    hv_borrower(&offer, 0, owner.peer, HV_READ);
    hv_borrower(&offer, 1, owner.peer, HV_READ | HV_WRITE);
    ok(offer_error(HV_SHARE, &offer, OFFER_BYTES + 8) == HV_INVALID, "a borrower that is named twice");
    offer.borrower[1].vm = (uint16_t)owner.idle;
    ok(offer_error(HV_LEND, &offer, OFFER_BYTES + 8) == HV_INVALID &&
           offer_error(HV_DONATE, &offer, OFFER_BYTES + 8) == HV_INVALID,
       "two borrowers of a loan");
    offer.borrowers = 1;
    offer.borrower[0].reserved = 1;
    ok(offer_error(HV_SHARE, &offer, OFFER_BYTES) == HV_INVALID, "a reserved field of a borrower");
    offer.borrower[0].reserved = 0;
    ok(offer_error(HV_SHARE, &offer, 24) == HV_INVALID && offer_error(HV_SHARE, &offer, 33) == HV_INVALID &&
           offer_error(HV_SHARE, &offer, 96) == HV_INVALID && offer_error(HV_SHARE, &offer, ~7ul) == HV_INVALID &&
           offer_error(HV_SHARE, &offer, 1ul << 32 | OFFER_BYTES) == HV_INVALID,
       "descriptors of wrong sizes");
    ok(hv_call(HV_SHARE, (uint64_t)&offer + 4, OFFER_BYTES, 0).error == HV_ALIGN &&
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
        o->borrower[0].vm = (uint16_t)SELF;
        o->borrower[0].vm = (uint16_t)owner.idle;
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
    hv_borrower(&race.offer, 0, owner.idle, HV_READ);
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
        wrong += q.x1 != r.x1 || q.x2 != (uint64_t)SELF << 32 || q.x3 != GUEST_PAGE || q.x5 != 1;
        wrong += hv_reclaim(r.x1, NULL) != HV_SUCCESS;
    }
    race.stop = true;
    while (!race.stopped)
        ;
    ok(taken > 0 && refused > 0 && wrong == 0,
       "a descriptor that changes under the hypervisor's eyes: %u shares, %u refused, %u wrong", taken, refused, wrong);
}

void check_calls(void)
{
    check_convention();
    check_wrong_descriptors();
    check_odd_descriptors();
    check_race();
}
