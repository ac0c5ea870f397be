/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every kind of access, everywhere. */
#include "hostile/hostile.h"

extern const uint32_t loads[], stores[], exclusives[], invalidations[];
extern const uint32_t loads_count, stores_count, exclusives_count, invalidations_count;

#define RET     0xd65f03c0u
#define IPA_TOP (1ul << 40)
#define MIB     (1ul << 20)
#define GIB     (1ul << 30)
enum { AROUND = 32, ALIGNED = 7, UART_DATA = 8, LONGEST_ZVA = 2048, ONE_OF = 4, WINDOW_STEP = 20 };

static const struct range *region(uint64_t r)
{
    const struct range *all[] = {&hostile.play, &hostile.pool, &hostile.fixed, &hostile.added};
    return all[r % (sizeof(all) / sizeof(all[0]))];
}

uint64_t playground(void)
{
    return hostile.play.base + arbitrary() % (hostile.play.size / GUEST_PAGE) * GUEST_PAGE;
}

bool is_precious(uint64_t address)
{
    return (address >= RAM - LONGEST_ZVA && address < (uint64_t)guest_end + LONGEST_ZVA) ||
           address - (GUEST_UART - LONGEST_ZVA) < LONGEST_ZVA + UART_DATA;
}

static uint64_t around(uint64_t address, uint64_t r)
{
    return address - AROUND + r % (2ul * AROUND);
}

uint64_t place(void)
{
    uint64_t r = arbitrary(), skew = r >> 8 & 1 ? 0 : r >> 9 & (GUEST_PAGE - 1);
    const struct range *mine = region(r >> 32);
    if (r >> 24 & ALIGNED)
        skew &= ~(uint64_t)ALIGNED;
    switch (r & 15) {
    case 0:
    case 1:
    case 2:
        return playground() + skew;
    case 3:
    case 4:
        return mine->base + arbitrary() % (mine->size / GUEST_PAGE) * GUEST_PAGE + skew;
    case 5:
        return around(r >> 40 & 1 ? mine->base : mine->base + mine->size, r >> 48);
    case 6:
        return WINDOWS + (r >> 40) % WINDOW_PAGES * GUEST_PAGE + skew;
    case 7:
        return around(1ul << (r >> 40 & 63), r >> 48);
    case 8:
        return around(IPA_TOP, r >> 48);
    case 9:
        return IPA_TOP + (r >> 20);
    case 10:
        return arbitrary();
    case 11:
        return GUEST_GICR + (r >> 40) % ((uint64_t)GUEST_CPUS * GUEST_GICR_BYTES);
    case 12:
        return GUEST_UART + skew;
    case 13:
        return RAM + (r >> 40) % ((uint64_t)guest_end - RAM);
    default:
        return arbitrary() % IPA_TOP & ~(uint64_t)(GUEST_PAGE - 1);
    }
}

static uint32_t one_of(const uint32_t *insns, uint32_t n)
{
    return insns[arbitrary() % n];
}

uint32_t memory_insn(bool stores_too)
{
    return stores_too && arbitrary() & 1 ? one_of(stores, stores_count) : one_of(loads, loads_count);
}

/* Memory is executed where it holds a RET by then, and where it cannot be. */
static void fetch(uint64_t at)
{
    bool own = at - hostile.play.base < hostile.play.size || at - RAM < RAM_BYTES;
    at &= ~3ul;
    if (is_precious(at))
        return;
    if (own) {
        store32(at, RET);
        sync_code(at);
    }
    count(MEMORY, try_call(at).taken);
}

void memory_act(void)
{
    uint64_t at = place();
    switch (arbitrary() % ONE_OF) {
    case 0:
        fetch(at);
        break;
    case 1:
        if (!is_precious(at)) {
            unsigned pair = (unsigned)(arbitrary() % exclusives_count / 2 * 2);
            execute_two(MEMORY, exclusives[pair], exclusives[pair + 1], at);
        }
        break;
    default:
        execute(MEMORY, memory_insn(!is_precious(at)), at);
    }
}

void invalidations_act(void)
{
    uint64_t r = arbitrary();
    execute(INVALIDATIONS, one_of(invalidations, invalidations_count), r & 3 ? place() : arbitrary());
}

/* --- all of it ----------------------------------------------------------------------------------------------------- */

static void touch(uint64_t at)
{
    for (unsigned i = 0; i < loads_count; i++)
        execute(MEMORY, loads[i], at);
    for (unsigned i = 0; i < stores_count && !is_precious(at); i++)
        execute(MEMORY, stores[i], at);
}

static void touch_region(const struct range *r, unsigned part, unsigned parts)
{
    uint64_t end = r->base + r->size;
    for (uint64_t at = r->base + part * (uint64_t)GUEST_PAGE; at < end; at += parts * (uint64_t)GUEST_PAGE) {
        touch(at);
        fetch(at);
    }
    for (int skew = -(int)AROUND; skew <= AROUND; skew += 4) {
        touch(r->base + (uint64_t)(int64_t)skew);
        touch(end + (uint64_t)(int64_t)skew);
    }
}

static void visit(uint64_t from, uint64_t end, uint64_t step, unsigned part, unsigned parts)
{
    for (uint64_t at = from + part * step; at < end; at += parts * step) {
        execute(MEMORY, one_of(loads, loads_count), at);
        if (!is_precious(at))
            execute(MEMORY, one_of(stores, stores_count), at);
        fetch(at);
    }
}

static void touch_registers(uint64_t base, uint64_t bytes, unsigned part, unsigned parts)
{
    for (uint64_t offset = part * (uint64_t)WINDOW_STEP; offset < bytes; offset += parts * (uint64_t)WINDOW_STEP) {
        execute(MEMORY, memory_insn(false), base + offset);
        execute(MEMORY, memory_insn(!is_precious(base + offset)), base + offset);
    }
}

void memory_sweep(unsigned part, unsigned parts)
{
    touch_region(&hostile.play, part, parts);
    touch_region(&hostile.pool, part, parts);
    touch_region(&hostile.fixed, part, parts);
    visit(RAM, RAM + RAM_BYTES, GUEST_PAGE, part, parts);
    visit(0, 4 * GIB, 2 * MIB, part, parts);
    visit(0, 2 * IPA_TOP, GIB, part, parts);
    for (unsigned bit = part; bit < 64; bit += parts) {
        touch(1ul << bit);
        touch((1ul << bit) - 8);
        fetch(1ul << bit);
    }
    touch(~0ul - 15);
    touch_registers(GUEST_GICD, GUEST_GICD_BYTES, part, parts);
    touch_registers(GUEST_GICR, hostile.vcpus * GUEST_GICR_BYTES, part, parts);
    touch_registers(GUEST_UART, GUEST_PAGE, part, parts);
    for (unsigned i = 0; i < invalidations_count; i++) {
        execute(INVALIDATIONS, invalidations[i], 0);
        execute(INVALIDATIONS, invalidations[i], ~0ul);
        execute(INVALIDATIONS, invalidations[i], hostile.play.base);
    }
}
