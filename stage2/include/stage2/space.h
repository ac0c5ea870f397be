/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* An address space: areas, tables, frames and rights of one VM, joined. This is the face of the library. Every operation
 * is plan, reserve, commit: on an error nothing has changed, and detail says what collided.
 *
 * Locks: each function takes the space's lock itself. Invalidation: done when a function returns. None may be called
 * from a backend or a visitor. */
#ifndef STAGE2_SPACE_H
#define STAGE2_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stage2/area.h>
#include <stage2/backend.h>
#include <stage2/error.h>
#include <stage2/fault.h>
#include <stage2/frames.h>
#include <stage2/ledger.h>
#include <stage2/long.h>
#include <stage2/share.h>
#include <stage2/table_types.h>

struct s2_space_config {
    struct s2_port *port;
    const struct s2_caps *caps;  /* copied */
    struct s2_geometry geometry; /* s2_geometry_make's, for the same capabilities */
    uint16_t id;                 /* the VM's owner number in the ledger; also orders locks */
    struct s2_tpool *tables;
    uint32_t table_pages; /* quota: root, cut reserve and what vCPUs' caches hold included; s2_table_quota */
    struct s2_vmids *vmids;
    struct s2_frames *frames;
    uint64_t frame_quota; /* 4K frames */
    struct s2_ledger *ledger;
    struct s2_pool *nodes; /* this VM's own: areas and chunks; S2_CUT_NODES of them are the cut reserve's */
    uint8_t chunk_log2;    /* largest chunk of an alloc area; 0: one level-2 block */
    bool small_leaves;     /* pages only, for tests and for tracking; nothing is promoted */
    bool no_promotion;     /* at first; s2_space_promotion */
    bool audit;            /* each operation but a fault checks its range at its end, every 64th all: s2_space.wrong */
};

/* The nodes of the cut reserve: an unmap in the middle inserts one area and one chunk, each in a map of whatever height. */
#define S2_CUT_NODES (2u * S2_AREA_CUT_NODES)

struct s2_space {
    struct s2_lock lock;
    struct s2_space_config cfg;
    struct s2_area_set areas;
    struct s2_imap chunks; /* IPA -> {PA} of memory held by alloc areas, congruent and merged */
    struct s2_imap taken;  /* the same, taken by the operation under way and not yet mapped; empty between */
    struct s2_table table;
    struct s2_tstash cut; /* the cut reserve, for unmap: table pages, nodes, one promise of the ledger's */
    uint32_t cut_nodes;
    bool cut_ledger;
    uint64_t frames_held, frames_promised;
    uint64_t frames_shared; /* in shares of this VM's; under the ledger's lock (s2_share_commit) */
    struct s2_long *longs;  /* long work under way, in ranges that do not meet */
    bool promotion_off;
    bool dying;            /* being destroyed: */
    s2_ipa gone;           /* memory and rights of everything below are given back */
    s2_pa swept;           /* no frame below is this VM's any more */
    struct s2_gather last; /* the tables, until all are freed */
    const char *wrong; /* cfg.audit, where the port has it (S2_PORT_CHECKS): the first finding, with the place in: */
    struct s2_detail wrong_detail;
    uint32_t operations;
};

/* Table pages in the cut reserve of a space of this shape: a cut at each end of a range, from a block of the lowest level
 * down to pages. */
static inline uint32_t s2_cut_tables(const struct s2_geometry *g)
{
    return 2u * (uint32_t)(3 - g->block_level);
}

/* A quota with which nothing ever lacks a table page: for a space with that many vCPUs, of which each may hold a whole cache
 * (one leaf can need a table at each level below the root), and for one area at work in steps, without the areas; and for each
 * of these, wherever it lies, mapped in pages. A quota that leaves out the vCPUs' (3 - start level) pages each may end a lazy
 * fault with S2_NO_MEMORY: what a cache holds no other vCPU can use. A replace needs the area twice. */
static inline uint64_t s2_table_quota(const struct s2_geometry *g, unsigned vcpus)
{
    return g->roots + s2_cut_tables(g) + (2ull + vcpus) * (unsigned)(3 - g->start_level);
}
static inline uint64_t s2_table_quota_area(const struct s2_geometry *g, uint64_t bytes)
{
    uint64_t pages = 0;

    for (int level = g->start_level; level < 3; level++)
        pages += (bytes >> s2_level_shift(g, level)) + 2; /* entries that it meets */
    return pages;
}

/* Charges the root and the cut reserve to the quota. S2_EINVAL (no port, pool, ... or an id below S2_OWNER_FIRST_VM),
 * S2_ERANGE (the allocator has memory beyond the geometry's physical addresses), S2_EUNSUP, S2_EQUOTA, S2_ETABLES, S2_ENODES. On an error
 * nothing is held. */
S2_NODISCARD enum s2_err s2_space_init(struct s2_space *sp, const struct s2_space_config *cfg, struct s2_detail *d);

/* --- areas. Errors: area.h's, attr.h's, the reservation's, S2_EDYING, S2_EBUSY (long.h). --------------------------- */

/* linear: the ledger must show every frame as this VM's, with rights that cover the attribute, and mapped nowhere else;
 * S2_EPERM, S2_ENOENT. alloc: memory reads as zero; S2_EQUOTA and S2_EFRAMES. A replace needs the new memory while the
 * old is still held. Memory is zeroed and mapped under the lock: large areas are made in steps (long.h), or are lazy.
 * Replacing an area by itself edits nothing where its backing says all (backend.h; linear, trap). S2_EINVAL: no backend, or
 * flags that do not go with it. */
S2_NODISCARD enum s2_err s2_space_map(struct s2_space *sp, const struct s2_area *area, enum s2_map_mode mode,
                                      struct s2_detail *d);
/* Never fails for want of memory but by S2_ECUT: a cut inside a block, an area or a run of frames, after earlier cuts used
 * up the reserve and the pools were too empty to refill it. Frames go back dirty; holes are fine. */
S2_NODISCARD enum s2_err s2_space_unmap(struct s2_space *sp, struct s2_ipa_range range, struct s2_detail *d);
/* Where it leaves no more areas than there were, it fails for want of memory by S2_ECUT alone, as an unmap. */
S2_NODISCARD enum s2_err s2_space_protect(struct s2_space *sp, struct s2_ipa_range range, s2_update_fn *update,
                                          void *arg, struct s2_detail *d);
/* As area.h says of these: exactly this area goes; one area's backend is replaced over an exact range; an area grows in place,
 * and gets another name. */
S2_NODISCARD enum s2_err s2_space_unmap_expected(struct s2_space *sp, const struct s2_area *expected,
                                                 struct s2_detail *d);
S2_NODISCARD enum s2_err s2_space_swap(struct s2_space *sp, const struct s2_area *area,
                                       const struct s2_backend *expected, struct s2_detail *d);
S2_NODISCARD enum s2_err s2_space_extend(struct s2_space *sp, s2_ipa at, struct s2_ipa_range to, struct s2_detail *d);
S2_NODISCARD enum s2_err s2_space_rename(struct s2_space *sp, s2_ipa at, uint16_t name, struct s2_detail *d);

/* Lookups: the lock is held shared. */
bool s2_space_find(struct s2_space *sp, s2_ipa ipa, struct s2_area *out);
/* First area with end > ipa; for iteration. */
bool s2_space_next(struct s2_space *sp, s2_ipa ipa, struct s2_area *out);
enum s2_around s2_space_around(struct s2_space *sp, s2_ipa ipa, struct s2_area *area, struct s2_ipa_range *gap);
S2_NODISCARD enum s2_err s2_space_find_free(struct s2_space *sp, s2_ipa hint, uint64_t size, struct s2_ipa_range limit,
                                            uint64_t align, enum s2_fit fit, s2_ipa *out);

/* --- the fault path ------------------------------------------------------------------------------------------------ */

/* A vCPU's table pages, so that faults do not contend on the pool. Topped up outside any lock, charged to the VM: what is in
 * caches counts against table_pages. A refill may use what the quota promised to lazy areas, so it fails for S2_EQUOTA only
 * when overcommitted areas, or the caches of other vCPUs, used that up. */
struct s2_cache {
    struct s2_tstash tables;
    s2_ipa last; /* progress: the address of the last retry, and how often in a row */
    uint32_t repeats;
};
void s2_cache_init(struct s2_cache *c);
S2_NODISCARD enum s2_err s2_cache_refill(struct s2_space *sp, struct s2_cache *c);
void s2_cache_drain(struct s2_space *sp, struct s2_cache *c);

/* Resolves a stage-2 fault of a vCPU of this space; *out says what to do. Lock: shared, for a new chunk exclusive. Frames
 * and table quota are promised to lazy areas, nodes are not: without any, S2_NO_MEMORY.
 * A new chunk that idle steps have not scrubbed yet is zeroed in the exclusive hold, which chunk_log2 bounds: 2 MiB take half
 * a millisecond at 4 GB/s, 64 KiB (16) a thirtieth of that, and give smaller leaves. */
enum s2_answer s2_space_fault(struct s2_space *sp, struct s2_cache *cache, const struct s2_fault *fault,
                              struct s2_fault_result *out);

/* --- promotion and tracking ---------------------------------------------------------------------------------------- */

/* When the last page of a congruent run appears, or attributes become equal again, the run becomes one larger leaf, inside one
 * area: after the fault that completed it when the lock is free, else by the next operation that holds it. So much, and no
 * more, may one hold of the lock promote. */
#define S2_PROMOTE_BUDGET 4u
/* Turns that off and on, e.g. while writes are tracked by the page. What is marked stays marked. */
void s2_space_promotion(struct s2_space *sp, bool on);
/* Promotes what is marked, at most `budget` runs and tables; true while more is left. */
bool s2_space_promote_step(struct s2_space *sp, unsigned budget);

/* Tells of every leaf in range that was accessed (S2_TOUCH_ACCESS) or written (S2_TOUCH_WRITE) since it was mapped or last told
 * of, and begins anew: a write that comes after fn heard of the leaf is told next time, or its bytes can be seen once this
 * returned. Until fn says false. The lock is held exclusively: fn calls nothing of the space. S2_EUNSUP: the geometry does not
 * track `what`; S2_EINVAL: unaligned, wrapping, or beyond the IPA size; S2_EDYING. */
S2_NODISCARD enum s2_err s2_space_harvest(struct s2_space *sp, struct s2_ipa_range range, unsigned what, s2_leaf_fn *fn,
                                          void *arg);

/* --- sharing (share.h has the states) ------------------------------------------------------------------------------- */

/* Offers memory of this VM to others, by what `o` says. All of it must lie in one alloc or linear area of RAM, normal memory, that
 * allows what is offered; lazy memory is populated first. Shared: the owner's area becomes one of kind "shared", mapped as it was.
 * Lent: it stays as a placeholder without rights, and nothing is mapped there. Donated: it goes. Where the call returns, translations
 * are flushed. Errors: s2_share_begin's and s2_share_add's, a map's and an unmap's; S2_EPERM: not memory of that kind, or a donation
 * of memory at a chosen place; S2_ENOENT: in part in no area. */
S2_NODISCARD enum s2_err s2_space_share(struct s2_space *sp, const struct s2_offer *o, uint32_t *handle,
                                        struct s2_detail *d);
/* Maps what was offered to this VM, at an address where nothing is: an area of kind "shared" with rights that were offered, or for
 * a donation one of kind "alloc" that is this VM's own and counts in its quota. Errors: s2_share_take_begin's, a map's; S2_EALIGN:
 * also frames that this space's granule cannot map; S2_EPERM: also a donation from another allocator than cfg.frames. */
S2_NODISCARD enum s2_err s2_space_retrieve(struct s2_space *sp, uint32_t handle, s2_ipa at, uint8_t rights,
                                           uint16_t name, struct s2_detail *d);
/* The borrower gives it up: unmapped and flushed. It may be retrieved again while it is offered. S2_ENOENT: does not hold it. */
S2_NODISCARD enum s2_err s2_space_relinquish(struct s2_space *sp, uint32_t handle, struct s2_detail *d);
/* The same, whatever the borrower thinks; nothing when it does not hold it. Never fails, and when it returns no CPU reaches the
 * memory through this space, be it dying or not. */
void s2_space_revoke(struct s2_space *sp, uint32_t handle);
/* The owner ends it: s2_share_end_begin; then whoever calls revokes each borrower, and s2_space_reclaim closes it: the memory is
 * where it was, as it was; of a donation that was being scrubbed, a part is zero. S2_EBUSY while somebody holds it or it is being
 * scrubbed, S2_EEXIST when something else is at its place now, else a map's errors; then it stays ending, and may be tried again. */
S2_NODISCARD enum s2_err s2_space_reclaim(struct s2_space *sp, uint32_t handle, struct s2_detail *d);

/* --- access, context, life ----------------------------------------------------------------------------------------- */

/* Copies through windows, populating lazy memory; every byte must lie in areas that have `need` (S2_R, S2_W; 0: the
 * loader's right, whatever the area allows, but what another lets the VM only read), in frames that are RAM by the ledger. All or nothing
 * as to checks; S2_EPERM, S2_ENOENT. Written memory is cleaned to the point of coherency; `code`: and made visible to instruction fetch.
 * At most one window at a time. */
S2_NODISCARD enum s2_err s2_space_copy_in(struct s2_space *sp, s2_ipa to, const void *from, size_t bytes, uint32_t need,
                                          bool code, struct s2_detail *d);
S2_NODISCARD enum s2_err s2_space_copy_out(struct s2_space *sp, void *to, s2_ipa from, size_t bytes, uint32_t need,
                                           struct s2_detail *d);

/* Interrupts masked: loads VTTBR_EL2 and VTCR_EL2 for this VM on this CPU, with a current VMID. */
void s2_space_load(struct s2_space *sp);

/* Takes the space down, and ends long work (long.h). After begin every operation and fault is refused; a step frees about
 * `budget` frames or table pages and says whether more is left; end gives back the root and the VMID. Never fail. No vCPU
 * may run. Memory of alloc areas goes back, dirty. Frames and devices that the VM was given for linear areas stay the VM's,
 * mapped nowhere, so that it can be built again on them; who gave them scrubs them. What of them is on loan stays lent: whoever has it
 * is to be revoked before; else it is the VM's again once it is scrubbed (s2_share_scrub_step), and cannot be mapped before. A space is not
 * moved between init and end: its shares are charged to it. */
void s2_space_destroy_begin(struct s2_space *sp);
bool s2_space_destroy_step(struct s2_space *sp, uint64_t budget);
void s2_space_destroy_end(struct s2_space *sp);
/* After the end, for a VM that will not come back: one run of what the ledger still shows as its own is given back, RAM dirty
 * to cfg.frames or those joined with it, devices to nobody. False when nothing was left. What a borrower has on loan still is
 * left when it has let go: then once more, and it is scrubbed first, a part in each step. Never fails. */
bool s2_space_disown_step(struct s2_space *sp);

/* --- for people and tools ------------------------------------------------------------------------------------------ */

/* Translation of ipa by the tables. */
bool s2_space_translate(struct s2_space *sp, s2_ipa ipa, struct s2_leaf *out);
unsigned s2_space_walk(struct s2_space *sp, s2_ipa ipa, struct s2_walk_step steps[5]);
/* Every valid leaf that meets range, ascending, with level and attributes, until fn says false. The lock is held shared: fn calls
 * nothing of the space. */
void s2_space_visit(struct s2_space *sp, struct s2_ipa_range range, s2_leaf_fn *fn, void *arg);

struct s2_space_stats {
    uint64_t areas, mapped_bytes;
    struct s2_table_counts table; /* roots among its tables */
    uint64_t table_bytes_per_gib; /* of linked tables, per GiB that leaves map; 0 below a MiB */
    uint32_t table_pages;         /* charged: with the cut reserve and vCPUs' caches */
    uint64_t frames_held, frames_promised;
};
void s2_space_stats(struct s2_space *sp, struct s2_space_stats *out);
/* Of the area that holds ipa; false: none does. */
struct s2_space_area_stats {
    struct s2_area area;
    struct s2_area_stats memory;
    uint64_t leaves[5]; /* by level + 1 */
};
bool s2_space_area_stats(struct s2_space *sp, s2_ipa ipa, struct s2_space_area_stats *out);
/* Leaves by level inside one range, for the areas' table. */
void s2_space_leaves(struct s2_space *sp, struct s2_ipa_range range, uint64_t leaves[5]);

/* Text, line by line without the newline, to `line`. */
typedef void s2_line_fn(void *arg, const char *line);
void s2_space_dump_areas(struct s2_space *sp, s2_line_fn *line, void *arg);
/* Equal leaves in a row are one line, contiguous ones apart. */
void s2_space_dump_tables(struct s2_space *sp, s2_line_fn *line, void *arg);

/* The areas are the truth, the tables their projection: every valid leaf is one that the area tree (with chunks and
 * ledger) would produce; nothing populated is missing; counts, quotas and ledger agree. Null when consistent, else a
 * phrase, with the place in *d. */
const char *s2_space_check(struct s2_space *sp, struct s2_detail *d);

#endif
