/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* hammer: its vCPUs touch the same lazy memory at once, each in an order of its own, while the hypervisor's self-test edits it.
 * Of two regions one is `kept`: protected and split, but never taken away, so that every word has to stay. What lies in `taken`
 * may at any moment be zero again, and nothing else but what was written there. Two words more than its vCPUs' are in each page:
 * a function that says which page it is, for the fetches.
 *
 * In each round all vCPUs work on one cluster of pages, so that they meet. It goes on until the self-test says, in the first
 * page of `kept`, that it has done. */
#include "lib/guest.h"

enum {
    VCPUS = 4,
    CLUSTER = 16, /* pages */
    MOST_PAGES = 4096,
    SLOT_BYTES = 64,
    LAST_FETCH = 0xffff,
};
#define MOVZ_W0 0x52800000u /* imm16 in bits [20:5] */
#define RET     0xd65f03c0u

struct tally {
    uint64_t visits, lost, foreign, fetched_wrong, found_zero;
};

static struct {
    struct range kept, taken;
    volatile uint64_t round[VCPUS]; /* each one's own: how far it came */
    volatile bool ended[VCPUS];
    volatile uint64_t end_at; /* the round after which all stop together */
    struct tally tally[VCPUS];
    uint32_t last[VCPUS][2][MOST_PAGES]; /* what a vCPU wrote last */
} hammer;

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ul;
    x = (x ^ x >> 27) * 0x94d049bb133111ebul;
    return x ^ x >> 31;
}

static uint64_t slot(uint64_t page, unsigned cpu)
{
    return page + (1ull + cpu) * SLOT_BYTES;
}

static uint64_t value(uint64_t page, unsigned cpu, uint32_t count)
{
    return count ? mix(page + cpu) ^ count : 0;
}

/* --- one page ------------------------------------------------------------------------------------------------------------ */

static void fetch(uint64_t page, struct tally *t)
{
    unsigned number = (unsigned)(page / GUEST_PAGE) & LAST_FETCH;
    store64(page, (uint64_t)RET << 32 | MOVZ_W0 | number << 5);
    sync_code(page);
    t->fetched_wrong += ((uint32_t(*)(void))page)() != number;
}

static void visit(unsigned cpu, bool kept, unsigned n, uint64_t round)
{
    struct tally *t = &hammer.tally[cpu];
    uint64_t page = (kept ? hammer.kept.base : hammer.taken.base) + n * (uint64_t)GUEST_PAGE, at = slot(page, cpu);
    uint32_t *last = &hammer.last[cpu][kept][n];
    uint64_t found = load64(at);
    t->visits++;
    if (found != value(page, cpu, *last)) {
        if (found)
            t->foreign++;
        else if (kept)
            t->lost++;
        else
            t->found_zero++;
    }
    switch (mix(round + n * 4ull + cpu) % 3) {
    case 0: /* a read was all */
        *last = found ? *last : 0;
        break;
    case 1:
        *last = (uint32_t)round;
        store64(at, value(page, cpu, *last));
        break;
    default:
        *last = found ? *last : 0;
        if (kept)
            fetch(page, t);
    }
}

/* --- all of them ----------------------------------------------------------------------------------------------------------- */

/* To be one round ahead is near enough to meet, and lets a machine with fewer CPUs than this one go on. */
static void wait_for_all(uint64_t round)
{
    for (unsigned other = 0; other < VCPUS; other++)
        while (hammer.round[other] < round)
            __asm__ volatile("yield");
}

static bool self_test_done(void)
{
    return load64(hammer.kept.base + GUEST_PAGE - 8) != 0;
}

static void work(unsigned cpu)
{
    for (uint64_t round = 1; round < hammer.end_at; round++) {
        bool kept = round % 2;
        unsigned pages = (unsigned)((kept ? hammer.kept.size : hammer.taken.size) / GUEST_PAGE);
        unsigned first = (unsigned)(mix(round) % (pages / CLUSTER)) * CLUSTER;
        if (cpu == 0 && self_test_done())
            hammer.end_at = round + 1;
        hammer.round[cpu] = round;
        wait_for_all(round - 1);
        for (unsigned i = 0; i < CLUSTER; i++)
            visit(cpu, kept, first + (i * (2 * cpu + 1) + 5 * cpu) % CLUSTER, round);
    }
    hammer.ended[cpu] = true;
}

void guest_main_secondary(uint64_t index)
{
    work((unsigned)index);
    for (;;)
        __asm__ volatile("wfi");
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    struct tally all = {0};
    hammer.end_at = UINT64_MAX;
    if (!arg_range(args, "kept", &hammer.kept) || !arg_range(args, "taken", &hammer.taken) ||
        hammer.kept.size > MOST_PAGES * (uint64_t)GUEST_PAGE || hammer.taken.size > MOST_PAGES * (uint64_t)GUEST_PAGE)
        power_off();
    for (unsigned cpu = 1; cpu < VCPUS; cpu++)
        guest_hvc(PSCI_CPU_ON, cpu, (uint64_t)guest_secondary, cpu);
    work(0);
    for (unsigned cpu = 0; cpu < VCPUS; cpu++) {
        while (!hammer.ended[cpu])
            __asm__ volatile("yield");
        all.visits += hammer.tally[cpu].visits;
        all.lost += hammer.tally[cpu].lost;
        all.foreign += hammer.tally[cpu].foreign;
        all.fetched_wrong += hammer.tally[cpu].fetched_wrong;
        all.found_zero += hammer.tally[cpu].found_zero;
    }
    ok(all.visits > 0, "%lu visits of %u vCPUs to pages that others visit", all.visits, (unsigned)VCPUS);
    ok(all.lost == 0, "memory that was not taken away keeps its words (%lu do not)", all.lost);
    ok(all.foreign == 0, "no word is another page's or another time's (%lu are)", all.foreign);
    ok(all.fetched_wrong == 0, "what is fetched is what was stored (%lu times not)", all.fetched_wrong);
    ok(all.found_zero > 0, "memory that was taken away came back as zeros (%lu words)", all.found_zero);
    done("hammer");
    power_off();
}
