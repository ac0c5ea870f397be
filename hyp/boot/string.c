/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the compiler and libfdt expect of a C library. memset and memcpy use aligned accesses only, so they serve while
 * the MMU is off as well. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <boot/print.h>

typedef uint64_t __attribute__((may_alias)) word_t;
/* The compiler makes calls of its own, which it does not see while it looks at the program as a whole. */
#define CALLED __attribute__((used))
#define WORD   sizeof(word_t)
#define BLOCK  4u /* words at a time: two registers per store */

static bool aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & (WORD - 1)) == 0;
}

CALLED void *memset(void *to, int c, size_t n)
{
    uint8_t *p = to;
    uint64_t word = (uint8_t)c * UINT64_C(0x0101010101010101);
    for (; n > 0 && !aligned(p, p); n--)
        *p++ = (uint8_t)c;
    for (; n >= BLOCK * WORD; n -= BLOCK * WORD, p += BLOCK * WORD)
        ((word_t *)(void *)p)[0] = ((word_t *)(void *)p)[1] = ((word_t *)(void *)p)[2] = ((word_t *)(void *)p)[3] =
            word;
    for (; n >= WORD; n -= WORD, p += WORD)
        *(word_t *)(void *)p = word;
    for (; n > 0; n--)
        *p++ = (uint8_t)c;
    return to;
}

/* Right also where the two overlap with `to` below `from`. */
static void copy_up(uint8_t *d, const uint8_t *s, size_t n)
{
    if (aligned(d, s)) {
        for (; n >= BLOCK * WORD; n -= BLOCK * WORD, d += BLOCK * WORD, s += BLOCK * WORD) {
            const word_t *from4 = (const word_t *)(const void *)s;
            word_t a = from4[0], b = from4[1], c = from4[2], e = from4[3];
            word_t *to4 = (word_t *)(void *)d;
            to4[0] = a;
            to4[1] = b;
            to4[2] = c;
            to4[3] = e;
        }
        for (; n >= WORD; n -= WORD, d += WORD, s += WORD)
            *(word_t *)(void *)d = *(const word_t *)(const void *)s;
    }
    for (; n > 0; n--)
        *d++ = *s++;
}

CALLED void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    copy_up(to, from, n);
    return to;
}

CALLED void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    if (d <= s || d >= s + n) {
        copy_up(d, s, n);
        return to;
    }
    if (aligned(d, s)) {
        for (; n % WORD != 0; n--)
            d[n - 1] = s[n - 1];
        for (; n > 0; n -= WORD)
            *(word_t *)(void *)(d + n - WORD) = *(const word_t *)(const void *)(s + n - WORD);
    }
    while (n-- > 0)
        d[n] = s[n];
    return to;
}

CALLED int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a, *q = b;
    for (size_t i = 0; i < n; i++)
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    const uint8_t *p = s;
    for (size_t i = 0; i < n; i++)
        if (p[i] == (uint8_t)c)
            return (void *)(uintptr_t)(p + i);
    return NULL;
}

size_t strnlen(const char *s, size_t most); /* not C11, so <string.h> keeps it back */
size_t strnlen(const char *s, size_t most)
{
    size_t n = 0;
    while (n < most && s[n] != '\0')
        n++;
    return n;
}

size_t strlen(const char *s)
{
    return strnlen(s, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++)
        if (*s == '\0')
            return NULL;
    return (char *)(uintptr_t)s;
}

char *strrchr(const char *s, int c)
{
    const char *found = NULL;
    do {
        if (*s == (char)c)
            found = s;
    } while (*s++ != '\0');
    return (char *)(uintptr_t)found;
}

int strcmp(const char *a, const char *b)
{
    for (; *a != '\0' && *a == *b; a++, b++)
        ;
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0 && *a != '\0' && *a == *b; a++, b++, n--)
        ;
    return n == 0 ? 0 : (uint8_t)*a - (uint8_t)*b;
}

static unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A') + 10;
    return UINT32_MAX;
}

/* Decimal, octal and hexadecimal by prefix when base is 0. No sign: nothing here has one. */
unsigned long strtoul(const char *s, char **end, int base)
{
    unsigned long value = 0;
    unsigned radix = (unsigned)base;
    while (*s == ' ' || *s == '\t')
        s++;
    bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit(s[2]) < 16;
    if (hex && (radix == 0 || radix == 16)) {
        s += 2;
        radix = 16;
    } else if (radix == 0) {
        radix = s[0] == '0' ? 8 : 10;
    }
    for (; digit(*s) < radix; s++)
        value = value * radix + digit(*s);
    if (end != NULL)
        *end = (char *)(uintptr_t)s;
    return value;
}

/* libfdt.a was built with stack protectors. */
extern const uintptr_t __stack_chk_guard;
const uintptr_t __stack_chk_guard = 0x5bd1e995a5c30f17u;
_Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
    panic("a library function overran its stack frame");
}

/* gcc's way to count bits without SIMD registers. */
int __popcountdi2(unsigned long value);
CALLED int __popcountdi2(unsigned long value)
{
    int n = 0;
    for (; value != 0; value &= value - 1)
        n++;
    return n;
}
