/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Memory goes to and fro between two VMs, by all their vCPUs at once, which use it meanwhile. */
#include "hostile/calls.h"

enum {
    ONE_OF = 16,
    BUSY_TRIES = 4,
    RECLAIM_TRIES = 4096,
    GONE_TRIES = 1024,
    USES = 512,
    PATIENCE_MS = 12, /* more than a slice */
    PATIENT_ONE_OF = 8,
    LOOKS = 8,
    HOPS = 16,
    RIGHTS_RW = 3
};

/* How a VM stands to a share, as QUERY says it. */
enum standing { OWNER, OFFERED, HELD, ANY };

/* A handle of those; 0: none. Not one of those that secret_round() uses. */
static uint64_t some_handle(enum standing standing)
{
    uint64_t x[CALL_REGISTERS] = {0}, found = 0;
    for (unsigned hops = 1; hops <= HOPS; hops++) {
        x[0] = HYPERCALL(HV_QUERY);
        call(x);
        if ((int64_t)x[0] != 0 || x[1] == 0)
            break;
        enum standing here = x[2] >> 16 & 0xff;
        bool private = here == OWNER && x[4] - hostile.pool.base < PRIVATE_PAGES * (uint64_t)GUEST_PAGE;
        if (!private && (standing == ANY || here == standing) && arbitrary() % hops == 0)
            found = x[1];
    }
    return found;
}

/* Calls it, and again while it is busy, but not for ever; whether it succeeded. */
static bool call_busy(uint64_t number, uint64_t handle, uint64_t a, uint64_t b)
{
    for (unsigned i = 0; i < BUSY_TRIES; i++) {
        uint64_t x[CALL_REGISTERS] = {HYPERCALL(number), handle, a, b};
        call(x);
        if ((int64_t)x[0] != HV_BUSY)
            return (int64_t)x[0] == 0;
    }
    return false;
}

static void offer(unsigned number)
{
    uint64_t at = descriptor_place();
    fault_expect();
    describe(at);
    (void)fault_seen();
    call((uint64_t[CALL_REGISTERS]){HYPERCALL(number), at, DESCRIPTOR_BYTES, 0});
}

/* Another VM's, which it may take away at any moment; what is lent is dirty then. */
static void use(uint64_t at)
{
    uint64_t value;
    (void)try_write(at, ~0ul);
    for (unsigned i = 0; i < USES && !try_read(at, &value).taken; i++)
        look_at(value);
}

static void take(void)
{
    uint64_t r = arbitrary(), rights = r >> 8 & 3 ? RIGHTS_RW : r >> 10 & 15;
    uint64_t at = r >> 16 & 7 ? WINDOWS + (r >> 20) % WINDOW_PAGES * GUEST_PAGE : place();
    if (call_busy(HV_RETRIEVE, some_handle(r >> 32 & 7 ? OFFERED : ANY), at, rights))
        use(at);
}

/* Whatever is offered is taken and written to, so that the other takes back what is in use. */
void handover_attend(void)
{
    uint64_t x[CALL_REGISTERS] = {0};
    for (unsigned hops = 0; hops < HOPS; hops++) {
        x[0] = HYPERCALL(HV_QUERY);
        call(x);
        if ((int64_t)x[0] != 0 || x[1] == 0)
            return;
        uint64_t at = WINDOWS + arbitrary() % WINDOW_PAGES * GUEST_PAGE;
        if ((x[2] >> 16 & 0xff) == OFFERED && call_busy(HV_RETRIEVE, x[1], at, RIGHTS_RW))
            (void)try_write(at, ~0ul);
    }
}

static void take_back(void)
{
    uint64_t handle = some_handle(OWNER);
    if (handle != 0)
        (void)call_busy(HV_RECLAIM, handle, 0, 0);
}

/* By the tables, through which a descriptor is read; no TLB is asked. */
static bool has_gone(uint64_t at)
{
    uint64_t x[CALL_REGISTERS] = {HYPERCALL(HV_SHARE), at, DESCRIPTOR_BYTES};
    call(x);
    return (int64_t)x[0] == HV_NO_ENTRY;
}

/* Memory added while it runs, which it gives back whole, in parts, and more than that. What has gone is not reached through a
 * translation of before, either: the word that was there is like no other. */
static void give_back(void)
{
    uint64_t r = arbitrary(), word = arbitrary(), value, x[CALL_REGISTERS] = {HYPERCALL(HV_MEMORY), r & 7};
    call(x);
    uint64_t at = x[1], bytes = r >> 8 & 3 ? x[2] : 4096ul << (r >> 10 & 3);
    if ((int64_t)x[0] != 0 || x[2] == 0 || try_write(at + DESCRIPTOR_BYTES, word).taken)
        return;
    uint64_t back[CALL_REGISTERS] = {HYPERCALL(HV_GIVE_BACK), at, bytes};
    call(back);
    for (unsigned i = 0; (int64_t)back[0] == 0 && i < GONE_TRIES; i++) {
        if (!has_gone(at))
            continue;
        if (!try_read(at + DESCRIPTOR_BYTES, &value).taken && value == word)
            breach(BREACH_STALE);
        return;
    }
}

/* Words that are another's now, or were. */
static void look_around(void)
{
    for (unsigned i = 0; i < LOOKS; i++) {
        uint64_t at = WINDOWS + arbitrary() % WINDOW_PAGES * GUEST_PAGE, value;
        if (!try_read(at, &value).taken)
            look_at(value);
        execute(HANDOVER, memory_insn(true), at);
        at = hostile.pool.base +
             (PRIVATE_PAGES + arbitrary() % (hostile.pool.size / GUEST_PAGE - PRIVATE_PAGES)) * GUEST_PAGE;
        execute(HANDOVER, memory_insn(true), at);
        at = hostile.added.base + arbitrary() % (hostile.added.size / GUEST_PAGE) * GUEST_PAGE;
        execute(HANDOVER, memory_insn(true), at);
    }
}

/* Now and then until another vCPU has had the CPU, by the clock: WFE may be no more than a NOP. */
static void let_the_other(void)
{
    uint64_t ms = READ_REG(cntfrq_el0) / 1000, begin = READ_REG(cntvct_el0), look = begin, last;
    if (arbitrary() % PATIENT_ONE_OF != 0)
        return;
    do {
        last = look;
        look = READ_REG(cntvct_el0);
    } while (look - last < ms && look - begin < PATIENCE_MS * ms);
}

/* Somebody has this VM's share at the moment. */
static bool is_held(uint64_t handle)
{
    uint64_t x[CALL_REGISTERS] = {HYPERCALL(HV_QUERY), handle - 1};
    call(x);
    return (int64_t)x[0] == 0 && x[1] == handle && x[5] >> 8 != 0;
}

/* One page of this vCPU's own: offered, taken back, and then it holds a secret. While it is lent, nobody here reaches it, and
 * be it through a translation of before; when it is back from there, it is zero; and the other VM never sees the secret. */
static void secret_round(void)
{
    static struct {
        _Alignas(64) uint64_t word[4];
    } descriptor[GUEST_CPUS];
    uint64_t at = hostile.pool.base + guest_cpu() * (uint64_t)GUEST_PAGE, value, *word = descriptor[guest_cpu()].word;
    bool lend = arbitrary() & 1;
    word[0] = at;
    word[1] = GUEST_PAGE;
    word[2] = 1;
    word[3] = hostile.peer | (uint64_t)RIGHTS_RW << 32;
    if (try_write(at, 0).taken) /* it never came back */
        return;
    uint64_t x[CALL_REGISTERS] = {HYPERCALL(lend ? HV_LEND : HV_SHARE), (uint64_t)word, DESCRIPTOR_BYTES, 0};
    call(x);
    if ((int64_t)x[0] != 0)
        return;
    uint64_t handle = x[1], back[CALL_REGISTERS] = {0};
    call((uint64_t[CALL_REGISTERS]){HYPERCALL(HV_RING), handle, 0, 0});
    for (unsigned i = 0; i < 2; i++) { /* at once, before anything else is loaded here, and later */
        if (lend && (!try_read(at, &value).taken || !try_write(at, ~0ul).taken))
            breach(BREACH_STALE);
        let_the_other();
    }
    bool held = is_held(handle);
    for (unsigned i = 0; i < RECLAIM_TRIES; i++) {
        back[0] = HYPERCALL(HV_RECLAIM);
        back[1] = handle;
        call(back);
        if ((int64_t)back[0] != HV_BUSY)
            break;
        __asm__ volatile("wfe");
    }
    if ((int64_t)back[0] != 0)
        return;
    if (try_read(at, &value).taken)
        return;
    if (lend && value != 0)
        breach(BREACH_UNSCRUBBED);
    store64(at, SECRET_OF(hostile.self));
    let_the_other();
    store64(at, 0);
    succeeded(SECRET_ROUNDS);
    if (held)
        succeeded(HELD_ROUNDS);
}

void handover_act(void)
{
    switch (arbitrary() % ONE_OF) {
    case 0:
    case 1:
        offer(HV_SHARE);
        break;
    case 2:
    case 3:
        offer(HV_LEND);
        break;
    case 4: /* most often not for good, so that something is left */
        offer(arbitrary() % ONE_OF ? HV_SHARE : HV_DONATE);
        break;
    case 5:
    case 6:
        take();
        break;
    case 7:
        call((uint64_t[CALL_REGISTERS]){HYPERCALL(HV_RELINQUISH), some_handle(arbitrary() & 7 ? HELD : ANY), 0, 0});
        break;
    case 8:
    case 9:
        take_back();
        break;
    case 10:
        give_back();
        break;
    case 11:
        call((uint64_t[CALL_REGISTERS]){HYPERCALL(HV_EVENTS), 0, 0, 0});
        call((uint64_t[CALL_REGISTERS]){HYPERCALL(HV_RING), some_handle(ANY), 0, 0});
        break;
    case 12:
    case 13:
        calls_private(1);
        secret_round();
        calls_private(-1);
        break;
    default:
        look_around();
    }
}
