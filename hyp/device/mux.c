/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Several writers on one terminal, line by line. */
#include "device/mux.h"

enum { BELL = 7, ESC = 0x1b, DELETE = 0x7f, TAB_STOP = 8 };

/* Where in an escape sequence (ECMA-48) a source is. */
enum { TEXT, ESCAPE, CONTROL, STRING, STRING_ESCAPE };

void mux_init(struct mux *m, void (*put)(void *ctx, char c), void *ctx)
{
    *m = (struct mux){.put = put, .ctx = ctx};
}

/* U+0080 to U+009F are control characters too: U+009B begins an escape sequence as ESC [ does. They may come as
 * themselves, as too long a code, or be put together when a line is shown again, so it is here that they are stopped; an
 * odd byte stays what it is as it cannot be told from text in another code, but for those of that range. */
static bool is_control(struct mux_utf8 *c, unsigned char u)
{
    if ((u & 0xc0) != 0x80) {
        c->lead = u;
        c->more = u >= 0xf0 ? 3 : u >= 0xe0 ? 2 : u >= 0xc0 ? 1 : 0;
        return false;
    }
    if (c->more == 0)
        return u < 0xa0;
    unsigned least = c->lead >= 0xc0 && c->lead <= 0xc2 ? 0xa0 : c->lead == 0xe0 ? 0xa0 : c->lead == 0xf0 ? 0x90 : 0x80;
    c->lead = 0;
    c->more--;
    return u < least;
}

static void transmit(struct mux *m, char c)
{
    bool bad = is_control(&m->utf8, (unsigned char)c);
    if (bad)
        m->utf8.more = 0;
    m->put(m->ctx, bad ? '?' : c);
}

static void put(struct mux *m, const char *text)
{
    while (*text != '\0')
        transmit(m, *text++);
}

static void put_prefix(struct mux *m, const struct mux_line *line)
{
    if (line->name == NULL)
        return;
    put(m, "[");
    put(m, line->name);
    put(m, "] ");
}

static void put_remembered(struct mux *m, const struct mux_line *line)
{
    put_prefix(m, line);
    for (unsigned i = 0; i < line->columns; i++)
        transmit(m, line->text[i]);
}

/* The terminal's cursor goes to the start of a fresh line. */
static void leave_line(struct mux *m)
{
    if (m->open == NULL)
        return;
    if (m->open->coloured)
        put(m, "\033[0m");
    put(m, "\r\n");
    m->open = NULL;
}

/* A character of several bytes may be of one column, two or none, so that as many steps back could lead into the prefix
 * and beyond it. */
static bool one_column_each(const struct mux_line *line)
{
    for (unsigned i = 0; i < line->columns; i++)
        if ((unsigned char)line->text[i] >= 0x80)
            return false;
    return true;
}

/* The terminal shows what the live source has of its line, its cursor where the source believes it to be. A line that
 * was broken off is shown from its start as it is remembered, and so without colours. */
static void show(struct mux *m, struct mux_line *line)
{
    bool again = m->open != line && line->begun;
    if (m->open != line) {
        leave_line(m);
        m->open = line;
        if (again)
            put_remembered(m, line);
        else
            put_prefix(m, line);
    }
    if (again && one_column_each(line)) {
        for (unsigned i = line->columns; i > line->cursor; i--)
            put(m, "\b");
    } else if (again && line->cursor < line->columns) {
        put(m, "\r");
        put_prefix(m, line);
        for (unsigned i = 0; i < line->cursor; i++)
            transmit(m, line->text[i]);
    } else if (!again) {
        for (unsigned i = 0; i < line->queued; i++)
            transmit(m, line->queue[i]);
    }
    line->queued = 0;
    line->begun = true;
}

bool mux_waits(const struct mux_line *line)
{
    return line->live && line->queued > 0;
}

void mux_show(struct mux *m, struct mux_line *line)
{
    if (mux_waits(line))
        show(m, line);
}

bool mux_broken_off(const struct mux *m)
{
    return m->live != NULL && m->live->begun && m->live->columns > 0 && m->open != m->live;
}

void mux_show_again(struct mux *m)
{
    if (mux_broken_off(m))
        show(m, m->live);
}

/* For the terminal, of a live source; before the remembered text changes. */
static void emit(struct mux *m, struct mux_line *line, char c)
{
    if (line->queued == MUX_QUEUE)
        show(m, line);
    line->queue[line->queued++] = c;
}

static void emit_text(struct mux *m, struct mux_line *line, const char *text)
{
    while (*text != '\0')
        emit(m, line, *text++);
}

static void forget(struct mux_line *line)
{
    line->columns = 0;
    line->cursor = 0;
    line->queued = 0;
    line->begun = false;
    line->ended = false;
    line->coloured = false;
}

static void end_line(struct mux *m, struct mux_line *line)
{
    if (line->live) {
        show(m, line);
    } else {
        leave_line(m);
        m->open = line;
        put_remembered(m, line);
    }
    leave_line(m);
    forget(line);
}

/* The terminal's cursor goes to the source's by the start of the line. */
static void begin_again(struct mux *m, struct mux_line *line)
{
    bool shown = m->open == line || (!line->begun && line->queued > 0);
    if (!line->live || !shown)
        return;
    emit(m, line, '\r');
    if (line->name != NULL) {
        emit(m, line, '[');
        emit_text(m, line, line->name);
        emit_text(m, line, "] ");
    }
    for (unsigned i = 0; i < line->cursor; i++)
        emit(m, line, line->text[i]);
}

/* A carriage return moves the cursor behind the prefix, unless a line feed follows: hence only when something else
 * does. */
static void settle_return(struct mux *m, struct mux_line *line)
{
    if (!line->ended)
        return;
    line->ended = false;
    line->cursor = 0;
    begin_again(m, line);
}

/* Beyond what is remembered a live source's characters are shown at once, or a line broken off would lose them. */
static void printable(struct mux *m, struct mux_line *line, char c)
{
    settle_return(m, line);
    if (line->cursor == MUX_COLUMNS && line->live) {
        show(m, line);
        transmit(m, c);
        return;
    }
    if (line->live)
        emit(m, line, c);
    else if (line->cursor == MUX_COLUMNS)
        end_line(m, line);
    line->text[line->cursor++] = c;
    if (line->cursor > line->columns)
        line->columns = line->cursor;
}

static void tabulate(struct mux *m, struct mux_line *line)
{
    do
        printable(m, line, ' ');
    while (line->cursor % TAB_STOP != 0 && line->cursor < MUX_COLUMNS);
}

static void move_left(struct mux *m, struct mux_line *line, unsigned by)
{
    settle_return(m, line);
    if (!one_column_each(line)) {
        line->cursor -= by < line->cursor ? by : line->cursor;
        begin_again(m, line);
        return;
    }
    for (; by > 0 && line->cursor > 0; by--) {
        if (line->live)
            emit(m, line, '\b');
        line->cursor--;
    }
}

static void move_right(struct mux *m, struct mux_line *line, unsigned by)
{
    settle_return(m, line);
    for (; by > 0 && line->cursor < line->columns; by--)
        printable(m, line, line->text[line->cursor]);
}

static void erase_rest(struct mux *m, struct mux_line *line)
{
    settle_return(m, line);
    if (line->live)
        emit_text(m, line, "\033[K");
    line->columns = line->cursor;
}

static void pass_sequence(struct mux *m, struct mux_line *line)
{
    settle_return(m, line);
    for (unsigned i = 0; i < line->sequence_bytes; i++)
        emit(m, line, line->sequence[i]);
}

/* ESC [ parameters final. What acts on the source's own line is carried out; colours and the question where the cursor
 * is (ash asks) reach the terminal of the live source; the rest is dropped. */
static void control(struct mux *m, struct mux_line *line, char final)
{
    unsigned number = 0;
    bool plain = true, list = true;
    for (unsigned i = 2; i + 1 < line->sequence_bytes; i++) {
        char c = line->sequence[i];
        if (c < '0' || c > '9' || number > MUX_COLUMNS)
            plain = false;
        else
            number = number * 10 + (unsigned)(c - '0');
        list &= (c >= '0' && c <= '9') || c == ';' || c == ':';
    }
    if (final == 'm' && list && line->live) { /* with other characters it sets what keys send */
        pass_sequence(m, line);
        line->coloured = !(plain && number == 0);
    } else if (final == 'n' && plain && line->live) {
        pass_sequence(m, line);
    } else if (final == 'D' && plain) {
        move_left(m, line, number == 0 ? 1 : number);
    } else if (final == 'C' && plain) {
        move_right(m, line, number == 0 ? 1 : number);
    } else if ((final == 'K' || final == 'J') && plain && number == 0) {
        erase_rest(m, line);
    }
}

static void sequence(struct mux *m, struct mux_line *line, char c)
{
    unsigned char u = (unsigned char)c;
    if (line->sequence_bytes < MUX_SEQUENCE)
        line->sequence[line->sequence_bytes] = c;
    line->sequence_bytes++;
    switch (line->escape) {
    case ESCAPE:
        if (c == '[')
            line->escape = CONTROL;
        else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
            line->escape = STRING;
        else if (u < 0x20 || u > 0x2f) /* not an intermediate byte: it ends here */
            line->escape = TEXT;
        break;
    case CONTROL:
        if (u >= 0x20 && u < 0x40)
            break;
        line->escape = TEXT;
        if (u >= 0x40 && u < DELETE && line->sequence_bytes <= MUX_SEQUENCE)
            control(m, line, c);
        break;
    case STRING:
        if (u == ESC)
            line->escape = STRING_ESCAPE;
        else if (u == BELL || c == '\n')
            line->escape = TEXT;
        break;
    default: /* what follows ESC within a string ends it */
        line->escape = TEXT;
        break;
    }
}

static void feed(struct mux *m, struct mux_line *line, char c)
{
    unsigned char u = (unsigned char)c;
    if (u == ESC && line->escape != STRING) {
        line->escape = ESCAPE;
        line->sequence[0] = c;
        line->sequence_bytes = 1;
    } else if (line->escape != TEXT && (c != '\n' || line->escape == STRING)) {
        sequence(m, line, c);
    } else if (c == '\n') {
        line->escape = TEXT;
        end_line(m, line);
    } else if (c == '\r') {
        line->ended = true;
    } else if (c == '\b') {
        move_left(m, line, 1);
    } else if (c == '\t') {
        tabulate(m, line);
    } else if (u == BELL && line->live) {
        emit(m, line, c);
    } else if (u >= 0x20 && u != DELETE) {
        printable(m, line, c);
    }
}

void mux_write(struct mux *m, struct mux_line *line, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        feed(m, line, text[i]);
}

void mux_flush(struct mux *m, struct mux_line *line)
{
    line->escape = TEXT;
    if (line->columns > 0)
        end_line(m, line);
    else
        forget(line);
}

void mux_drop(struct mux *m, struct mux_line *line)
{
    line->escape = TEXT;
    if (m->open == line)
        leave_line(m);
    forget(line);
}

void mux_focus(struct mux *m, struct mux_line *line)
{
    if (m->live == line)
        return;
    if (m->live != NULL) {
        mux_show(m, m->live);
        if (m->open == m->live)
            leave_line(m);
        m->live->live = false;
        m->live->begun = false;
        m->live->coloured = false;
    }
    m->live = line;
    if (line == NULL)
        return;
    line->live = true;
    line->begun = line->columns > 0;
    if (line->begun)
        show(m, line);
}
