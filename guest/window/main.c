/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* window: one of several VMs that exchange numbers through memory that they share from the start, as the manifest says. The
 * owner writes a number, a borrower that may write answers with the next one, and so on; all that is known of the exchange is in
 * the window, so that it goes on when either of them is started again.
 *
 *   rounds=N   owner: counts to N, then waits for key g, which goes for another N
 *   every=N    a line each time that N more were heard
 *   resets=K   borrower: resets itself each time that it has answered `every` numbers, K times
 *   probe=A    says what a read there does, and nothing else
 *
 * Keys: g (above), r reset, w write, x execute, v read; the last three say what happened. */
#include "lib/calls.h"
#include "window/window.h"

enum { SLOTS = 16, TICK_MS = 20 };
/* What VM i says of itself lies in slot i. */
struct slot {
    uint64_t count, starts;
    uint64_t padding[6];
};

static struct window window;
static uint64_t me, goal, rounds, every, resets, said;
static bool gone, faulted, counted, rung;

static uint64_t slot(uint64_t vm)
{
    return window.where.base + vm * sizeof(struct slot);
}

/* Reads and writes that a withdrawn window makes fail; it may be withdrawn between any two. */
static uint64_t peek(uint64_t address)
{
    uint64_t value = 0;
    if (try_read(address, &value).taken) {
        if (!faulted)
            say("a read of the window faults\n");
        faulted = gone = true;
        return 0;
    }
    return value;
}

static void poke(uint64_t address, uint64_t value)
{
    (void)try_write(address, value); /* the next read finds out */
}

static uint64_t count_of(uint64_t vm)
{
    return peek(slot(vm) + offsetof(struct slot, count));
}

static uint64_t starts_of(uint64_t vm)
{
    return peek(slot(vm) + offsetof(struct slot, starts));
}

/* Handles are dynamic: another start of the owner's, another handle. */
static void ring(void)
{
    for (uint64_t i = 0;; i++) {
        struct hv_result r = hv_call(HV_QUERY, i, 0, 0);
        if (r.error != HV_SUCCESS || r.x1 == 0)
            return;
        if (r.x4 == window.where.base) {
            (void)hv_call(HV_RING, r.x1, 0, 0);
            return;
        }
    }
}

static void write_count(uint64_t count)
{
    poke(slot(me) + offsetof(struct slot, count), count);
    ring();
}

/* Who has answered with the number behind mine; SLOTS: nobody has. */
static uint64_t answered(uint64_t mine)
{
    uint64_t vm = 0;
    while (vm < SLOTS && (vm == me || count_of(vm) != mine + 1))
        vm++;
    return vm;
}

static void own(void)
{
    uint64_t mine = count_of(me), vm = answered(mine);
    if (mine == 0) {
        write_count(1);
        return;
    }
    if (vm == SLOTS || mine >= goal)
        return;
    write_count(mine + 2);
    if (mine + 1 >= said + every) {
        said = mine + 1;
        say("heard %lu from vm %lu, start %lu\n", said, vm, starts_of(vm));
    }
    if (mine + 2 >= goal)
        say("counted to %lu\n", mine + 2);
}

static void answer(void)
{
    uint64_t mine = count_of(me), theirs = 0;
    for (uint64_t vm = 0; vm < SLOTS; vm++)
        if (vm != me && count_of(vm) > theirs)
            theirs = count_of(vm);
    if (gone || theirs <= mine)
        return;
    if (!counted)
        poke(slot(me) + offsetof(struct slot, starts), starts_of(me) + 1);
    counted = true;
    write_count(theirs + 1);
    if (theirs + 1 >= said + every) {
        said = theirs + 1;
        say("answered %lu, start %lu\n", said, starts_of(me));
        if (starts_of(me) <= resets)
            reset();
    }
}

/* A window that comes back is another one, as empty as a new one is, and the exchange begins anew. */
static void look_at(uint64_t events)
{
    uint64_t value;
    if (events & HV_WITHDRAWN) {
        say("the window is withdrawn\n");
        gone = true;
    }
    if (!gone || (events & HV_OFFERED) == 0 || try_read(window.where.base, &value).taken)
        return;
    faulted = gone = false;
    counted = false;
    said = 0;
    say("the window is back\n");
}

static void obey(int key)
{
    uint64_t value = 0, at = window.where.base + GUEST_PAGE;
    switch (key) {
    case 'g':
        goal += rounds;
        break;
    case 'r':
        reset();
    case 'v':
        say("read: %s\n", try_read(at, &value).taken ? "refused" : "done");
        break;
    case 'w':
        say("write: %s\n", try_write(at, value).taken ? "refused" : "done");
        break;
    case 'x':
        say("execute: %s\n", try_call(at).taken ? "refused" : "done");
        break;
    }
}

static void wait_a_little(void)
{
    vtimer_arm_ms(TICK_MS);
    __asm__ volatile("wfi");
    unsigned intid = gic_wait(0);
    if (intid == window.intid && !rung)
        say("rung by interrupt %u\n", intid);
    rung |= intid == window.intid;
}

static void begin(void)
{
    uint64_t left = 0;
    for (uint64_t at = window.where.base; at < window.where.base + window.where.size; at += sizeof(at))
        left += peek(at) != 0;
    say("window %s at %lx+%lx, %s, %s; %s\n", window.label, window.where.base, window.where.size, window.rights,
        window.owner ? "owner" : "borrower", left ? "in use" : "empty");
    said = count_of(me);
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    uint64_t probe = arg_number(args, "probe", 0), value;
    rounds = arg_number(args, "rounds", 100);
    every = arg_number(args, "every", rounds);
    resets = arg_number(args, "resets", 0);
    goal = rounds;
    gic_init();
    gic_enable(INTID_VTIMER);
    (void)hv_doorbell();
    me = hv_call(HV_VERSION, 0, 0, 0).x2;
    if (!find_window(dtb, &window)) {
        say("no window; %lx: %s\n", probe, try_read(probe, &value).taken ? "nothing there" : "something there");
        for (;;)
            wait_a_little();
    }
    begin();
    for (;;) {
        uint64_t events = hv_call(HV_EVENTS, 0, 0, 0).x1;
        int key = get_char();
        look_at(events);
        if (key >= 0)
            obey(key);
        if (window.owner)
            own();
        else if (window.rights[1] == 'w')
            answer();
        else
            (void)peek(window.where.base);
        wait_a_little();
    }
}
