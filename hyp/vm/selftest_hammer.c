/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Edits the memory that guest/hammer touches from four CPUs, from a fifth: takes pieces away and gives them back, protects and
 * unprotects them, which splits blocks, and lets them be promoted again. What the guest meets in between it tries again. Region
 * `kept` is never taken away. At the end everything is as it was, and a word in the last place of kept's first page is set. */
#ifdef CONFIG_SELFTEST_HAMMER

#include <boot/boot.h>
#include <boot/print.h>
#include <cpu/cpu.h>

#include <string.h>

#include "vm/vm.h"

enum {
    EDITS = 240,
    CHECK_EVERY = 20,
    WHOLE_EVERY = 40, /* all of `taken` goes, so that its pieces do not get ever smaller */
    MOST_PAUSE = 1000,
    BLOCK_LEVEL = 2,
    LEVELS = 5,
};

static struct {
    struct vm *vm;
    const struct manifest_region *kept, *taken;
    uint64_t seed, random;
    unsigned most, edits, unmapped, protected, split, promoted, refused, checks;
    uint64_t retried, late; /* by all CPUs */
    const char *wrong;
    bool ended;
} hammer;

static uint64_t draw(uint64_t below)
{
    hammer.random = hammer.random * 6364136223846793005ull + 1442695040888963407ull;
    return (hammer.random >> 33) % below;
}

static void pause(void)
{
    for (uint64_t n = draw(MOST_PAUSE); n > 0; n--)
        lock_relax();
}

/* --- edits ---------------------------------------------------------------------------------------------------------- */

static struct s2_ipa_range whole(const struct manifest_region *r)
{
    return (struct s2_ipa_range){S2_IPA(r->ipa), S2_IPA(r->ipa + r->size)};
}

/* Pages anywhere, a run of sixteen, or a block; of any of these sizes, aligned to it or not. */
static struct s2_ipa_range piece(const struct manifest_region *r)
{
    uint64_t granule = s2_granule_bytes(&hammer.vm->space.cfg.geometry);
    uint64_t size = granule << (uint64_t[]){0, 0, 2, 4, 4, 9}[draw(6)], align = draw(2) ? size : granule;
    uint64_t start = r->ipa + draw((r->size - size) / align + 1) * align;
    return (struct s2_ipa_range){S2_IPA(start), S2_IPA(start + size)};
}

static uint64_t blocks(const struct manifest_region *r)
{
    uint64_t leaves[LEVELS];
    s2_space_leaves(&hammer.vm->space, whole(r), leaves);
    return leaves[BLOCK_LEVEL + 1];
}

/* Fewer than before: some were promoted, for nothing of `kept` is ever taken away. */
static uint64_t pages_kept(void)
{
    uint64_t leaves[LEVELS];
    s2_space_leaves(&hammer.vm->space, whole(hammer.kept), leaves);
    return leaves[LEVELS - 1];
}

struct change {
    uint32_t clear, set;
};

static bool change_attr(void *arg, const struct s2_area *area, s2_attr *attr)
{
    const struct change *c = arg;
    (void)area;
    attr->bits = (attr->bits & ~c->clear) | c->set;
    return true;
}

static bool protect(struct s2_ipa_range range, struct change c)
{
    struct s2_detail d;
    return s2_space_protect(&hammer.vm->space, range, change_attr, &c, &d) == S2_OK;
}

/* Under the guest's hands, and back. */
static void edit_attr(const struct manifest_region *r)
{
    const uint32_t bits = draw(2) ? S2_W : S2_X | S2_UX;
    struct s2_ipa_range range = piece(r);
    uint64_t before = blocks(r), after;
    bool done = protect(range, (struct change){bits, 0});
    if (!done) {
        hammer.refused++;
        return;
    }
    after = blocks(r);
    hammer.protected ++;
    hammer.split += before > after;
    pause();
    uint64_t pages = pages_kept();
    while (!protect(range, (struct change){0, bits})) /* may lack nodes until other areas are whole again */
        (void)protect(whole(r), (struct change){0, S2_RWX | S2_UX});
    hammer.promoted += pages_kept() < pages;
}

static bool give_back(struct s2_ipa_range range)
{
    struct s2_detail d;
    struct s2_area area = {
        .range = range,
        .backend = &s2_backend_alloc,
        .attr = S2_ATTR(S2_RWX | S2_UX),
        .name = (uint16_t)(VM_NAME_REGION + (hammer.taken - hammer.vm->cfg->region)),
        .flags = S2_AREA_LAZY,
    };
    return s2_space_map(&hammer.vm->space, &area, S2_MAP_NEW, &d) == S2_OK;
}

static void edit_map(struct s2_ipa_range range)
{
    struct s2_detail d;
    uint64_t before = blocks(hammer.taken), after;
    if (s2_space_unmap(&hammer.vm->space, range, &d) != S2_OK) {
        hammer.refused++;
        return;
    }
    after = blocks(hammer.taken);
    hammer.unmapped++;
    hammer.split += before > after && range.end.v - range.start.v < 1u << 21;
    pause();
    while (!give_back(range)) { /* for want of nodes: then all of it */
        range = whole(hammer.taken);
        hammer.refused += 1u + (s2_space_unmap(&hammer.vm->space, range, &d) != S2_OK);
    }
}

static void promote(void)
{
    uint64_t before = pages_kept();
    while (s2_space_promote_step(&hammer.vm->space, S2_PROMOTE_BUDGET)) {
    }
    hammer.promoted += pages_kept() < before;
}

static void check(void)
{
    struct s2_detail d = {.err = S2_OK};
    const char *wrong = s2_space_check(&hammer.vm->space, &d);
    hammer.checks++;
    if (wrong == NULL || hammer.wrong != NULL)
        return;
    hammer.wrong = wrong;
    print("bulkhead: vm %s: edit %u: the space %s\n", hammer.vm->name, hammer.edits, wrong);
}

/* --- begin and end -------------------------------------------------------------------------------------------------- */

static const struct manifest_region *region(const struct manifest_vm *cfg, const char *name)
{
    for (unsigned i = 0; i < cfg->regions; i++)
        if (strcmp(cfg->region[i].name, name) == 0)
            return &cfg->region[i];
    return NULL;
}

static void begin(void)
{
    for (unsigned i = 0; i < vm_count() && hammer.vm == NULL; i++) {
        struct vm *vm = vm_at(i);
        if (vm == NULL || vm->state != VM_RUNNING || vm->power[vm->vcpus - 1] != POWER_ON)
            continue;
        hammer.kept = region(vm->cfg, "kept");
        hammer.taken = region(vm->cfg, "taken");
        if (hammer.kept == NULL || hammer.taken == NULL)
            continue;
        hammer.seed = boot_number("seed", cpu_ticks() & 0xffffff);
        hammer.most = (unsigned)boot_number("edits", EDITS);
        hammer.random = hammer.seed;
        __atomic_store_n(&hammer.vm, vm, __ATOMIC_RELEASE);
        print("bulkhead: vm %s: hammered by CPU %u, seed %lu\n", vm->name, this_cpu()->index,
              (unsigned long)hammer.seed);
    }
}

static void end(void)
{
    const uint64_t word = 1, page = s2_granule_bytes(&hammer.vm->space.cfg.geometry);
    struct s2_detail d;
    uint64_t faults = 0;
    s2_space_promotion(&hammer.vm->space, true);
    promote();
    check();
    for (unsigned i = 0; i < hammer.vm->vcpus; i++)
        faults += hammer.vm->vcpu[i].exits[EXITS_DATA_ABORT] + hammer.vm->vcpu[i].exits[EXITS_INSN_ABORT];
    print("bulkhead: vm %s: seed %lu: %u edits, %u refused: %u unmapped, %u protected, %u split, %u promoted\n",
          hammer.vm->name, (unsigned long)hammer.seed, hammer.edits, hammer.refused, hammer.unmapped, hammer.protected,
          hammer.split, hammer.promoted);
    print("bulkhead: vm %s: %lu faults, of these %lu late and %lu tried again; %u checks: %s\n", hammer.vm->name,
          (unsigned long)faults, (unsigned long)hammer.late, (unsigned long)hammer.retried, hammer.checks,
          hammer.wrong == NULL ? "consistent" : hammer.wrong);
    hammer.ended = true;
    if (s2_space_copy_in(&hammer.vm->space, S2_IPA(hammer.kept->ipa + page - sizeof(word)), &word, sizeof(word), 0,
                         false, &d) != S2_OK)
        print("bulkhead: vm %s: cannot be told\n", hammer.vm->name);
}

bool selftest_hammer_step(void)
{
    if (this_cpu()->index + 1 != cpu_count() || hammer.ended)
        return false;
    if (hammer.vm == NULL) {
        begin();
        return true;
    }
    hammer.edits++;
    if (hammer.edits % WHOLE_EVERY == 0)
        edit_map(whole(hammer.taken));
    else if (draw(2))
        edit_map(piece(hammer.taken));
    else
        edit_attr(draw(2) ? hammer.taken : hammer.kept);
    s2_space_promotion(&hammer.vm->space, draw(4) != 0);
    if (draw(4) == 0)
        promote();
    if (hammer.edits % CHECK_EVERY == 0)
        check();
    if (hammer.edits == hammer.most)
        end();
    return true;
}

/* --- the guest's faults ---------------------------------------------------------------------------------------------- */

static bool inside(const struct vcpu *v, const struct s2_fault *f)
{
    const struct vm *vm = __atomic_load_n(&hammer.vm, __ATOMIC_ACQUIRE);
    if (vm != v->vm || !f->has_ipa)
        return false;
    return f->ipa.v - hammer.kept->ipa < hammer.kept->size || f->ipa.v - hammer.taken->ipa < hammer.taken->size;
}

void selftest_hammer_fault(const struct vcpu *v, const struct s2_fault *f)
{
    struct s2_leaf leaf;
    if (inside(v, f) && f->kind == S2_FAULT_TRANSLATION && s2_space_translate(v->space, f->ipa, &leaf))
        __atomic_fetch_add(&hammer.late, 1, __ATOMIC_RELAXED);
}

bool selftest_hammer_retry(const struct vcpu *v, const struct s2_fault *f, enum s2_violation why)
{
    bool again = inside(v, f) && (why == S2_NO_AREA || why == S2_NO_PERMISSION);
    if (again)
        __atomic_fetch_add(&hammer.retried, 1, __ATOMIC_RELAXED);
    return again;
}

#else
typedef int selftest_hammer_is_off; /* ISO C wants something in every file */
#endif
