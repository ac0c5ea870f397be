/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "lib/guest.h"

#include <stdarg.h>

enum {
    UARTDR = 0x00,
    UARTFR = 0x18,
    FR_RXFE = 1u << 4,
    FR_TXFF = 1u << 5,
    NUMBER_DIGITS = 20, /* of 2^64 in decimal */
};

void put_char(char c)
{
    if (c == '\n')
        put_char('\r');
    while (load32(GUEST_UART + UARTFR) & FR_TXFF)
        ;
    store32(GUEST_UART + UARTDR, (uint8_t)c);
}

int get_char(void)
{
    if (load32(GUEST_UART + UARTFR) & FR_RXFE)
        return -1;
    return (int)(load32(GUEST_UART + UARTDR) & 0xff);
}

static void put_string(const char *s)
{
    while (*s)
        put_char(*s++);
}

static void put_number(uint64_t value, unsigned base)
{
    char digits[NUMBER_DIGITS];
    unsigned n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        put_char(digits[--n]);
}

static void say_list(const char *format, va_list args)
{
    for (; *format; format++) {
        if (*format != '%') {
            put_char(*format);
            continue;
        }
        format++;
        if (*format == 'l')
            format++;
        switch (*format) {
        case 's':
            put_string(va_arg(args, const char *));
            break;
        case 'c':
            put_char((char)va_arg(args, int));
            break;
        case 'u':
            put_number(format[-1] == 'l' ? va_arg(args, uint64_t) : va_arg(args, unsigned), 10);
            break;
        case 'x':
            put_string("0x");
            put_number(format[-1] == 'l' ? va_arg(args, uint64_t) : va_arg(args, unsigned), 16);
            break;
        default:
            put_char(*format);
        }
    }
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_list(format, args);
    va_end(args);
}

static unsigned tests, failures;

bool ok(bool condition, const char *format, ...)
{
    va_list args;
    tests++;
    failures += !condition;
    say("%sok %u - ", condition ? "" : "not ", tests);
    va_start(args, format);
    say_list(format, args);
    va_end(args);
    put_char('\n');
    return condition;
}

void done(const char *name)
{
    say("1..%u\n", tests);
    say("# %s: %u of %u failed\n", name, failures, tests);
}
