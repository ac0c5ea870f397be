/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>

#define FIRST_WIDTH 26
#define WIDTH       17

void table_title(struct table *t, const char *title)
{
    printf(t->markdown ? "\n### %s\n\n" : "\n%s\n", title);
    t->headed = false;
    t->cells = 0;
}

void table_cell(struct table *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(t->cell[t->cells++], CELL_BYTES, format, args);
    va_end(args);
}

void table_ns(struct table *t, double ns)
{
    if (ns < 0)
        table_cell(t, "-");
    else
        table_cell(t, ns < 10 ? "%.2f" : ns < 100 ? "%.1f" : "%.0f", ns);
}

void table_n(struct table *t, uint64_t n)
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
    char *to = t->cell[t->cells++];

    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
}

void table_row(struct table *t)
{
    int width = t->width ? t->width : WIDTH;

    for (unsigned i = 0; i < t->cells; i++)
        if (t->markdown)
            printf("%s %s %s", i ? "" : "|", t->cell[i], i + 1 < t->cells ? "|" : "|\n");
        else
            printf("%*s%s", i ? width : -FIRST_WIDTH, t->cell[i], i + 1 < t->cells ? "" : "\n");
    if (!t->headed && t->markdown) {
        for (unsigned i = 0; i < t->cells; i++)
            fputs(i ? "---:|" : "|---|", stdout);
        putchar('\n');
    }
    t->headed = true;
    t->cells = 0;
}
