/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* life: a guest whose life is led from outside. At each start it says what state it found: one figure of all that an earlier run
 * could have left in registers, interrupt controller, UART and memory. Then it spoils all of it. A second vCPU counts as fast as it
 * can, the first one beats by its timer.
 *
 *   seed=N            part of the greeting, and of what it writes
 *   memory=BASE+SIZE  memory that nobody loads anything into; memory2=, memory3=
 *   beats             says each beat
 *   vcpus=N           1 or 2
 *
 * Keys: t time, a an alarm of the clock that is taken and never ended, m memory that was added, b gives back all that it was given, s shares a
 * page of that with VM 1, u takes it back, d disables its doorbell or enables it again, r reset, c reset
 * while the second vCPU strays, o off; others are answered. */
#include "lib/calls.h"
#include "lib/guest.h"

#define GICD    0x08000000ul
#define GICR    0x080a0000ul
#define UART    GUEST_UART
#define NOTHING 0x20000000ul
enum { BEAT_MS = 50, RING_MS = 2000, ADDED = 8, APART = 512, DELAY = 4096 };

static struct {
    uint64_t seed;
    volatile uint64_t counted; /* by the second vCPU */
    volatile bool strays;      /* it is to */
    unsigned doorbell;         /* its INTID */
    bool deaf;                 /* to that */
    uint64_t rings, beats;
    bool says_beats;
} life;

/* --- what was found ----------------------------------------------------------------------------------------------- */

/* Devices answer plain accesses, without write-back, which a compiler may choose for a loop. */
static uint64_t device(uint64_t address)
{
    uint32_t value;
    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static void set_device(uint64_t address, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(address) : "memory");
}

static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * 0x9e3779b97f4a7c15ul;
    return sum ^ sum >> 31;
}

/* clang-format off */
#define REGISTERS(X) \
    X(sctlr_el1) X(tcr_el1) X(ttbr0_el1) X(ttbr1_el1) X(mair_el1) X(amair_el1) X(contextidr_el1) X(tpidr_el0) X(tpidrro_el0) \
    X(tpidr_el1) X(par_el1) X(far_el1) X(esr_el1) X(afsr0_el1) X(afsr1_el1) X(elr_el1) X(spsr_el1) X(sp_el0) X(cntkctl_el1) \
    X(cntv_cval_el0) X(csselr_el1)
#define SPOIL(X) \
    X(ttbr0_el1) X(ttbr1_el1) X(mair_el1) X(amair_el1) X(contextidr_el1) X(tpidr_el0) X(tpidrro_el0) X(tpidr_el1) X(par_el1) \
    X(far_el1) X(esr_el1) X(afsr0_el1) X(afsr1_el1) X(elr_el1) X(sp_el0) X(cntv_cval_el0) X(csselr_el1)
/* clang-format on */

static uint64_t registers(uint64_t sum)
{
#define READ_ONE(name) sum = mix(sum, READ_REG(name));
    REGISTERS(READ_ONE)
    sum = mix(sum, READ_REG(cntv_ctl_el0) & 3);
    sum = mix(sum, READ_REG(cntp_ctl_el0) & 3);
    sum = mix(sum, READ_REG(S3_0_C4_C6_0));    /* ICC_PMR_EL1 */
    sum = mix(sum, READ_REG(S3_0_C12_C12_3));  /* ICC_BPR1_EL1 */
    sum = mix(sum, READ_REG(S3_0_C12_C12_7));  /* ICC_IGRPEN1_EL1 */
    sum = mix(sum, READ_REG(S3_0_C12_C9_0));   /* ICC_AP1R0_EL1 */
    return mix(sum, READ_REG(S3_0_C12_C12_2)); /* ICC_HPPIR1_EL1 */
}

/* Enabled, pending, active, priority, configuration and groups; the routes. */
static uint64_t controller(uint64_t sum)
{
    const uint64_t sgi = GICR + 0x10000;
    static const uint16_t banks[] = {0x0080, 0x0100, 0x0200, 0x0300};
    sum = mix(sum, device(GICD));
    for (unsigned i = 0; i < sizeof(banks) / sizeof(banks[0]); i++) {
        sum = mix(sum, device(sgi + banks[i]));
        for (unsigned word = 1; word < 3; word++)
            sum = mix(sum, device(GICD + banks[i] + word * 4ul));
    }
    for (unsigned word = 0; word < 8; word++)
        sum = mix(sum, device(sgi + 0x0400 + word * 4ul));
    for (unsigned word = 8; word < 24; word++)
        sum = mix(sum, device(GICD + 0x0400 + word * 4ul));
    for (unsigned word = 2; word < 6; word++)
        sum = mix(sum, device(GICD + 0x0c00 + word * 4ul));
    for (unsigned word = 64; word < 192; word++)
        sum = mix(sum, device(GICD + 0x6000 + word * 4ul));
    return sum;
}

/* IBRD, FBRD, LCR, CR, IFLS, IMSC. */
static const uint16_t uart[] = {0x24, 0x28, 0x2c, 0x30, 0x34, 0x38};

static uint64_t found(uint64_t sum)
{
    sum = controller(registers(sum));
    for (unsigned i = 0; i < sizeof(uart) / sizeof(uart[0]); i++)
        sum = mix(sum, device(UART + uart[i]));
    sum = mix(sum, hv_call(HV_EVENTS, 0, 0, 0).x1);
    for (unsigned i = 0; i < ADDED; i++)
        sum = mix(sum, hv_call(HV_MEMORY, i, 0, 0).x2);
    return sum;
}

static void spoil(void)
{
    const uint64_t sgi = GICR + 0x10000;
#define WRITE_ONE(name) WRITE_REG(name, 0x5a5a000 + life.seed);
    SPOIL(WRITE_ONE)
    set_device(sgi + 0x0200, 1u << 20);
    set_device(GICD + 0x0204, 1u << 9);
    set_device(GICD + 0x0304, 1u << 10);
    set_device(GICD + 0x0428, 0x50607080);
    set_device(GICD + 0x0c0c, ~0u);
    set_device(GICD + 0x6000 + 40 * 8ul, 1);
    set_device(UART + 0x24, 77);
    set_device(UART + 0x34, 1);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static uint64_t dirty(struct range r)
{
    uint64_t words = 0;
    for (uint64_t at = r.base; at < r.base + r.size; at += APART * 8ul)
        words += load64(at) != 0;
    return words;
}

static void fill(struct range r)
{
    for (uint64_t at = r.base; at < r.base + r.size; at += APART * 8ul)
        store64(at, at ^ life.seed << 56);
}

static uint64_t use(const char *args)
{
    static const char *const names[] = {"memory", "memory2", "memory3"};
    struct range r;
    uint64_t words = 0;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!arg_range(args, names[i], &r))
            continue;
        words += dirty(r);
        fill(r);
    }
    return words;
}

/* The interrupt that comes next, if one does in that time. */
static void interrupt(unsigned ms)
{
    unsigned intid = gic_wait(ms);
    life.rings += intid == life.doorbell;
    if (intid != INTID_VTIMER)
        return;
    if (life.says_beats)
        say("beat %lu\n", ++life.beats);
    vtimer_arm_ms(BEAT_MS);
}

/* What was added while it ran: is it clean; and it is used from now on. */
static void added(void)
{
    for (uint64_t end = now_ms() + RING_MS; life.rings == 0 && now_ms() < end;)
        interrupt(1);
    say("events %lx, rings %lu\n", hv_call(HV_EVENTS, 0, 0, 0).x1, life.rings);
    life.rings = 0;
    for (unsigned i = 0; i < ADDED; i++) {
        struct hv_result a = hv_call(HV_MEMORY, i, 0, 0);
        struct range r = {a.x1, a.x2};
        if (a.error != HV_SUCCESS || r.size == 0)
            continue;
        say("memory %lx+%lx: %lu dirty words%s\n", r.base, r.size, dirty(r), a.x3 & 1 ? ", asked back" : "");
        fill(r);
    }
    say("that is all\n");
}

static void give_back(void)
{
    for (unsigned i = 0; i < ADDED; i++) {
        struct hv_result a = hv_call(HV_MEMORY, i, 0, 0);
        if (a.error == HV_SUCCESS && a.x2 != 0)
            say("gives back: %s\n", hv_call(HV_GIVE_BACK, a.x1, a.x2, 0).error == HV_SUCCESS ? "yes" : "no");
    }
}

/* In the middle of the first that it was given. */
static void share(bool shares)
{
    static uint64_t handle;
    struct hv_result a = hv_call(HV_MEMORY, 0, 0, 0);
    struct hv_result r;
    if (!shares) {
        say("takes back: %s\n", hv_reclaim(handle, NULL) == HV_SUCCESS ? "yes" : "no");
        return;
    }
    r = hv_offer(HV_SHARE, a.x1 + a.x2 / 2, GUEST_PAGE, 1, HV_READ);
    handle = r.x1;
    say("shares: %s\n", r.error == HV_SUCCESS ? "yes" : "no");
}

/* PL031: an interrupt of the machine's own, which stays active in the interrupt controller. The clock itself asks for nothing more. */
static void alarm(void)
{
    enum { DATA = 0x00, MATCH = 0x04, MASK = 0x10, CLEAR = 0x1c, CLOCK_INTID = 34 };
    const uint64_t clock = 0x09010000;
    timers_off(); /* or it is always its turn */
    gic_enable(CLOCK_INTID);
    set_device(clock + MASK, 1);
    set_device(clock + MATCH, (uint32_t)device(clock + DATA) + 1);
    for (uint64_t intid = 0; (intid = READ_REG(S3_0_C12_C12_0)) != CLOCK_INTID;) /* ICC_IAR1_EL1 */
        WRITE_REG(S3_0_C12_C12_1, intid); /* ICC_EOIR1_EL1; none of the special ones matters */
    set_device(clock + MASK, 0);
    set_device(clock + CLEAR, 1);
    say("alarm\n");
}

/* --- life --------------------------------------------------------------------------------------------------------- */

void guest_main_secondary(uint64_t index)
{
    (void)index;
    for (; !life.strays; life.counted++)
        ;
    (void)load64(NOTHING);
}

static void obey(int key)
{
    switch (key) {
    case 't':
        say("behind the machine by %lu us, counted %lu\n",
            (READ_REG(cntpct_el0) - READ_REG(cntvct_el0)) / (READ_REG(cntfrq_el0) / 1000000), life.counted);
        break;
    case 'a':
        alarm();
        break;
    case 'm':
        added();
        break;
    case 'b':
        give_back();
        break;
    case 'd':
        life.deaf = !life.deaf;
        (life.deaf ? gic_disable : gic_enable)(life.doorbell);
        say("doorbell %s\n", life.deaf ? "off" : "on");
        break;
    case 's':
    case 'u':
        share(key == 's');
        break;
    case 'c':
        life.strays = true;
        for (uint64_t delay = READ_REG(cntpct_el0) % DELAY; delay-- > 0;)
            __asm__ volatile("");
        reset();
    case 'r':
        reset();
    case 'o':
        power_off();
    default:
        say("key %c\n", (char)key);
    }
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    life.seed = arg_number(args, "seed", 0);
    uint64_t state = found(life.seed), words = use(args);
    say("born, seed %lu, state %lx, memory has %lu dirty words\n", life.seed, state, words);
    spoil();
    gic_init();
    gic_enable(INTID_VTIMER);
    if (arg_number(args, "vcpus", 1) > 1)
        guest_hvc(PSCI_CPU_ON, 1, (uint64_t)guest_secondary, 1);
    life.says_beats = arg_flag(args, "beats");
    life.doorbell = hv_doorbell();
    gic_enable(life.doorbell);
    vtimer_arm_ms(BEAT_MS);
    for (;;) {
        int key = get_char();
        if (key >= 0)
            obey(key);
        interrupt(1);
    }
}
