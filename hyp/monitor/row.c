/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "monitor/row.h"

#include <string.h>

#include "vm/problem.h"

enum { GAP = 2, END_ROOM = 3 /* "}", newline, zero */ };

/* False: it does not fit, and `used` says more than there is. */
static bool put(char *to, size_t size, size_t *used, char c)
{
    if (*used < size)
        to[*used] = c;
    return ++*used < size;
}

static void put_text(struct row *r, const char *text)
{
    while (*text != '\0')
        put(r->line, ROW_BYTES - END_ROOM, &r->used, *text++);
}

static void pad(char *to, size_t size, size_t *used, size_t n)
{
    while (n-- > 0 && put(to, size, used, ' ')) {
    }
}

static void put_column(char *to, size_t size, size_t *used, const char *text, size_t width, bool right)
{
    size_t n = strlen(text), blanks = width > n ? width - n : 0;
    pad(to, size, used, *used > 0 ? GAP : 0);
    pad(to, size, used, right ? blanks : 0);
    while (*text != '\0')
        put(to, size, used, *text++);
    pad(to, size, used, right ? 0 : blanks);
}

/* What is not ASCII might be cut in two or not be UTF-8 at all: each byte is named by itself. */
static void put_string(struct row *r, const char *value)
{
    put_text(r, "\"");
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;
        char escaped[] = {'\\', 'u', '0', '0', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15], '\0'};
        char plain[] = {(char)c, '\0'};
        put_text(r, c < ' ' || c > '~' || c == '"' || c == '\\' ? escaped : plain);
    }
    put_text(r, "\"");
}

static void put_key(struct row *r, const char *key)
{
    put_text(r, r->used > 1 ? "," : "");
    put_string(r, key);
    put_text(r, ":");
}

static void settle(size_t *used, size_t before, size_t size)
{
    if (*used > size)
        *used = before;
}

void row_begin(struct row *r, bool json)
{
    r->json = json;
    r->used = r->head_used = 0;
    if (json)
        put_text(r, "{");
}

static size_t end_line(char *line, size_t used)
{
    while (used > 0 && line[used - 1] == ' ')
        used--;
    line[used] = '\n';
    line[used + 1] = '\0';
    return used + 1;
}

void row_end(struct row *r)
{
    if (r->json)
        r->line[r->used++] = '}';
    r->used = end_line(r->line, r->used);
    r->head_used = r->json ? 0 : end_line(r->head, r->head_used);
    r->head[r->head_used] = '\0';
}

void row_field(struct row *r, const char *key, unsigned width, bool right, const char *text, const char *json)
{
    size_t before = r->used, head_before = r->head_used, head_room = ROW_HEAD - END_ROOM;
    if (r->json) {
        put_key(r, key);
        put_text(r, json);
    } else {
        size_t at_least = strlen(key) > width ? strlen(key) : width;
        put_column(r->line, ROW_BYTES - END_ROOM, &r->used, text, at_least, right);
        put_column(r->head, head_room, &r->head_used, key, at_least, right);
        settle(&r->head_used, head_before, head_room);
    }
    settle(&r->used, before, ROW_BYTES - END_ROOM);
}

void row_text(struct row *r, const char *key, unsigned width, const char *value)
{
    if (!r->json || value == NULL) {
        struct text shown;
        text_begin(&shown);
        text_add(&shown, "%s", value == NULL ? "-" : value);
        row_field(r, key, width, false, shown.s, "null");
        return;
    }
    size_t before = r->used;
    put_key(r, key);
    put_string(r, value);
    settle(&r->used, before, ROW_BYTES - END_ROOM);
}

static void put_amount(struct row *r, const char *key, unsigned width, const char *fmt, uint64_t value,
                       const char *unit)
{
    struct text t;
    text_begin(&t);
    text_add(&t, fmt, value, unit);
    row_field(r, key, width, true, t.s, t.s);
}

void row_address(struct row *r, const char *key, unsigned width, uint64_t value)
{
    put_amount(r, key, width, r->json ? "\"%x\"" : "%x", value, "");
}

void row_flag(struct row *r, const char *key, unsigned width, bool value)
{
    row_field(r, key, width, false, value ? "yes" : "no", value ? "true" : "false");
}

void row_no_address(struct row *r, const char *key, unsigned width)
{
    row_field(r, key, width, true, "-", "null");
}

void row_number(struct row *r, const char *key, unsigned width, uint64_t value)
{
    put_amount(r, key, width, "%u", value, "");
}

const char *row_unit(uint64_t *bytes)
{
    static const char units[][2] = {"", "K", "M", "G", "T"};
    unsigned unit = 0;
    for (; unit + 1 < sizeof(units) / sizeof(units[0]) && *bytes != 0 && *bytes % 1024 == 0; unit++)
        *bytes /= 1024;
    return units[unit];
}

void row_size(struct row *r, const char *key, unsigned width, uint64_t bytes)
{
    const char *unit = r->json ? "" : row_unit(&bytes);
    put_amount(r, key, width, "%u%s", bytes, unit);
}
