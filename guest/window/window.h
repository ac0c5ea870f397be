/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the device tree says of the shared window, if there is one. */
#ifndef WINDOW_H
#define WINDOW_H

#include "lib/guest.h"

struct window {
    const char *label, *rights;
    struct range where;
    unsigned intid; /* of its doorbell */
    bool owner;
};
/* The first node that is compatible with bulkhead,window; false: there is none. */
bool find_window(const void *dtb, struct window *out);

#endif
