/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* KVM's stage-2 engine. Pages come zeroed from a free list, as from a vCPU's cache; their reference counts stand in a record
 * of 64 bytes each, as in struct page. */
#include <shim.h>
#include <asm/kvm_pgtable.h>
#include <linux_version.h>

#include <stdlib.h>
#include <string.h>

#include "bench/table/subject.h"

struct kvm_counts kvm_counts;

enum { NO_PAGE = UINT32_MAX, ROOT_PAGES = 2 };

struct page_record {
    int refs;
    uint32_t next;
    uint64_t more[7];
};

struct kvm {
    struct kvm_pgtable pgt;
    struct kvm_s2_mmu mmu;
    struct kvm_arch arch;
    struct arena *a;
    struct page_record *page;
    uint32_t free, used;
    struct kvm_counts from;
};

/* The callbacks are not told whose page it is. */
static struct kvm *current;

static inline uint32_t index_of(const void *addr)
{
    return (uint32_t)(((const unsigned char *)addr - current->a->host) / PAGE);
}
static void *page_at(uint32_t index)
{
    return current->a->host + index * PAGE;
}

static void *zalloc_page(void *arg)
{
    uint32_t index = current->free;

    (void)arg;
    if (index == NO_PAGE)
        return NULL;
    current->free = current->page[index].next;
    current->page[index].refs = 1;
    current->used++;
    return memset(page_at(index), 0, PAGE);
}
/* The root, aligned to its size: the first pages of the arena, which no list has. */
static void *zalloc_pages_exact(size_t size)
{
    if (size != ROOT_PAGES * PAGE)
        return NULL;
    current->used += ROOT_PAGES;
    return memset(page_at(0), 0, size);
}
static void free_pages_exact(void *addr, size_t size)
{
    (void)addr;
    current->used -= (uint32_t)(size / PAGE);
}
static void get_page(void *addr)
{
    current->page[index_of(addr)].refs++;
}
static void put_page(void *addr)
{
    uint32_t index = index_of(addr);

    /* The root's own count never falls to nothing here. */
    if (--current->page[index].refs || index < ROOT_PAGES)
        return;
    current->page[index].next = current->free;
    current->free = index;
    current->used--;
}
static int page_count(void *addr)
{
    return current->page[index_of(addr)].refs;
}
static void *phys_to_virt(phys_addr_t pa)
{
    return arena_table(current->a, pa);
}
static phys_addr_t virt_to_phys(void *addr)
{
    return ARENA_PA + (phys_addr_t)((unsigned char *)addr - current->a->host);
}

static struct kvm_pgtable_mm_ops mm_ops = {
    .zalloc_page = zalloc_page,
    .zalloc_pages_exact = zalloc_pages_exact,
    .free_pages_exact = free_pages_exact,
    .get_page = get_page,
    .put_page = put_page,
    .page_count = page_count,
    .phys_to_virt = phys_to_virt,
    .virt_to_phys = virt_to_phys,
};

static void *subject_create(struct arena *a, enum sequence seq)
{
    struct kvm *k;

    if (seq == SEQ_DIRTY)
        return NULL; /* its dirty state is software's */
    k = calloc(1, sizeof(*k));
    if (!k || !(k->page = calloc(a->pages, sizeof(*k->page))))
        abort();
    k->a = a;
    k->free = ROOT_PAGES;
    for (uint32_t i = 0; i < a->pages; i++)
        k->page[i].next = i + 1 < a->pages ? i + 1 : NO_PAGE;
    k->arch.vtcr = kvm_get_vtcr(ID_AA64MMFR0_EL1_PARANGE_MAX, 0, IPA_BITS);
    k->mmu = (struct kvm_s2_mmu){&k->pgt, &k->arch};
    k->from = kvm_counts;
    current = k;
    if (kvm_pgtable_stage2_init(&k->pgt, &k->mmu, &mm_ops))
        abort();
    return k;
}

static void subject_release(void *s)
{
    struct kvm *k = s;

    free(k->page);
    free(k);
}

static unsigned subject_map(void *s, const struct jobs *jobs)
{
    struct kvm *k = s;
    unsigned done = 0;

    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];

        work_isolate();
        done += !kvm_pgtable_stage2_map(&k->pgt, j->ipa, j->bytes, j->pa, KVM_PGTABLE_PROT_RW, k);
    }
    return done;
}

static unsigned subject_unmap(void *s, const struct jobs *jobs)
{
    struct kvm *k = s;
    unsigned done = 0;

    for (unsigned i = 0; i < jobs->n; i++) {
        work_isolate();
        done += !kvm_pgtable_stage2_unmap(&k->pgt, jobs->job[i].ipa, jobs->job[i].bytes);
    }
    return done;
}

/* One page of a block: KVM replaces the block by a table with that page alone, and the guest faults on the rest of it; here
 * the rest is mapped at once, so that all end with the same. */
static bool change_in_block(struct kvm *k, const struct job *j)
{
    uint64_t before = j->ipa % BLOCK, after = BLOCK - before - PAGE;

    return !kvm_pgtable_stage2_map(&k->pgt, j->ipa, PAGE, j->pa, KVM_PGTABLE_PROT_R, k) &&
           (!before ||
            !kvm_pgtable_stage2_map(&k->pgt, j->ipa - before, before, j->pa - before, KVM_PGTABLE_PROT_RW, k)) &&
           (!after || !kvm_pgtable_stage2_map(&k->pgt, j->ipa + PAGE, after, j->pa + PAGE, KVM_PGTABLE_PROT_RW, k));
}

static unsigned subject_protect(void *s, const struct jobs *jobs)
{
    struct kvm *k = s;
    unsigned done = 0;

    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];

        work_isolate();
        if (j->bytes < BLOCK) {
            done += change_in_block(k, j);
            continue;
        }
        done += !kvm_pgtable_stage2_wrprotect(&k->pgt, j->ipa, j->bytes);
        __kvm_tlb_flush_vmid(&k->mmu); /* kvm_flush_remote_tlbs */
    }
    return done;
}

static uint64_t subject_lookup(void *s, const uint64_t *ipa, unsigned n, const uint64_t *zero)
{
    struct kvm *k = s;
    uint64_t sum = 0, pa = 0;

    for (unsigned i = 0; i < n; i++) {
        kvm_pte_t pte;

        kvm_pgtable_get_leaf(&k->pgt, ipa[i] + (pa & *zero), &pte, NULL);
        pa = kvm_pte_to_phys(pte);
        sum += pa;
    }
    return sum;
}

static void subject_destroy(void *s)
{
    struct kvm *k = s;

    kvm_pgtable_stage2_destroy(&k->pgt);
}

static void subject_account(void *s, struct account *out)
{
    const struct kvm *k = s;

    *out = (struct account){.root = ARENA_PA,
                            .pages = k->used,
                            .tlbi = kvm_counts.tlbi - k->from.tlbi,
                            .dsb = kvm_counts.dsb - k->from.dsb};
}

const struct subject subject_kvm = {
    .name = "KVM",
    .what = "KVM's pgtable.c of Linux " LINUX_VERSION ", plain reference counts; W7 maps the rest of the block again",
    .counts = true,
    .create = subject_create,
    .release = subject_release,
    .map = subject_map,
    .fault = subject_map,
    .unmap = subject_unmap,
    .protect = subject_protect,
    .lookup = subject_lookup,
    .destroy = subject_destroy,
    .account = subject_account,
};
