/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <boot/print.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <boot/hooks.h>

struct sink {
    char *to;
    size_t size, used;
};

struct spec {
    bool left, zero, is_long;
    size_t width;
};

static void put(struct sink *s, char c)
{
    if (s->used + 1 < s->size)
        s->to[s->used++] = c;
}

static void put_padded(struct sink *s, const struct spec *spec, const char *text, size_t n)
{
    size_t pad = spec->width > n ? spec->width - n : 0;
    for (size_t i = 0; !spec->left && i < pad; i++)
        put(s, spec->zero ? '0' : ' ');
    for (size_t i = 0; i < n; i++)
        put(s, text[i]);
    for (size_t i = 0; spec->left && i < pad; i++)
        put(s, ' ');
}

static void put_number(struct sink *s, struct spec *spec, uint64_t value, unsigned base, bool negative)
{
    char text[24];
    size_t at = sizeof(text);
    do {
        text[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    if (negative && spec->zero && !spec->left) {
        put(s, '-');
        spec->width -= spec->width > 0;
    } else if (negative) {
        text[--at] = '-';
    }
    put_padded(s, spec, &text[at], sizeof(text) - at);
}

static const char *parse_flags(const char *fmt, struct spec *spec)
{
    for (; *fmt == '-' || *fmt == '0'; fmt++) {
        spec->left |= *fmt == '-';
        spec->zero |= *fmt == '0';
    }
    for (; *fmt >= '0' && *fmt <= '9'; fmt++)
        spec->width = spec->width * 10 + (size_t)(*fmt - '0');
    for (; *fmt == 'l'; fmt++)
        spec->is_long = true;
    return fmt;
}

static void put_integer(struct sink *s, char conversion, struct spec *spec, long value)
{
    bool negative = conversion == 'd' && value < 0;
    uint64_t bits = spec->is_long || conversion == 'd' ? (uint64_t)value : (unsigned)value;
    char c = (char)value;
    if (conversion == 'c')
        put_padded(s, spec, &c, 1);
    else
        put_number(s, spec, negative ? -bits : bits, conversion == 'x' ? 16 : 10, negative);
}

static void put_conversion(struct sink *s, char conversion, struct spec *spec, va_list *args)
{
    const char *text;
    switch (conversion) {
    case 'd':
    case 'u':
    case 'x':
    case 'c':
        put_integer(s, conversion, spec, spec->is_long ? va_arg(*args, long) : va_arg(*args, int));
        break;
    case 's':
        text = va_arg(*args, const char *);
        if (text == NULL)
            text = "(null)";
        put_padded(s, spec, text, strlen(text));
        break;
    default:
        put(s, conversion);
        break;
    }
}

size_t vprint_to(char *to, size_t size, const char *fmt, va_list *args)
{
    struct sink s = {.to = to, .size = size};
    for (; *fmt != '\0'; fmt++) {
        if (*fmt != '%') {
            put(&s, *fmt);
            continue;
        }
        struct spec spec = {0};
        fmt = parse_flags(fmt + 1, &spec);
        if (*fmt == '\0')
            break;
        put_conversion(&s, *fmt, &spec, args);
    }
    if (size > 0)
        to[s.used] = '\0';
    return s.used;
}

size_t print_to(char *to, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    size_t used = vprint_to(to, size, fmt, &args);
    va_end(args);
    return used;
}

void vprint(const char *fmt, va_list *args)
{
    char text[PRINT_LINE];
    vprint_to(text, sizeof(text), fmt, args);
    console_puts(text);
}

void print(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vprint(fmt, &args);
    va_end(args);
}
