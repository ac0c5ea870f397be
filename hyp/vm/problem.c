/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/problem.h"

#include <stdarg.h>

#define DIGITS 20u /* of the largest 64-bit number, in decimal */

static void add_char(struct text *t, char c)
{
    if (t->used + 1 < TEXT_BYTES) {
        t->s[t->used++] = c;
        t->s[t->used] = '\0';
    }
}

/* Text comes from a device tree that nobody vouches for: what a terminal would interpret is shown as '?'. */
static void add_string(struct text *t, const char *s)
{
    if (s == NULL)
        s = "?";
    for (; *s != '\0' && t->used + 1 < TEXT_BYTES; s++)
        add_char(t, *s >= ' ' && *s <= '~' ? *s : '?');
}

static void add_number(struct text *t, uint64_t n, unsigned base)
{
    char digits[DIGITS];
    unsigned used = 0;
    do {
        digits[used++] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n != 0);
    while (used > 0)
        add_char(t, digits[--used]);
}

static void add_hex(struct text *t, uint64_t n)
{
    add_string(t, "0x");
    add_number(t, n, 16);
}

void text_addv(struct text *t, const char *fmt, va_list *args)
{
    for (; *fmt != '\0'; fmt++) {
        if (*fmt != '%') {
            add_char(t, *fmt);
            continue;
        }
        const struct range *r;
        uint64_t n;
        switch (*++fmt) {
        case 's':
            add_string(t, va_arg(*args, const char *));
            break;
        case 'u':
        case 'x':
            n = va_arg(*args, uint64_t);
            *fmt == 'u' ? add_number(t, n, 10) : add_hex(t, n);
            break;
        case 'r':
            r = va_arg(*args, const struct range *);
            add_hex(t, r->start);
            add_string(t, "..");
            add_hex(t, r->end);
            break;
        case '\0':
            return;
        default:
            add_char(t, *fmt);
        }
    }
}

void text_add(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    text_addv(t, fmt, &args);
    va_end(args);
}

void problemv(struct problems *p, const char *subject, const char *fmt, va_list *args)
{
    struct text t;
    text_begin(&t);
    add_string(&t, subject);
    text_addv(&t, fmt, args);
    p->count++;
    if (p->fn != NULL)
        p->fn(p->arg, t.s);
}

void problem(struct problems *p, const char *subject, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    problemv(p, subject, fmt, &args);
    va_end(args);
}
