/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The one serial line, shared by the hypervisor and the guests. Each guest's line begins with "[name] ", lines never
 * mix, and escape sequences that act beyond a guest's own line are dropped (mux.h). Input goes to the guest that has
 * the focus, except behind the escape key:
 *      Ctrl-T 0..9     focus on that guest            Ctrl-T h     help
 *      Ctrl-T n        focus on the next guest        Ctrl-T q     power the machine off
 *      Ctrl-T Ctrl-T   a Ctrl-T for the guest         Ctrl-T other a command of console_set_command, if any
 * A line of commands (monitor/monitor.h) may be open: then it has the input, and its unfinished line is seen.
 *
 * An unfinished line, a prompt, is shown when its guest has the focus and has paused for 10 ms.
 *
 * Nobody waits for the line: what does not fit into the UART goes to a ring (outring.h), which its interrupt empties.
 * Guests that fill it are told to wait. Only what the hypervisor says when the ring is full, before there are interrupts
 * or at its end does wait, so that all of it is seen.
 *
 * console_init, console_puts and console_panic are declared in boot/hooks.h, console_poll in cpu/hooks.h. */
#ifndef DEVICE_CONSOLE_H
#define DEVICE_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <device/mux.h>
#include <device/outring.h>

#define CONSOLE_GUESTS 16u
#define CONSOLE_NONE   UINT32_MAX

struct console_guest {
    struct mux_line line; /* zero before console_attach */
    void (*input)(void *ctx, char c);
    void (*room)(void *ctx); /* console_guest_put said false, and may say true now */
    void *ctx;
    struct outring_share share;
    bool waits;
};

/* Gives the guest a number, from 0 on, that the escape key takes; the first one gets the focus. `name` and `guest` stay
 * for good, and its functions are set: they are called without the console's lock, on any CPU. CONSOLE_NONE: all numbers
 * are taken. */
unsigned console_attach(struct console_guest *guest, const char *name);
/* Text of the hypervisor that can wait, whole, from a writer with a share like a guest's. False: there is no room now, or a guest
 * waits for some. */
bool console_offer(const char *text, struct outring_share *share);
/* Output of the guest. False: there is no room, of which there is more for its last words. */
bool console_guest_put(struct console_guest *guest, char c, bool last);
/* Ends the guest's unfinished line, which is seen if there is room; for when it stops. */
void console_guest_flush(struct console_guest *guest);
/* Moves the focus and says so; false when there is no such guest. */
bool console_focus(unsigned number);
unsigned console_focused(void); /* CONSOLE_NONE: there are no guests */

/* Lets characters received interrupt, on the calling CPU. gic_init calls it. */
void console_enable_input(void);
/* Who is behind the line of commands; CONFIG_CONSOLE_COMMANDS. Both are called without the console's lock and with interrupts masked. */
struct console_line {
    void (*input)(char c); /* on the CPU that has the UART's interrupt */
    bool (*step)(
        void); /* on any CPU, now and then, and soon after console_line_soon or when there is room again for what
                            * console_offer did not take; true: again at once */
};
void console_set_line(const struct console_line *user);
/* False: it is open. Closing it gives the input back, as does console_focus, and says so. */
bool console_line_open(void);
void console_line_close(void);
bool console_line_is_open(void);
/* To the unfinished line, at once; lost when it is closed. */
void console_line_write(const char *text);
void console_line_soon(void);

/* One line about the console's own keys, for the banner. */
const char *console_help(void);
/* Gets the keys behind Ctrl-T that the console has no use for, without its lock; false: nor has it. `help`: one line about
 * them. */
void console_set_command(bool (*fn)(char key), const char *help);

#endif
