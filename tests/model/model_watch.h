/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Between the files of the model.
 *
 * What a strict machine knows:
 *   contexts  one per VMID: root, VTCR, the CPUs that may hold something of it ("hot")
 *   pages     every 4 KiB stretch of a table that the root of a context reaches, found when the context is loaded and
 *             followed through every edit
 *   stale     every translation that was reachable, is not any more, and may still be held by some CPU
 * A context that no CPU can hold anything of is forgotten, pages and all, and found again when it is loaded. */
#ifndef MODEL_WATCH_H
#define MODEL_WATCH_H

#include <pthread.h>
#include <stdio.h>

#include "model.h"
#include "model_arch.h"

#define MODEL_NONE       UINT32_MAX
#define MODEL_SLOTS      512u /* descriptors in 4 KiB */
#define MODEL_GUARDS     4u
#define MODEL_VMIDS      65536u
#define MODEL_HASH_LOG2  16u
#define MODEL_ANY_LEVEL  127
#define MODEL_CHUNK_LOG2 12u

typedef uint16_t cpu_mask;

/* One translation that may outlive its descriptor. A CPU may hold it as a stage-2 entry, which IPA operations remove,
 * and, when it is a leaf, inside entries of both stages combined, which they do not (D8.17.5, I_RTRQB). */
struct stale {
    uint64_t serial; /* 0: a free element */
    struct context *ctx;
    uint64_t ipa, desc;
    int level;
    bool leaf;
    bool relaxed; /* what followed allows more: harmless, except that it may fault */
    bool bbm;     /* what followed differs in size only, as FEAT_BBM allows */
    bool forgets; /* what followed has lost access flag or dirty state only: an access through it is not recorded */
    bool run;     /* a leaf with the Contiguous bit: it may stand for the whole run */
    bool hinted;  /* an operation reached its address with another level as TTL hint */
    cpu_mask stage2, combined;
    unsigned store_cpu; /* the store that replaced it, and that CPU's barriers before it */
    uint64_t store_epoch, store_epoch_any;
    uint32_t hash_next, next, prev;
};
struct stale_name { /* survives the element's reuse */
    uint32_t index;
    uint64_t serial;
};

struct context {
    uint16_t vmid, vm; /* vm: whose tables they are (model_handover.c) */
    uint64_t vttbr, vtcr;
    struct arch_regime regime;
    cpu_mask hot;
    unsigned vcpu[MODEL_CPUS]; /* whose combined entries a CPU may hold: its number plus one, 0: nobody's */
    uint32_t stale_head, stale_count, stale_runs; /* of the latter: members of runs */
    uint32_t nt;                                  /* blocks with nT */
    uint64_t nt_ipa;                              /* the last that was made */
    struct page *pages;
    struct context *next;
};

/* 4 KiB of a table. Reachable while ctx is set; afterwards guarded as long as one of the named entries lives. */
struct page {
    uint64_t pa, ipa; /* of the first descriptor */
    struct context *ctx;
    int level;
    struct stale_name guard[MODEL_GUARDS];
    unsigned guards;
    struct page *hash_next, *next, *prev;
};

struct covered { /* by an invalidation that no DSB has completed yet */
    struct stale_name name;
    cpu_mask stage2, combined;
};
struct flushed { /* a whole VMID: stage-2 entries, too, or combined ones only */
    struct context *ctx;
    cpu_mask cpus;
    bool stage2;
};
struct covered_list {
    struct covered *item;
    size_t count, room;
};
struct flushed_list {
    struct flushed *item;
    size_t count, room;
};

struct run_ref { /* a run that was edited */
    struct context *ctx;
    uint64_t ipa, *slot; /* of its first member */
    int level;
};
struct run_list {
    struct run_ref *item;
    size_t count, room;
};

struct watch_cpu {
    struct context *loaded;
    bool unsynced;              /* context loaded, no ISB yet */
    uint64_t epoch, epoch_any;  /* DSBs so far: ISH and ISHST; of any kind */
    bool walked_since;          /* a store or a load of a context since the last full DSB */
    bool tlbi_wide, tlbi_local; /* issued, not completed */
    struct covered_list wide, local;
    struct flushed_list wide_all, local_all;
    struct run_list touched; /* since the last DSB */
    bool made;               /* new valid descriptors since the last DSB, of this context and range */
    struct context *made_ctx;
    uint64_t made_lo, made_hi;
    bool unordered; /* plain stores to tables that nobody reaches yet, since the last DSB */
    /* Is the loaded context only borrowed for invalidation? Known when the one before comes back. */
    uint64_t before_vttbr, before_vtcr;
    bool was_hot, tlbi_since, edit_since, access_since, flushed_since;
};

struct dirty; /* guest frames written and not cleaned (model_cache.c) */
struct handover;

struct model_watch {
    pthread_mutex_t mutex;
    struct s2_port *port;
    struct arch_machine machine;
    struct context *context[MODEL_VMIDS], *contexts;
    struct page *page[1u << MODEL_HASH_LOG2];
    struct stale *stale;
    uint32_t stale_room, stale_free, stale_total;
    uint64_t serial;
    uint32_t stale_hash[1u << MODEL_HASH_LOG2];
    struct watch_cpu cpu[MODEL_CPUS];
    struct dirty *dirty;
    struct handover *handover;
};

/* model.c */
_Noreturn void model_fatal(const char *what, uint64_t value);
unsigned char *model_host(struct s2_port *m, uint64_t pa); /* null: no RAM there */
bool model_pa(const struct s2_port *m, const void *host, uint64_t *pa);
struct model_cpu *model_this_cpu(struct s2_port *m);
/* True, with the PA, when va lies in a window that this CPU has mapped. */
bool model_in_window(struct s2_port *m, const void *va, uint64_t *pa);

/* model_access.c: also of a machine that is not strict, which has everything and minds nothing */
struct arch_machine model_machine(const struct s2_port *m);

/* model_watch.c: entry points of the port, under the mutex */
struct model_watch *model_watch_create(struct s2_port *m, const struct model_config *cfg);
void model_watch_destroy(struct model_watch *w);
void model_tlbi(struct s2_port *m, enum s2_tlbi op, uint64_t operand);
void model_barrier(struct s2_port *m, enum s2_barrier barrier);
void model_context(struct s2_port *m, uint64_t before_vttbr, uint64_t before_vtcr);
void model_bytes_written(struct s2_port *m, void *to, size_t bytes, bool zeroes);
void model_cleaned(struct s2_port *m, const void *va, size_t bytes);
void model_synced(struct s2_port *m, const void *va, size_t bytes);
/* A lock of that pool is taken. */
void model_pool_entered(struct s2_port *m, const char *pool);
struct watch_cpu *watch_cpu(struct model_watch *w);
static inline cpu_mask cpu_bit(unsigned cpu)
{
    return (cpu_mask)(1u << cpu);
}

/* model_trace.c */
void model_trace_begin(struct s2_port *m);
void model_trace_end(struct s2_port *m);
void model_print_trace(struct s2_port *m, FILE *to); /* the last events */

/* model_stale.c */
void stale_init(struct model_watch *w);
void stale_fini(struct model_watch *w);
struct stale_name stale_add(struct model_watch *w, const struct stale *like);
struct stale *stale_named(struct model_watch *w, struct stale_name name); /* null: gone */
/* The first entry of ctx at exactly that level and base, and the next alike. */
struct stale *stale_find(struct model_watch *w, struct context *ctx, int level, uint64_t ipa);
struct stale *stale_again(struct model_watch *w, struct stale *s);
/* One at that level and base that was a member of a run; null: none. */
struct stale *stale_member(struct model_watch *w, struct context *ctx, int level, uint64_t ipa);
/* The first entry of ctx, and the next one; null at the end. */
struct stale *stale_first(struct model_watch *w, struct context *ctx);
struct stale *stale_next(struct model_watch *w, struct stale *s);
void stale_clear(struct model_watch *w, struct stale *s, cpu_mask stage2, cpu_mask combined);
uint64_t stale_span(const struct stale *s);
/* In words, for a message. */
const char *stale_text(const struct stale *s, char *buffer, size_t bytes);

/* model_run.c */
/* What is wrong with the run of which slot is the first member, and with which of them; null: nothing, or it is none. */
const char *run_odd(const struct arch_machine *machine, const struct arch_regime *r, int level, const uint64_t *slot,
                    unsigned *member);
/* The slot of the first member of the run, or of what could be one. pre: arch_run(r, level) */
uint64_t *run_first(const struct arch_regime *r, int level, uint64_t *slot);
/* A member is made or changed: those of its run that live must agree with it. */
void run_joined(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t *slot, uint64_t desc);
/* The run is to be looked at when this CPU issues a DSB. */
void run_touch(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t *slot);
void run_settle(struct model_watch *w, struct run_list *touched);

/* model_tlb.c */
void tlb_invalidate(struct model_watch *w, enum s2_tlbi op, uint64_t operand);
void tlb_barrier(struct model_watch *w, enum s2_barrier barrier);

/* model_context.c */
void context_load(struct model_watch *w, uint64_t vttbr, uint64_t vtcr, uint64_t before_vttbr, uint64_t before_vtcr);

/* model_conflict.c */
/* A leaf is made at ipa; a table entry is, where another entry may still be cached. */
void conflict_leaf(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t desc);
void conflict_table(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t desc);

/* model_graph.c */
/* All that the root of ctx leads to, unless it is known. */
void graph_link(struct model_watch *w, struct context *ctx);
void graph_forget(struct model_watch *w, struct context *ctx);
struct page *graph_page(struct model_watch *w, uint64_t pa);
bool graph_guarded(struct model_watch *w, const struct page *page);
void graph_edit(struct model_watch *w, struct page *page, uint64_t *slot, uint64_t now, enum model_write how);
void graph_cold(struct model_watch *w, struct context *ctx);

/* model_cache.c */
void cache_written(struct model_watch *w, uint64_t pa, size_t bytes);
void cache_cleaned(struct model_watch *w, uint64_t pa, size_t bytes);
void cache_synced(struct model_watch *w, uint64_t pa, size_t bytes);
void cache_check_access(struct model_watch *w, uint64_t pa, bool exec);
void cache_check_quiet(struct model_watch *w);
/* A leaf for these bytes is made; `synced`: instruction fetch must know of all that was written, too. */
void cache_check_given(struct model_watch *w, uint64_t pa, uint64_t bytes, bool synced);
void cache_fini(struct model_watch *w);

/* model_handover.c */
void handover_init(struct model_watch *w, bool any_frame);
void handover_fini(struct model_watch *w);
/* The number of the VM with that root; it was that one, or 0. */
uint16_t handover_vm(struct model_watch *w, uint16_t was, uint64_t root);
/* These bytes, which no walker reaches, are cleared: a root there is that of a VM to come. */
void handover_root_cleared(struct model_watch *w, uint64_t pa, uint64_t bytes);
/* A leaf comes, before it counts as live, or goes. */
void handover_leaf(struct model_watch *w, struct context *ctx, int level, const struct arch_desc *d, bool comes);
void handover_table(struct model_watch *w, uint64_t pa);
void handover_zeroed(struct model_watch *w, uint64_t pa, uint64_t bytes);

#endif
