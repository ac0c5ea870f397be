/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The plain driver: random operations from SEED, STEPS of them in all, spread over the shapes, reported as TAP; or the
 * files named, with -v operation by operation; or, with --bytes FROM TO, a file as the bytes that libFuzzer reads. */
#include "fuzz.h"

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static int run_shapes(void)
{
    uint64_t seed = number("SEED", 1), steps = number("STEPS", FUZZ_STEPS), total = 0;
    unsigned shares = 0;

    for (unsigned i = 0; i < fuzz_target.count; i++)
        shares += fuzz_target.shapes[i].share;
    printf("1..%u\n# SEED=%llu STEPS=%llu\n", fuzz_target.count, (unsigned long long)seed, (unsigned long long)steps);
    for (unsigned i = 0; i < fuzz_target.count; i++) {
        const struct fuzz_shape *s = &fuzz_target.shapes[i];
        uint64_t made;

        fuzz.most = fuzz.levels = 0;
        made = fuzz_random(i, seed, steps * s->share / shares + 1);
        total += made;
        printf("ok %u - %s, %s: %llu operations, up to %llu entries and %u levels\n", i + 1, fuzz_target.name, s->name,
               (unsigned long long)made, (unsigned long long)fuzz.most, fuzz.levels);
        fflush(stdout);
    }
    printf("# %llu operations\n", (unsigned long long)total);
    return total >= steps ? 0 : 1;
}

static int convert(const char *from, const char *to)
{
    size_t bytes;
    uint8_t *data = fuzz_read(from, &bytes);
    FILE *f = data ? fopen(to, "wb") : NULL;
    bool good = f && fwrite(data, 1, bytes, f) == bytes;

    good = f && fclose(f) == 0 && good;
    free(data);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    char *slash = strrchr(argv[0], '/');
    int first = 1;

    if (slash) { /* inputs that fail lie beside the program */
        fuzz.save_in = argv[0];
        *slash = '\0';
    }

    fuzz_catch();
    if (argc == 1)
        return run_shapes();
    if (argc == 4 && strcmp(argv[1], "--bytes") == 0)
        return convert(argv[2], argv[3]);
    if (strcmp(argv[1], "-v") == 0) {
        fuzz.tell_at = 0;
        first = 2;
    }
    for (int i = first; i < argc; i++)
        if (!fuzz_file(argv[i])) {
            fprintf(stderr, "%s cannot be read, or is no hex\n", argv[i]);
            return 1;
        }
    return 0;
}
