/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The one serial line: lock, escape key, focus. */
#include "device/console.h"

#include <libfdt.h>
#include <string.h>

#include "boot/arm.h"
#include "boot/boot.h"
#include "boot/hooks.h"
#include "boot/lock.h"
#include "boot/mem.h"
#include "boot/print.h"
#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "device/gic.h"
#include "device/hostfdt.h"
#include "device/irq.h"
#include "device/pl011.h"

#define NEVER UINT64_MAX

#ifdef CONFIG_CONSOLE_COMMANDS
#define COMMANDS true
#else
#define COMMANDS false
#endif

enum { ESCAPE_KEY = 'T' & 0x1f, PAUSE_MS = 10 };

static struct {
    struct lock lock;
    volatile void *uart; /* null: no console yet */
    uint64_t panic; /* MPIDR_EL1 (bit 31 is RES1) of who crashes: it writes without the lock, and nobody else does */
    bool ended;
    bool paced;   /* the UART can interrupt when it has room */
    bool asked;   /* it is to do so */
    bool waits;   /* a guest does */
    bool offered; /* text that can wait does */
    struct outring ring;
    bool escape; /* the escape key was pressed */
    unsigned irq;
    uint64_t pause, show_at; /* in ticks: how long an unfinished line rests before it is shown; when that is */
    struct mux mux;
    struct mux_line hypervisor;
    struct mux_line line; /* of commands: */
    bool line_open;
    const struct console_line *line_user;
    unsigned guests, focus;
    struct console_guest *guest[CONSOLE_GUESTS];
    bool (*command)(char key);
    const char *command_help;
} console;

/* Another CPU crashes: the console is its alone. */
static bool silenced(void)
{
    return console.panic != 0 && console.panic != reg_read(mpidr_el1);
}

static void take(void)
{
    while (silenced()) /* to the end of the machine */
        wfi();
    if (console.panic == 0)
        lock_take(&console.lock);
}

/* To the UART what fits, or all of it. */
static void drain(bool all)
{
    while (outring_count(&console.ring) > 0) {
        if (pl011_put(console.uart, outring_next(&console.ring)))
            console.ring.head++;
        else if (!all)
            break;
    }
    bool ask = outring_count(&console.ring) > 0 || console.waits || console.offered;
    if (console.paced && ask != console.asked) {
        console.asked = ask;
        pl011_interrupt(console.uart, ask);
    }
}

static void drop(void)
{
    if (COMMANDS && console.line_open && mux_broken_off(&console.mux))
        __atomic_store_n(&console.show_at, cpu_ticks() + console.pause, __ATOMIC_RELAXED);
    if (!silenced())
        drain(!console.paced || console.panic != 0);
    if (console.panic == 0)
        lock_drop(&console.lock);
}

/* Nothing is lost: if the ring is full, which guests alone do not bring about, this waits for a place in it. */
static void put(void *ctx, char c)
{
    (void)ctx;
    while (!outring_put(&console.ring, c))
        drain(false);
}

void console_init_at(void *pl011)
{
    mux_init(&console.mux, put, NULL);
    console.hypervisor = (struct mux_line){.live = true};
    console.focus = CONSOLE_NONE;
    console.show_at = NEVER;
    console.pause = cpu_ticks_per_second() / 1000 * PAUSE_MS;
    pl011_init(pl011);
    console.uart = pl011;
}

bool console_init(const void *fdt)
{
    int node = hostfdt_console(fdt);
    uint64_t pa, bytes;
    if (node < 0 || !hostfdt_reg(fdt, node, 0, &pa, &bytes))
        return false;
    void *uart = mem_map_device(pa, (size_t)bytes);
    if (uart == NULL)
        return false;
    bool edge;
    console.irq = hostfdt_interrupt(fdt, node, 0, &edge);
    console_init_at(uart);
    return true;
}

void console_panic(void)
{
    console.panic = reg_read(mpidr_el1);
}

void console_end(void)
{
    if (console.uart == NULL || console.ended)
        return;
    take();
    console.ended = true; /* should this crash, it is not for the second time */
    drain(true);
    while (pl011_busy(console.uart)) {
    }
    drop();
}

void console_puts(const char *text)
{
    if (console.uart == NULL)
        return;
    take();
    mux_write(&console.mux, &console.hypervisor, text, strlen(text));
    mux_show(&console.mux, &console.hypervisor);
    drop();
}

bool console_offer(const char *text, struct outring_share *share)
{
    if (console.uart == NULL)
        return true;
    take();
    /* Guests that wait are told at the end of a round, which another writer must not begin before. */
    bool begins = outring_count(&console.ring) <= OUTRING_LOW;
    bool may = (!(console.waits && begins) && outring_may(&console.ring, share)) || !console.paced;
    console.offered = !may;
    if (may) {
        uint32_t before = console.ring.tail;
        mux_write(&console.mux, &console.hypervisor, text, strlen(text));
        mux_show(&console.mux, &console.hypervisor);
        share->used += console.ring.tail - before;
    }
    drop();
    return may;
}

/* A guest pays for all that its line brings about. */
static void charge(struct console_guest *guest, uint32_t before)
{
    guest->share.used += console.ring.tail - before;
}

bool console_guest_put(struct console_guest *guest, char c, bool last)
{
    if (console.uart == NULL)
        return true;
    take();
    bool may = (last ? outring_may_end : outring_may)(&console.ring, &guest->share) || !console.paced;
    if (may) {
        uint32_t before = console.ring.tail;
        mux_write(&console.mux, &guest->line, &c, 1);
        charge(guest, before);
        if (guest->line.live)
            __atomic_store_n(&console.show_at, mux_waits(&guest->line) ? cpu_ticks() + console.pause : NEVER,
                             __ATOMIC_RELAXED);
    } else {
        guest->waits = console.waits = true;
    }
    drop();
    return may;
}

/* Those that wait go on when a new round begins. */
static void give_room(void)
{
    take();
    drain(false);
    bool low = outring_count(&console.ring) <= OUTRING_LOW, begins = console.waits && low,
         offered = console.offered && low;
    if (begins)
        console.waits = false;
    if (offered)
        console.offered = false;
    drop();
    for (unsigned i = 0; begins && i < console.guests; i++)
        if (__atomic_exchange_n(&console.guest[i]->waits, false, __ATOMIC_RELAXED))
            console.guest[i]->room(console.guest[i]->ctx);
    if (COMMANDS && offered)
        console_line_soon();
}

uint64_t console_poll(uint64_t now)
{
    uint64_t due = __atomic_load_n(&console.show_at, __ATOMIC_RELAXED);
    if (due > now)
        return due;
    take();
    __atomic_store_n(&console.show_at, NEVER, __ATOMIC_RELAXED);
    struct console_guest *guest = console.focus < console.guests ? console.guest[console.focus] : NULL;
    uint32_t before = console.ring.tail;
    if (console.mux.live != NULL)
        mux_show(&console.mux, console.mux.live);
    if (guest != NULL && console.mux.live == &guest->line)
        charge(guest, before);
    if (COMMANDS && console.line_open)
        mux_show_again(&console.mux);
    drop();
    if (!COMMANDS || console.line_user == NULL || !console.line_user->step())
        return NEVER;
    console_line_soon();
    return now;
}

void console_guest_flush(struct console_guest *guest)
{
    if (console.uart == NULL)
        return;
    take();
    uint32_t before = console.ring.tail;
    if (outring_may_end(&console.ring, &guest->share) || !console.paced)
        mux_flush(&console.mux, &guest->line);
    else
        mux_drop(&console.mux, &guest->line);
    charge(guest, before);
    drop();
}

unsigned console_attach(struct console_guest *guest, const char *name)
{
    guest->line.name = name;
    take();
    unsigned number = console.guests;
    if (number < CONSOLE_GUESTS) {
        console.guest[console.guests++] = guest;
        if (number == 0) {
            console.focus = 0;
            mux_focus(&console.mux, &guest->line);
        }
    } else {
        number = CONSOLE_NONE;
    }
    drop();
    return number;
}

/* --- the line of commands ------------------------------------------------------------------------------------------------ */

/* Under the lock. */
static void line_end(void)
{
    if (!COMMANDS || !console.line_open)
        return;
    console.line_open = false;
    mux_flush(&console.mux, &console.line);
}

void console_set_line(const struct console_line *user)
{
    console.line_user = user;
}

bool console_line_open(void)
{
    take();
    bool opens = !console.line_open;
    if (opens) {
        mux_focus(&console.mux, &console.line);
        console.line_open = true;
    }
    drop();
    return opens;
}

void console_line_close(void)
{
    take();
    line_end();
    mux_focus(&console.mux, NULL);
    drop();
    if (!console_focus(console.focus))
        print("console: the command line is closed\n");
}

bool console_line_is_open(void)
{
    return console.line_open;
}

void console_line_write(const char *text)
{
    take();
    if (console.line_open) {
        mux_write(&console.mux, &console.line, text, strlen(text));
        mux_show(&console.mux, &console.line);
    }
    drop();
}

void console_line_soon(void)
{
    __atomic_store_n(&console.show_at, 0, __ATOMIC_RELAXED);
}

/* --- input ------------------------------------------------------------------------------------------------------------------ */

bool console_focus(unsigned number)
{
    take();
    bool there = number < console.guests;
    const char *name = there ? console.guest[number]->line.name : "";
    if (there) {
        line_end();
        console.focus = number;
        mux_focus(&console.mux, NULL); /* so that the unfinished line appears below the message */
    }
    drop();
    if (!there)
        return false;
    print("console: input goes to %u, %s\n", number, name);
    take();
    if (console.focus == number)
        mux_focus(&console.mux, &console.guest[number]->line);
    drop();
    return true;
}

unsigned console_focused(void)
{
    return console.focus;
}

const char *console_help(void)
{
    return "Ctrl-T then 0..9 or n: input to that or the next VM; h: help; q: power off; Ctrl-T: the key itself";
}

void console_set_command(bool (*fn)(char key), const char *help)
{
    console.command_help = help;
    console.command = fn;
}

static void help(void)
{
    print("console: %s\n", console_help());
    if (console.command_help != NULL)
        print("console: %s\n", console.command_help);
    for (unsigned i = 0; i < console.guests; i++)
        print("console: %u %s%s\n", i, console.guest[i]->line.name, i == console.focus ? " (input)" : "");
}

static void send(char c)
{
    if (COMMANDS && console.line_open) {
        console.line_user->input(c);
        return;
    }
    take();
    struct console_guest *guest = console.focus < console.guests ? console.guest[console.focus] : NULL;
    drop();
    if (guest != NULL)
        guest->input(guest->ctx, c);
}

/* The key behind the escape key. */
static void command(char c)
{
    if (c >= '0' && c <= '9') {
        if (!console_focus((unsigned)(c - '0')))
            print("console: there is no VM %c\n", c);
    } else if (c == 'n') {
        if (console.guests > 0)
            console_focus((console.focus + 1) % console.guests);
    } else if (c == 'h') {
        help();
    } else if (c == 'q') {
        print("console: power off\n");
        vm_before_power_off();
        boot_power_off();
    } else if (c == ESCAPE_KEY) {
        send(c);
    } else if (console.command == NULL || !console.command(c)) {
        help();
    }
}

static enum irq_result receive(unsigned intid, void *arg)
{
    (void)intid;
    (void)arg;
    for (int c = pl011_get(console.uart); c >= 0; c = pl011_get(console.uart)) {
        bool behind = console.escape;
        console.escape = !behind && c == ESCAPE_KEY;
        if (behind)
            command((char)c);
        else if (!console.escape)
            send((char)c);
    }
    give_room();
    return IRQ_DONE;
}

void console_enable_input(void)
{
    if (console.uart == NULL || !irq_register(console.irq, receive, NULL))
        return;
    gic_set_edge(console.irq, false);
    gic_route_here(console.irq);
    take();
    console.paced = true;
    pl011_interrupt(console.uart, false);
    drop();
    gic_enable(console.irq);
}
