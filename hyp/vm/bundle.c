/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/bundle.h"

#include <string.h>

#include "vm/sha256.h"
#include <boot/tree.h>

#define EXTERNAL_ALIGN 4u /* mkimage -E: data begins where the tree ends, aligned so, whatever -B says of each part */

static bool read_cell(const void *fdt, int node, const char *name, uint32_t *out)
{
    int len;
    const fdt32_t *cell = fdt_getprop(fdt, node, name, &len);
    if (cell == NULL || len != (int)sizeof(*cell))
        return false;
    *out = fdt32_ld(cell);
    return true;
}

static const char *read_text(const void *fdt, int node, const char *name)
{
    int len;
    const char *text = fdt_getprop(fdt, node, name, &len);
    return text != NULL && len > 0 && memchr(text, '\0', (size_t)len) == text + len - 1 ? text : NULL;
}

/* Where an image's bytes are: inside the tree, or behind it at data-offset, or at data-position. */
static bool find_data(const struct bundle *b, int node, struct bundle_image *image)
{
    int len;
    const void *inside = fdt_getprop(b->fit, node, "data", &len);
    if (inside != NULL) {
        image->data = inside;
        image->size = (size_t)len;
        return true;
    }
    uint32_t size, offset;
    uint64_t base = ((uint64_t)fdt_totalsize(b->fit) + EXTERNAL_ALIGN - 1) & ~(uint64_t)(EXTERNAL_ALIGN - 1);
    if (!read_cell(b->fit, node, "data-size", &size))
        return false;
    if (read_cell(b->fit, node, "data-position", &offset))
        base = 0;
    else if (!read_cell(b->fit, node, "data-offset", &offset))
        return false;
    if (base + offset > b->bytes || size > b->bytes - base - offset)
        return false;
    image->data = (const uint8_t *)b->fit + base + offset;
    image->size = size;
    return true;
}

static const char *hash_fault(const void *fit, int node, const struct bundle_image *image)
{
    int child;
    fdt_for_each_subnode(child, fit, node)
    {
        const char *algo = read_text(fit, child, "algo");
        if (algo == NULL || strcmp(algo, "sha256") != 0)
            continue;
        int len;
        const void *want = fdt_getprop(fit, child, "value", &len);
        if (want == NULL || len != (int)SHA256_BYTES)
            return "its sha256 has the wrong length";
        uint8_t digest[SHA256_BYTES];
        sha256(image->data, image->size, digest);
        return memcmp(digest, want, SHA256_BYTES) == 0 ? NULL : "sha256 differs";
    }
    return "it has no sha256";
}

static void read_image(struct bundle *b, int node, struct bundle_image *image, struct problems *p)
{
    const char *fault = "its data lies outside the bundle";
    if (find_data(b, node, image))
        fault = hash_fault(b->fit, node, image);
    else
        image->size = 0;
    image->damaged = fault != NULL;
    if (image->damaged)
        problem(p, "bundle: ", "image \"%s\": %s", image->name, fault);
}

bool bundle_open(struct bundle *b, const void *data, size_t bytes, struct problems *p)
{
    memset(b, 0, sizeof(*b));
    b->fit = data;
    b->bytes = bytes;
    /* The tree is the first part of the file; what its header claims must lie inside. */
    if (bytes < sizeof(struct fdt_header) || fdt_magic(data) != FDT_MAGIC) {
        problem(p, "bundle: ", "not a FIT image (no device tree at its start)");
        return false;
    }
    size_t tree = fdt_totalsize(data) < bytes ? fdt_totalsize(data) : bytes;
    int err = tree_check(data, tree);
    const char *fault = err == 0 ? NULL : fdt_strerror(err);
    int images = fault == NULL ? fdt_path_offset(data, "/images") : 0;
    if (fault == NULL && images < 0)
        fault = "it has no /images";
    if (fault != NULL) {
        problem(p, "bundle: ", "damaged: %s", fault);
        return false;
    }
    int node;
    fdt_for_each_subnode(node, data, images)
    {
        const char *name = fdt_get_name(data, node, NULL);
        if (name != NULL && strcmp(name, "manifest") == 0) {
            b->manifest.name = name;
            read_image(b, node, &b->manifest, p);
            continue;
        }
        if (b->images == BUNDLE_IMAGES) {
            problem(p, "bundle: ", "more than %u images", (uint64_t)BUNDLE_IMAGES);
            break;
        }
        struct bundle_image *image = &b->image[b->images++];
        const char *description = read_text(data, node, "description");
        image->name = description != NULL ? description : name;
        read_image(b, node, image, p);
    }
    if (b->manifest.name == NULL)
        problem(p, "bundle: ", "it has no manifest");
    return b->manifest.name != NULL && !b->manifest.damaged;
}

const struct bundle_image *bundle_find(const struct bundle *b, const char *name)
{
    for (unsigned i = 0; i < b->images; i++)
        if (b->image[i].name != NULL && strcmp(b->image[i].name, name) == 0)
            return &b->image[i];
    return NULL;
}
