/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Text for people: %s %c %% %d %u %x with -, 0, width, and l. */
#ifndef BOOT_PRINT_H
#define BOOT_PRINT_H

#include <stdarg.h>
#include <stddef.h>

#define PRINT_LINE 256u /* one call prints at most this much */

void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void vprint(const char *fmt, va_list *args) __attribute__((format(printf, 1, 0)));
/* Into a buffer, always terminated when size > 0; returns the length that it has, cut to fit. */
size_t print_to(char *to, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
size_t vprint_to(char *to, size_t size, const char *fmt, va_list *args) __attribute__((format(printf, 3, 0)));

/* For what can only be a mistake of the hypervisor itself: prints, with a backtrace, and powers the machine off. */
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
