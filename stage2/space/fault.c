/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What to do about a stage-2 fault. Most resolve under the shared lock; only a new chunk needs the exclusive one. */
#include "base/words.h"
#include "space/inner.h"

/* --- a vCPU's cache ------------------------------------------------------------------------------------------------------ */

void s2_cache_init(struct s2_cache *c)
{
    *c = (struct s2_cache){.tables = S2_TSTASH_EMPTY, .last = S2_IPA_NONE};
}

/* The most that one leaf can need: a table at each level below the root. */
static uint32_t cache_size(const struct s2_space *sp)
{
    return (uint32_t)(3 - sp->cfg.geometry.start_level);
}

/* As many as there are when not all of them are: a fault that needs fewer goes on, one that needs more comes back. */
enum s2_err s2_cache_refill(struct s2_space *sp, struct s2_cache *c)
{
    uint32_t want = cache_size(sp);
    enum s2_err err = S2_OK;

    for (uint32_t n = want - c->tables.count; c->tables.count < want && n > 0; n--) {
        err = s2_tpool_draw(sp->table.pool, &sp->table.quota, n, &c->tables);
        if (!err)
            break;
    }
    return err;
}

void s2_cache_drain(struct s2_space *sp, struct s2_cache *c)
{
    s2_tpool_give(sp->table.pool, &sp->table.quota, &c->tables);
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static enum s2_answer violation(struct s2_fault_result *out, enum s2_violation why)
{
    out->why = why;
    return S2_VIOLATION;
}

/* A walk of the guest's tables through device memory is refused by HCR_EL2.PTW as a permission fault (D8.5.5), for ever. */
static bool walk_in_device(uint32_t bits, const struct s2_fault *f)
{
    return f->on_walk && f->kind == S2_FAULT_PERMISSION && (bits & S2_MT_MASK) >= S2_MT_DEV_nGnRnE;
}

static bool allowed(const struct s2_space *sp, const struct s2_area *a, const struct s2_fault *f)
{
    uint32_t bits = s2_attr_effective(a->attr, &sp->table.caps).bits;

    if (walk_in_device(bits, f))
        return false;
    switch (f->access) {
    case S2_ACCESS_READ:
        return bits & S2_R;
    case S2_ACCESS_WRITE:
        return bits & S2_W;
    case S2_ACCESS_EXEC:
        break;
    }
    return bits & (f->user ? S2_UX : S2_X);
}

/* The descriptor is good now, or with the access that it was made to wait for recorded. A translation or an access flag fault
 * left nothing in the TLB; a permission fault may have come from an entry that this CPU still holds, and would for ever
 * (architecture rule 3, lesson T8). */
static enum s2_answer good_now(struct s2_space *sp, struct s2_cache *cache, const struct s2_fault *f)
{
    const struct s2_geometry *g = &sp->cfg.geometry;
    bool write = f->access == S2_ACCESS_WRITE || f->maintenance; /* DC IVAC wants the right to write (C5.3) */

    if ((g->track_access || g->track_dirty) && s2_table_touch(&sp->table, f->ipa, write))
        cache->last = S2_IPA_NONE; /* something changed, however often it is made to wait again */
    if (f->kind != S2_FAULT_PERMISSION)
        return S2_RETRY;
    s2_table_flush_local(&sp->table, f->ipa);
    return S2_RETRY_FLUSHED;
}

static enum s2_answer install(struct s2_space *sp, struct s2_cache *cache, const struct s2_area *a,
                              const struct s2_chunk *c, s2_ipa ipa)
{
    uint64_t granule = s2_granule_bytes(&sp->cfg.geometry);
    struct s2_ipa_range within = c->range;
    uint32_t need = 0;

    if (sp->cfg.small_leaves)
        within = (struct s2_ipa_range){S2_IPA(ipa.v & ~(granule - 1)), S2_IPA((ipa.v & ~(granule - 1)) + granule)};
    switch (s2_table_install(&sp->table, &cache->tables, within, ipa, S2_PA(c->pa.v + (ipa.v - c->range.start.v)),
                             a->attr, &need)) {
    case S2_INSTALLED:
        cache->last = S2_IPA_NONE;
        return S2_RETRY;
    case S2_WAS_THERE:
        return S2_RETRY;
    case S2_NO_TABLE:
        break;
    }
    return S2_NEED_REFILL;
}

/* Lock held shared. False: needs a chunk first. */
static bool resolve(struct s2_space *sp, struct s2_cache *cache, const struct s2_fault *f, struct s2_fault_result *out,
                    enum s2_answer *answer)
{
    struct s2_chunk c;

    out->has_area = !sp->dying && s2_area_set_find(&sp->areas, f->ipa, &out->area);
    if (!out->has_area) {
        *answer = violation(out, f->ipa.v < s2_ipa_limit(&sp->cfg.geometry) ? S2_NO_AREA : S2_BEYOND_IPA);
    } else if (out->area.backend->emulates) {
        out->offset = f->ipa.v - out->area.range.start.v;
        *answer = f->isv ? S2_EMULATE : violation(out, S2_NO_SYNDROME);
    } else if (!allowed(sp, &out->area, f)) {
        *answer = violation(out, S2_NO_PERMISSION);
    } else if (!(f->kind == S2_FAULT_TRANSLATION && s2_area_lazy(&out->area)) &&
               s2_table_has(&sp->table, f->ipa)) { /* a touch of lazy memory finds out while it installs */
        *answer = good_now(sp, cache, f);
    } else if (!s2_area_lazy(&out->area)) {
        *answer = violation(out, S2_NOT_OURS);
    } else {
        if (!s2_chunk_around(sp, &out->area, f->ipa, &c))
            return false;
        *answer = install(sp, cache, &out->area, &c, f->ipa);
    }
    return true;
}

/* All may have changed since the shared lock was dropped. */
enum s2_err s2_lazy_fetch(struct s2_space *sp, s2_ipa ipa)
{
    struct s2_area a;
    enum s2_err err = S2_OK;

    s2_space_lock(sp);
    if (!sp->dying && s2_area_set_find(&sp->areas, ipa, &a) && s2_area_lazy(&a) &&
        !s2_imap_find(&sp->chunks, ipa.v, NULL))
        err = s2_chunk_fault(sp, &a, ipa);
    s2_space_unlock(sp);
    return err;
}

static enum s2_answer map_fault(struct s2_space *sp, struct s2_cache *cache, const struct s2_fault *f,
                                struct s2_fault_result *out)
{
    enum s2_answer answer = S2_RETRY; /* unmapped and mapped anew while a chunk came: the guest will come back */
    bool resolved, fetched = false;

    for (;; fetched = true) {
        s2_space_lock_shared(sp);
        resolved = resolve(sp, cache, f, out, &answer);
        s2_space_unlock_shared(sp);
        if (resolved || fetched)
            return answer;
        if (s2_lazy_fetch(sp, f->ipa))
            return violation(out, S2_NO_MEMORY);
    }
}

/* A vCPU that comes back for one page again and again, and nothing changed. */
static enum s2_answer watch(struct s2_cache *cache, const struct s2_fault *f, enum s2_answer answer,
                            struct s2_fault_result *out)
{
    enum { PAGE = 4096 };
    s2_ipa page = S2_IPA((f->has_ipa ? f->ipa.v : f->va) & ~(uint64_t)(PAGE - 1));

    if (answer != S2_RETRY && answer != S2_RETRY_FLUSHED) {
        if (answer != S2_NEED_REFILL)
            cache->last = S2_IPA_NONE;
        return answer;
    }
    if (cache->last.v != page.v) {
        cache->last = page;
        cache->repeats = 0;
    }
    if (++cache->repeats <= S2_FAULT_REPEATS)
        return answer;
    cache->last = S2_IPA_NONE;
    return violation(out, S2_STUCK);
}

static enum s2_answer answer_to(struct s2_space *sp, struct s2_cache *cache, const struct s2_fault *f,
                                struct s2_fault_result *out)
{
    switch (f->kind) {
    case S2_FAULT_TLB_CONFLICT: /* possible even with FEAT_BBM (architecture rule 4) */
        s2_table_flush_local_all(&sp->table);
        return S2_RETRY_FLUSHED;
    case S2_FAULT_ATOMIC:
    case S2_FAULT_EXTERNAL:
    case S2_FAULT_OTHER:
        return violation(out, S2_NOT_OURS);
    case S2_FAULT_TRANSLATION:
    case S2_FAULT_PERMISSION:
    case S2_FAULT_ACCESS_FLAG:
    case S2_FAULT_ADDRESS_SIZE:
        break;
    }
    if (!f->has_ipa)
        return f->retry ? S2_RETRY : violation(out, S2_NOT_OURS);
    if (f->kind == S2_FAULT_ADDRESS_SIZE)
        return violation(out, S2_BEYOND_IPA);
    return map_fault(sp, cache, f, out);
}

enum s2_answer s2_space_fault(struct s2_space *sp, struct s2_cache *cache, const struct s2_fault *fault,
                              struct s2_fault_result *out)
{
    enum s2_answer answer;

    *out = (struct s2_fault_result){0};
    answer = watch(cache, fault, answer_to(sp, cache, fault, out), out);
    if (!sp->cfg.small_leaves && s2_table_marked(&sp->table))
        s2_promote_after_fault(sp);
    return answer;
}

const char *s2_violation_phrase(enum s2_violation why)
{
    /* clang-format off */
    static const char phrases[] = /* in the order of enum s2_violation */
        "no violation\0"
        "no area there\0"
        "beyond the guest's physical address size\0"
        "the area does not allow that access\0"
        "the memory that was promised without cover has run out\0"
        "an emulated device, and the access is of a kind that cannot be emulated\0"
        "not a fault of the memory map\0"
        "the access faults again and again and nothing changes";
    /* clang-format on */

    return s2_word(phrases, why);
}
