/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Syndromes of stage-2 faults, and what the library makes of them. */
#ifndef FAULTS_H
#define FAULTS_H

#include "space_world.h"

#define EC_IABT    (0x20ull << 26)
#define EC_DABT    (0x24ull << 26)
#define ISV        (1ull << 24)
#define SAS(n)     ((uint64_t)(n) << 22)
#define SSE        (1ull << 21)
#define SRT(n)     ((uint64_t)(n) << 16)
#define SF         (1ull << 15)
#define AR         (1ull << 14)
#define FNV        (1ull << 10)
#define CM         (1ull << 8)
#define S1PTW      (1ull << 7)
#define WNR        (1ull << 6)
#define HPFAR(ipa) ((ipa) >> 12 << 4)
#define POISON     HPFAR(0xdead000ull)

enum { TRANSLATION_L3 = 0x07, PERMISSION_L3 = 0x0f, ACCESS_L2 = 0x0a };

/* What AT is to answer, and what it was asked. */
struct at_script {
    uint64_t par, va;
    bool write, user;
    unsigned calls;
};

static inline uint64_t scripted_at(void *arg, uint64_t va, bool write, bool user)
{
    struct at_script *s = arg;

    s->calls++;
    s->va = va;
    s->write = write;
    s->user = user;
    return s->par;
}

static inline struct s2_fault fault_of(struct world *w, uint64_t esr, uint64_t far, uint64_t hpfar)
{
    struct s2_syndrome syn = {esr, far, hpfar};
    struct s2_fault f;

    s2_fault_decode(w->port, &syn, false, &f);
    return f;
}

static inline enum s2_answer answer(struct world *w, uint64_t esr, uint64_t ipa, struct s2_fault_result *r)
{
    struct s2_fault f = fault_of(w, esr, ipa & 0xfff, HPFAR(ipa));

    return s2_space_fault(&w->space, &w->cache, &f, r);
}

#endif
