/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Several writers on one terminal, line by line. Plain logic without locks, devices or time.
 *
 * Of most sources a line is seen when it is complete. A live source (the hypervisor, the guest in focus) is also seen in
 * the middle of a line, when its user calls mux_show: at once, or after a pause, so that lines are not torn without
 * need. The cursor stands in the unfinished line of at most one source; when another one has something to show, that
 * line is broken off, and begun again when its source goes on. */
#ifndef DEVICE_MUX_H
#define DEVICE_MUX_H

#include <stdbool.h>
#include <stddef.h>

#define MUX_COLUMNS  240u /* what is remembered of an unfinished line; longer lines of a source not live are cut up */
#define MUX_QUEUE    64u
#define MUX_SEQUENCE 16u /* an escape sequence longer than this is dropped */

/* The characters on their way to the terminal, as UTF-8 (RFC 3629). */
struct mux_utf8 {
    unsigned char lead; /* until its first continuation byte */
    unsigned more;      /* continuation bytes to come */
};

struct mux_line {
    const char *name; /* prefix "[name] "; null: none */
    bool live;
    bool begun;    /* live: something of this line was shown */
    bool coloured; /* an SGR sequence was passed on: reset it at the end of the line */
    bool ended;    /* a carriage return came and what follows is not known yet */
    unsigned escape, sequence_bytes;
    unsigned cursor, columns, queued;
    char sequence[MUX_SEQUENCE];
    char queue[MUX_QUEUE]; /* live: not shown yet */
    char text[MUX_COLUMNS];
};

struct mux {
    void (*put)(void *ctx, char c);
    void *ctx;
    struct mux_utf8 utf8;
    struct mux_line *open; /* whose unfinished line is on the terminal */
    struct mux_line *live; /* the live source other than the hypervisor; null: none */
};

void mux_init(struct mux *m, void (*put)(void *ctx, char c), void *ctx);
void mux_write(struct mux *m, struct mux_line *line, const char *text, size_t bytes);
/* Shows what a live source has written of an unfinished line. */
void mux_show(struct mux *m, struct mux_line *line);
/* Is there something for mux_show? */
bool mux_waits(const struct mux_line *line);
/* The unfinished line of the live source appears again, if another one has broken it off. */
void mux_show_again(struct mux *m);
bool mux_broken_off(const struct mux *m);
/* Ends the unfinished line of a source, if there is one. */
void mux_flush(struct mux *m, struct mux_line *line);
/* The same, but what was not seen of it is lost. */
void mux_drop(struct mux *m, struct mux_line *line);
/* The live source is now this one (null: none); its unfinished line appears. */
void mux_focus(struct mux *m, struct mux_line *line);

#endif
