/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* codes: answers of the hypercalls that depend on what VMs are like: their granules, their memory, their tables, whether they are there.
 * One owner offers, the others take whatever they are offered, once, and say how that was answered.
 *
 *   idle=N absent=N coarse=N far=N small=N tight=N
 *                 the owner: numbers of the others
 *   at=A          the others: where they map what comes; 1 GiB further each time
 *   offers=N      one of them: a page, to the VM of that number
 *
 * Keys, the owner's: g goes on. */
#include "lib/calls.h"

#define POOL 0x50000000ul /* 1 MiB */
#define LAZY 0x60000000ul /* 16 MiB, lazy */
#define GIFT (POOL + 0x20000)
#define LOAN (POOL + 0x40000)
#define LENT (POOL + 0x60000)
#define WORD 0x676966745f686572ul
enum { APART = 1 << 30, GIFT_BYTES = 0x10000, TICK_MS = 10, KINDS = 3, HANDLE = 0xffff, MANY = 8 };

/* Codes are negative, or 0. */
static void tell(const char *what, int64_t error)
{
    say("%s: %lu\n", what, (uint64_t)-error);
}

static void tick(void)
{
    vtimer_arm_ms(TICK_MS);
    (void)gic_wait(2 * TICK_MS);
}

static void wait_key(char key)
{
    while (get_char() != key)
        tick();
}

/* The first share that this VM stands so to; 0: none. */
static struct hv_result some(uint64_t standing)
{
    struct hv_result r = {.x1 = 0};
    do
        r = hv_call(HV_QUERY, r.x1, 0, 0);
    while (r.error == HV_SUCCESS && r.x1 != 0 && (r.x2 >> 16 & 0xff) != standing);
    return r;
}

/* --- the owner ------------------------------------------------------------------------------------------------------ */

static void lazily(unsigned vm)
{
    struct hv_result r;
    unsigned busy = 0;
    while ((r = hv_offer(HV_SHARE, LAZY, 16ul << 20, vm, HV_READ)).error == HV_BUSY && busy < 100)
        busy++;
    say("16M of lazy memory: busy %u times\n", busy);
    tell("16M of lazy memory", r.error);
    tell("and taken back", hv_reclaim(r.x1, NULL));
}

static void kinds(unsigned vm)
{
    static const char *const what[KINDS] = {"query of a share", "query of a loan", "query of a donation"};
    for (unsigned n = 0; n < KINDS; n++) {
        uint64_t handle = hv_offer(HV_SHARE + n, LOAN, GIFT_BYTES, vm, HV_READ | HV_WRITE).x1;
        struct hv_result r = hv_call(HV_QUERY, handle - 1, 0, 0);
        say("%s: %lx %lx %lx %lx\n", what[n], r.x2 & 0xffffffff, r.x3, r.x4, r.x5);
        (void)hv_reclaim(handle, NULL);
    }
}

/* A donation, nobody has it; meanwhile something else lies where it was. */
static void place_taken(unsigned vm)
{
    store64(GIFT, WORD);
    uint64_t gift = hv_offer(HV_DONATE, GIFT, GIFT_BYTES, vm, HV_READ | HV_WRITE).x1, theirs = some(1).x1;
    tell("what is offered to it, mapped where its donation was", hv_call(HV_RETRIEVE, theirs, GIFT, HV_READ).error);
    tell("memory that is another's, shared", hv_offer(HV_SHARE, GIFT, GUEST_PAGE, vm, HV_READ).error);
    tell("the donation, reclaimed", hv_call(HV_RECLAIM, gift, 0, 0).error);
    say("it is: %lx\n", hv_call(HV_QUERY, gift - 1, 0, 0).x2 & 0xffff);
    tell("the place, cleared", hv_call(HV_RELINQUISH, theirs, 0, 0).error);
    tell("and reclaimed again", hv_call(HV_RECLAIM, gift, 0, 0).error);
    say("it holds what it held: %s\n", load64(GIFT) == WORD ? "yes" : "no");
}

static void memory_calls(void)
{
    tell("MEMORY 7", hv_call(HV_MEMORY, 7, 0, 0).error);
    say("of so many bytes: %lu\n", hv_call(HV_MEMORY, 7, 0, 0).x2);
    tell("MEMORY 8", hv_call(HV_MEMORY, 8, 0, 0).error);
    tell("MEMORY of all ones", hv_call(HV_MEMORY, ~0ul, 0, 0).error);
    tell("its RAM, given back", hv_call(HV_GIVE_BACK, POOL, 1ul << 20, 0).error);
    tell("nothing, given back", hv_call(HV_GIVE_BACK, 0, 0, 0).error);
    tell("all, given back", hv_call(HV_GIVE_BACK, ~0ul, ~0ul, 0).error);
}

static void own(const char *args)
{
    unsigned idle = (unsigned)arg_number(args, "idle", 0), absent = (unsigned)arg_number(args, "absent", 0);
    wait_key('g');
    tell("shared with one that is absent", hv_offer(HV_SHARE, POOL, GUEST_PAGE, absent, HV_READ).error);
    lazily(idle);
    kinds(idle);
    place_taken(idle);
    tell("QUERY with more than a handle", hv_call(HV_QUERY, 1ul << 32, 0, 0).error);
    memory_calls();
    uint64_t lent = hv_offer(HV_LEND, LENT, GUEST_PAGE, idle, HV_READ).x1;
    tell("what is lent, shared", hv_offer(HV_SHARE, LENT, GUEST_PAGE, idle, HV_READ).error);
    tell("a window of the manifest, shared", hv_offer(HV_SHARE, 0x70000000, 0x10000, idle, HV_READ).error);
    tell("and the loan ends", hv_reclaim(lent, NULL));
    (void)hv_offer(HV_SHARE, POOL, GUEST_PAGE, (unsigned)arg_number(args, "coarse", 0), HV_READ);
    (void)hv_offer(HV_SHARE, POOL + 0x1000, GUEST_PAGE, (unsigned)arg_number(args, "far", 0), HV_READ);
    for (unsigned n = 0; n < MANY; n++)
        (void)hv_offer(HV_SHARE, POOL + 0x8000 + n * (uint64_t)GUEST_PAGE, GUEST_PAGE,
                       (unsigned)arg_number(args, "tight", 0), HV_READ);
    (void)hv_offer(HV_SHARE, POOL + 0x3000, GUEST_PAGE, (unsigned)arg_number(args, "small", 0), HV_READ);
    (void)hv_offer(HV_DONATE, POOL + 0x4000, GUEST_PAGE, (unsigned)arg_number(args, "far", 0), HV_READ);
    (void)hv_offer(HV_DONATE, POOL + 0x5000, GUEST_PAGE, (unsigned)arg_number(args, "small", 0), HV_READ);
    say("all is offered\n");
}

/* --- the others ------------------------------------------------------------------------------------------------------ */

/* Each offer once, by its place in the table of shares. */
static void take(uint64_t *at)
{
    static const char *const kind[KINDS] = {"share", "loan", "donation"};
    static bool tried[HANDLE + 1];
    for (struct hv_result q = {.x1 = 0}; (q = hv_call(HV_QUERY, q.x1, 0, 0)).error == HV_SUCCESS && q.x1 != 0;) {
        if ((q.x2 >> 16 & 0xff) != 1 || tried[q.x1 & HANDLE])
            continue;
        tried[q.x1 & HANDLE] = true;
        int64_t error;
        while ((error = hv_call(HV_RETRIEVE, q.x1, *at, HV_READ).error) == HV_BUSY)
            ;
        say("takes a %s: %lu\n", kind[q.x2 & 3], (uint64_t)-error);
        *at += APART;
    }
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    uint64_t at = arg_number(args, "at", 0), peer = arg_number(args, "offers", ~0ul);
    gic_init();
    gic_enable(INTID_VTIMER);
    if (at == 0)
        own(args);
    if (peer != ~0ul)
        tell("offers a page", hv_offer(HV_SHARE, 0x40300000, GUEST_PAGE, (unsigned)peer, HV_READ).error);
    for (;; tick())
        if (at != 0)
            take(&at);
}
