/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Inputs: from a seed, from files; and what is said when one fails. */
#include "fuzz.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#define GIVE_UP 300u /* seconds for one input, which takes one or two */

struct fuzz_state fuzz = {.from = "libFuzzer", .tell_at = UINT64_MAX};

/* --- telling ------------------------------------------------------------------------------------------------------ */

void fuzz_tell(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "# %6llu: ", (unsigned long long)fuzz.step);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* The input in the form of the corpus, so that it can become part of it. */
static void save(void)
{
    char path[512];
    FILE *f;

    if (!fuzz.save_in)
        return;
    snprintf(path, sizeof(path), "%s/failed-%s.hex", fuzz.save_in, fuzz_target.name);
    f = fopen(path, "w");
    if (!f)
        return;
    fprintf(f, "# %s, step %llu\n", fuzz.from, (unsigned long long)fuzz.step);
    for (size_t i = 0; i < fuzz.bytes; i++)
        fprintf(f, "%02x%c", fuzz.data[i], i % 32 == 31 || i + 1 == fuzz.bytes ? '\n' : ' ');
    fclose(f);
    fprintf(stderr, "# again, with every operation: fuzz-%s -v %s\n", fuzz_target.name, path);
}

void fuzz_fail(const char *file, int line, const char *format, ...)
{
    const uint8_t *data = fuzz.data;
    va_list args;

    if (fuzz.failing)
        abort(); /* the run made again has come to the same place */
    fuzz.failing = true;
    fprintf(stderr, "# %s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n# %s, step %llu; the operation:\n", fuzz.from, (unsigned long long)fuzz.step);
    fflush(stdout);
    save();
    fuzz.tell_at = fuzz.step;
    (void)fuzz_target.run(data, fuzz.bytes);
    abort();
}

static void caught(int signal)
{
    fuzz_fail(__FILE__, __LINE__, signal == SIGALRM ? "no end in sight" : "signal %d", signal);
}

void fuzz_catch(void)
{
    struct sigaction act = {.sa_handler = caught, .sa_flags = SA_NODEFER};

    sigaction(SIGSEGV, &act, NULL);
    sigaction(SIGBUS, &act, NULL);
    sigaction(SIGFPE, &act, NULL);
    sigaction(SIGALRM, &act, NULL);
    fuzz.limited = true;
}

/* --- random inputs ------------------------------------------------------------------------------------------------ */

#define MOST_BYTES 16u /* that one operation reads, about */

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static uint64_t run(const uint8_t *data, size_t bytes)
{
    fuzz.data = data;
    fuzz.bytes = bytes;
    fuzz.step = 0;
    if (fuzz.limited)
        alarm(GIVE_UP);
    return fuzz_target.run(data, bytes);
}

uint64_t fuzz_random(unsigned shape, uint64_t seed, uint64_t steps)
{
    const struct fuzz_shape *s = &fuzz_target.shapes[shape];
    uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15u ^ (shape + 1) * 0xd1342543de82ef95u, done = 0;
    uint8_t *data = malloc(s->bytes);

    for (unsigned round = 0; done < steps; round++) {
        uint64_t enough = (steps - done) * MOST_BYTES + sizeof(s->head);
        size_t bytes = enough < s->bytes ? (size_t)enough : s->bytes;

        for (size_t i = 0; i < bytes; i++)
            data[i] = (uint8_t)(next(&state) >> 32);
        memcpy(data, s->head, sizeof(s->head));
        snprintf(fuzz.from, sizeof(fuzz.from), "%s, %s, SEED=%llu STEPS=%llu, input %u", fuzz_target.name, s->name,
                 (unsigned long long)seed, (unsigned long long)steps, round);
        done += run(data, bytes);
    }
    free(data);
    return done;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static int digit(int c)
{
    return isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; comments run from # to the end of the line. False for anything else than pairs of digits. */
static bool from_hex(uint8_t *text, size_t *length)
{
    size_t out = 0;

    for (size_t i = 0; i < *length; i++) {
        if (isspace(text[i]))
            continue;
        if (text[i] == '#') {
            while (i < *length && text[i] != '\n')
                i++;
            continue;
        }
        if (i + 1 == *length || digit(text[i]) < 0 || digit(text[i + 1]) < 0)
            return false;
        text[out++] = (uint8_t)(digit(text[i]) << 4 | digit(text[i + 1]));
        i++;
    }
    *length = out;
    return true;
}

uint8_t *fuzz_read(const char *path, size_t *bytes)
{
    size_t room = 1u << 20, name = strlen(path);
    uint8_t *data = malloc(room);
    FILE *f = fopen(path, "rb");

    if (!f) {
        free(data);
        return NULL;
    }
    *bytes = fread(data, 1, room, f);
    fclose(f);
    if (name > 4 && strcmp(path + name - 4, ".hex") == 0 && !from_hex(data, bytes)) {
        free(data);
        return NULL;
    }
    return data;
}

bool fuzz_file(const char *path)
{
    size_t bytes;
    uint8_t *data = fuzz_read(path, &bytes);

    if (!data)
        return false;
    snprintf(fuzz.from, sizeof(fuzz.from), "%s", path);
    (void)run(data, bytes);
    free(data);
    return true;
}

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

unsigned fuzz_corpus(const char *directory)
{
    struct dirent **names;
    int found = scandir(directory, &names, visible, alphasort);
    unsigned good = 0;

    for (int i = 0; i < found; i++) {
        char path[512];

        snprintf(path, sizeof(path), "%s/%s", directory, names[i]->d_name);
        if (fuzz_file(path))
            good++;
        else
            fprintf(stderr, "# %s cannot be read, or is no hex\n", path);
        free(names[i]);
    }
    if (found >= 0)
        free(names);
    return (int)good == found ? good : 0;
}
