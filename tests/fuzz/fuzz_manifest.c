/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Any bytes as a bundle, as a manifest, and as an image that a manifest names: nothing but problems in words may come of
 * it. libFuzzer's entry; with -DFUZZ_MAIN a program that takes files, or mutates its seeds a fixed number of times.
 *
 *   clang -fsanitize=fuzzer,address,undefined -Ihyp tests/fuzz/fuzz_manifest.c hyp/vm/{problem,sha256,bundle,machine,
 *      manifest,manifest_read,manifest_windows,manifest_check,manifest_check_shared,shape,loader,guestdtb}.c -lfdt
 */
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm/bundle.h"
#include "vm/guestdtb.h"
#include "vm/machine.h"
#include "vm/manifest.h"

#define TREE_BYTES MANIFEST_DTB_BYTES

static void ignore(void *arg, const char *line)
{
    (void)arg;
    if (strlen(line) >= TEXT_BYTES)
        abort();
}

/* A VM that passed every check must have a plan whose parts lie in its regions, and apart. */
static void check_plan(const struct manifest_vm *v, const struct load_plan *plan)
{
    for (unsigned i = 0; i < plan->parts; i++) {
        const struct load_part *part = &plan->part[i];
        if (part->region >= v->regions || !range_inside(part->room, manifest_region_ipa(&v->region[part->region])))
            abort();
        if (part->bytes > part->room.end - part->room.start || range_meets(part->room, plan->dtb))
            abort();
        for (unsigned k = 0; k < i; k++)
            if (range_meets(part->room, plan->part[k].room))
                abort();
    }
}

/* A window that passed every check lies apart from all else that each of its VMs has, inside its address bits. */
static void check_windows(const struct manifest *m, const struct manifest_vm *v)
{
    struct manifest_view view, other;
    for (unsigned i = 0; i < m->windows; i++) {
        if (!v->ok || !manifest_view(v, i, &view))
            continue;
        struct range r = {view.ipa, view.ipa + view.window->size};
        if (range_empty(r) || (r.start | r.end) % (1ull << v->granule_log2) != 0 || r.end > 1ull << 52)
            abort();
        for (unsigned k = 0; k < v->regions; k++)
            if (range_meets(r, manifest_region_ipa(&v->region[k])))
                abort();
        for (unsigned k = 0; k < i; k++)
            if (manifest_view(v, k, &other) &&
                range_meets(r, (struct range){other.ipa, other.ipa + other.window->size}))
                abort();
    }
}

static void try_manifest(const void *data, size_t bytes, const struct bundle *bundle, const struct machine *machine)
{
    static struct manifest m;
    static uint64_t tree[TREE_BYTES / 8], scratch[TREE_BYTES / 8];
    struct problems p = {ignore, NULL, 0};
    if (!manifest_parse(&m, data, bytes, &p))
        return;
    manifest_check(&m, machine, bundle, &p);
    for (unsigned i = 0; i < m.vms; i++) {
        struct load_plan plan;
        check_windows(&m, &m.vm[i]);
        if (!m.vm[i].ok || !loader_plan(&plan, &m.vm[i], bundle, &p))
            continue;
        check_plan(&m.vm[i], &plan);
        (void)guestdtb_build(tree, scratch, sizeof(tree), &m.vm[i], &plan, machine, &p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct bundle bundle;
    static struct machine machine;
    struct problems p = {ignore, NULL, 0};
    /* libfdt wants its trees aligned, as boot loaders place them. */
    void *copy = aligned_alloc(8, (bytes + 8) & ~(size_t)7);
    memcpy(copy, data, bytes);

    bool known = machine_parse(&machine, copy, bytes, &p);
    if (bundle_open(&bundle, copy, bytes, &p))
        try_manifest(bundle.manifest.data, bundle.manifest.size, &bundle, NULL);
    /* The same bytes as a manifest alone, and as the one image that it may name, undamaged. */
    memset(&bundle, 0, sizeof(bundle));
    bundle.images = 1;
    bundle.image[0] = (struct bundle_image){.name = "i", .data = copy, .size = bytes};
    try_manifest(copy, bytes, &bundle, known ? &machine : NULL);
    free(copy);
    return 0;
}

#ifdef FUZZ_MAIN
enum { ROUNDS = 20000, FILE_MAX = 1 << 20, CHANGES = 8 };

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Each file as it is, then changed a few bytes at a time; the same every time. */
int main(int argc, char **argv)
{
    static uint8_t seed[FILE_MAX], changed[FILE_MAX];
    static const uint32_t odd[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x1000, 0xfffff000};
    uint64_t x = 88172645463325252u;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        size_t bytes = fread(seed, 1, sizeof(seed), file);
        fclose(file);
        LLVMFuzzerTestOneInput(seed, bytes);
        for (unsigned round = 0; round < ROUNDS && bytes >= sizeof(uint32_t); round++) {
            memcpy(changed, seed, bytes);
            for (uint64_t n = next_random(&x) % CHANGES + 1; n > 0; n--) {
                size_t at = next_random(&x) % (bytes - 3);
                if (next_random(&x) % 2 == 0)
                    changed[at] = (uint8_t)next_random(&x);
                else
                    memcpy(changed + at, &odd[next_random(&x) % (sizeof(odd) / sizeof(odd[0]))], 4);
            }
            LLVMFuzzerTestOneInput(changed, next_random(&x) % 8 == 0 ? next_random(&x) % bytes : bytes);
        }
    }
    return EXIT_SUCCESS;
}
#endif
