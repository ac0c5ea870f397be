/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every page that there can be is read, written and executed: the VM has what the manifest says, and nothing else. */
#include "hostile/hostile.h"

#define RET 0xd65f03c0u
enum {
    READ = 1,
    WRITE = 2,
    EXECUTE = 4,
    ALL = 7,
    PAGE_LOG2 = 12,
    BEYOND_APART = 16,
    WORD = 0xff8 /* of no register */
};

static struct {
    volatile uint64_t visited;
    uint64_t reached, missed;
} pages[GUEST_CPUS];

static bool lies_in(uint64_t at, uint64_t base, uint64_t bytes)
{
    return at - base < bytes;
}

static unsigned rights(uint64_t at)
{
    if (lies_in(at, RAM, RAM_BYTES) || lies_in(at, hostile.play.base, hostile.play.size))
        return ALL;
    if (lies_in(at, hostile.fixed.base, hostile.fixed.size))
        return READ;
    bool writes = lies_in(at, hostile.pool.base, hostile.pool.size) || lies_in(at, GUEST_UART, GUEST_PAGE) ||
                  lies_in(at, GUEST_GICD, GUEST_GICD_BYTES) ||
                  lies_in(at, GUEST_GICR, hostile.vcpus * GUEST_GICR_BYTES);
    return writes ? READ | WRITE : 0;
}

/* What this guest itself stands on is read alone. */
static unsigned try_all(uint64_t at, unsigned may)
{
    bool mine = lies_in(at, RAM, (uint64_t)guest_end - RAM);
    unsigned got = mine ? WRITE | EXECUTE : 0;
    fault_expect();
    uint32_t value = load32(at);
    got |= fault_seen().taken ? 0 : READ;
    if (mine)
        return got;
    fault_expect();
    store32(at, (may & EXECUTE) != 0 ? RET : value);
    got |= fault_seen().taken ? 0 : WRITE;
    if ((may & EXECUTE) != 0)
        sync_code(at);
    return got | (try_call(at).taken ? 0 : EXECUTE);
}

static void visit(uint64_t at)
{
    unsigned cpu = guest_cpu(), may = rights(at), got = try_all(at, may);
    pages[cpu].reached += (got & ~may) != 0;
    pages[cpu].missed += (may & ~got) != 0;
    pages[cpu].visited++;
}

void pages_all(unsigned bits, unsigned part, unsigned parts)
{
    uint64_t end = 1ul << bits, apart = (uint64_t)BEYOND_APART << PAGE_LOG2;
    for (uint64_t at = (uint64_t)part << PAGE_LOG2; at < end; at += (uint64_t)parts << PAGE_LOG2)
        visit(at + WORD);
    for (uint64_t at = end + part * apart; at < 2 * end; at += parts * apart)
        visit(at + WORD);
}

void pages_report(unsigned bits)
{
    uint64_t all = 1ul << (bits - PAGE_LOG2), visited, reached = 0, missed = 0;
    do {
        visited = 0;
        for (unsigned cpu = 0; cpu < hostile.vcpus; cpu++)
            visited += pages[cpu].visited;
    } while (visited < all + all / BEYOND_APART);
    for (unsigned cpu = 0; cpu < hostile.vcpus; cpu++) {
        reached += pages[cpu].reached;
        missed += pages[cpu].missed;
    }
    say("# hostile: pages, visited %lu, reached %lu, missed %lu\n", visited, reached, missed);
}
