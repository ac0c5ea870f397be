/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What could take the person at the terminal in, or hold it up. */
#include "wild/wild.h"

enum { NOISE = 20000 };

static void raw(const char *s)
{
    while (*s)
        store32(GUEST_UART, (uint8_t)*s++);
}

void console_acts(void)
{
    static const char *const tricks[] = {
        "\033[2J\033[H[victim0] forged\n",      /* clear, home */
        "\033]0;forged title\a\033P$q\033\\\n", /* title, device control string */
        "\xc2\x9b"
        "2Jforged by C1\n", /* CSI as one character, in UTF-8 */
        "\x9b"
        "2Jforged by a byte\n",                          /* and by itself */
        "\xe2\x9b\x80\r\xc2\033[Cforged by halves\n",    /* and put together from two characters */
        "\033[>4;2m\033[?5m\033[999;999r\033[21tkeys\n", /* keyboard modes, scroll region, window operations */
        "\033[999999999999999999C\033[99999Dfar\n",
    };
    for (unsigned i = 0; i < sizeof(tricks) / sizeof(tricks[0]); i++)
        raw(tricks[i]);
    for (unsigned i = 0; i < NOISE; i++)
        store32(GUEST_UART, i % 16 ? (uint32_t)arbitrary() & 0xff : '\n');
    raw("\033\\\030\r\n");
    ok(true, "wrote what a terminal should not see, and %u arbitrary characters", (unsigned)NOISE);
}
