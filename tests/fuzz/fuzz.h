/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A fuzzer here is one function that reads any bytes as operations, makes them on the code under test and on a naive
 * model, and compares. libFuzzer, the random driver (driver.c) and the suites of tests/unit run the same function. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what a fuzzer is --------------------------------------------------------------------------------------------- */

struct fuzz_shape {
    const char *name;
    uint8_t head[4]; /* the first bytes of its inputs: the fuzzer's choice of a world */
    size_t bytes;    /* the length of one input of the random driver */
    unsigned share;  /* of the operations */
};

struct fuzz_target {
    const char *name;
    uint64_t (*run)(const uint8_t *data, size_t bytes); /* how many operations it made */
    const struct fuzz_shape *shapes;
    unsigned count;
};
extern const struct fuzz_target fuzz_target; /* one in each program */

/* --- reading the input: zeros after its end ----------------------------------------------------------------------- */

struct fuzz_in {
    const uint8_t *at, *end;
};

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static inline uint32_t fuzz_u16(struct fuzz_in *in)
{
    uint32_t high = fuzz_u8(in);

    return high << 8 | fuzz_u8(in);
}

static inline bool fuzz_more(const struct fuzz_in *in)
{
    return in->at < in->end;
}

/* --- what a run tells --------------------------------------------------------------------------------------------- */

struct fuzz_state {
    char from[160];      /* where the input came from: a seed, a file */
    const char *save_in; /* the directory for an input that fails; null: none */
    const uint8_t *data; /* the input of the run under way */
    size_t bytes;
    uint64_t step;    /* of the run */
    uint64_t most;    /* areas or entries at once, of all runs so far */
    unsigned levels;  /* that their tree had */
    uint64_t tell_at; /* operations from this step on are printed */
    bool failing, limited;
};
extern struct fuzz_state fuzz;

/* After each step a map of so many entries is checked whole, a larger one where it was touched; all that there is after so many
 * steps. */
#define FUZZ_FEW 64u
#define FUZZ_ALL 1000u

static inline void fuzz_size(uint64_t entries, unsigned levels)
{
    fuzz.most = entries > fuzz.most ? entries : fuzz.most;
    fuzz.levels = levels > fuzz.levels ? levels : fuzz.levels;
}

static inline bool fuzz_tells(void)
{
    return fuzz.step >= fuzz.tell_at;
}

/* Prints one operation; the test before it keeps the arguments from being computed for nothing. */
#define FUZZ_TELL(...)                                                                                                 \
    do {                                                                                                               \
        if (fuzz_tells())                                                                                              \
            fuzz_tell(__VA_ARGS__);                                                                                    \
    } while (0)
void fuzz_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says what is wrong and where, makes the run again to print its last operation, and aborts. */
_Noreturn void fuzz_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define FUZZ_TRUE(condition)                                                                                           \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fuzz_fail(__FILE__, __LINE__, "not so: %s", #condition);                                                   \
    } while (0)
#define FUZZ_EQ(got, want)                                                                                             \
    do {                                                                                                               \
        uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want);                                                     \
        if (got_ != want_)                                                                                             \
            fuzz_fail(__FILE__, __LINE__, "%s is %#llx, not %#llx (%s)", #got, (unsigned long long)got_,               \
                      (unsigned long long)want_, #want);                                                               \
    } while (0)
/* Of what returns null when all is well, or a phrase. */
#define FUZZ_SOUND(phrase)                                                                                             \
    do {                                                                                                               \
        const char *wrong_ = (phrase);                                                                                 \
        if (wrong_)                                                                                                    \
            fuzz_fail(__FILE__, __LINE__, "%s: %s", #phrase, wrong_);                                                  \
    } while (0)

/* --- what drives it ----------------------------------------------------------------------------------------------- */

/* At least `steps` operations on inputs of that shape from that seed; how many it made. */
uint64_t fuzz_random(unsigned shape, uint64_t seed, uint64_t steps);
/* One input from a file: bytes in hex and comments if its name ends in .hex, else as it is. False: no such file, or no
 * hex. */
bool fuzz_file(const char *path);
/* Reads it only: *data is the caller's to free; null when it cannot be read. */
uint8_t *fuzz_read(const char *path, size_t *bytes);
/* Every file of a directory, by name; how many, 0 when one of them cannot be read. */
unsigned fuzz_corpus(const char *directory);
/* A fault fails like a wrong answer does, and so does a run that takes minutes. For drivers that have no one else to say
 * it. */
void fuzz_catch(void);

#endif
