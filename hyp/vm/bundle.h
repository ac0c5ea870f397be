/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The bundle: a FIT image with external data (docs/manifest.md says why). Input is not trusted; it is only read. */
#ifndef VM_BUNDLE_H
#define VM_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/problem.h"

enum { BUNDLE_IMAGES = 64 };

struct bundle_image {
    const char *name; /* as the manifest names it */
    const uint8_t *data;
    size_t size;
    bool damaged; /* the hash differs or is missing */
};

struct bundle {
    const void *fit;
    size_t bytes;
    unsigned images;
    struct bundle_image image[BUNDLE_IMAGES];
    struct bundle_image manifest;
};

/* Reads the structure and verifies every image. False: no bundle, or one without a usable manifest. Each image that lies
 * outside the bundle, has no hash or another one is a problem by itself and counts as damaged. */
bool bundle_open(struct bundle *b, const void *data, size_t bytes, struct problems *p);
/* Null when there is none of that name. */
const struct bundle_image *bundle_find(const struct bundle *b, const char *name);

#endif
