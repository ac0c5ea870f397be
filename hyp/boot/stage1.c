/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <boot/stage1.h>

#include <boot/arm.h>
#include <boot/layout.h>
#include <boot/lock.h>
#include <boot/mem.h>

#define ENTRIES      512u
#define LEVELS       4u
#define SPARE_TABLES 12u /* device tree and console, before there is a pool */

#define DESC_VALID    BIT(0)
#define DESC_TABLE    BIT(1) /* or a page, at level 3 */
#define DESC_ATTR(n)  ((uint64_t)(n) << 2)
#define DESC_AP1      BIT(6) /* RES1 at EL2 and EL3; at EL1 it would let EL0 in */
#define DESC_RO       BIT(7)
#define DESC_SH_INNER (UINT64_C(3) << 8)
#define DESC_AF       BIT(10)
#define DESC_PXN      BIT(53) /* RES0 at EL2 and EL3 */
#define DESC_XN       BIT(54)
#define DESC_ADDRESS  (BIT(48) - MEM_PAGE)

/* MAIR: 0 Normal write-back read- and write-allocate; 1 Device-nGnRE */
#define ATTR_NORMAL 0u
#define ATTR_DEVICE 1u
#define MAIR_VALUE  0x04ffu

#define TCR_T0SZ (64u - VA_BITS)
#define TCR_WALK_CACHED                                                                                                \
    ((UINT64_C(1) << 8) | (UINT64_C(1) << 10) | (UINT64_C(3) << 12)) /* write-back, inner shareable */
#define TCR_PS_SHIFT 16
#define TCR_EL1_IPS  32
#define TCR_EL2_RES1 (BIT(31) | BIT(23))
#define PS_48        5u

#define EL(n)           ((n) << 2) /* as CurrentEL reads */
#define MMFR0_TGRAN4(v) (((v) >> 28) & 0xfu)
#define TGRAN_ABSENT    0xfu

extern char image_start[], rodata_start[], data_start[], image_end[]; /* hyp.lds */

struct stage1_regs stage1_regs;

typedef uint64_t table[ENTRIES];
#define PAGES __attribute__((section(".bss.pages"), aligned(4096)))
static PAGES table entry_root, root, hyp_l1, image_l2, image_l3, entry_l1, entry_l2, entry_l3;
static PAGES table spare[SPARE_TABLES];

static unsigned spares_used;
static void *(*page_source)(void);
static uint64_t image_pa;
static uint64_t ap1, xn; /* which bits say so depends on the exception level */
static struct lock map_lock;

static unsigned index_of(uint64_t va, unsigned level)
{
    return (unsigned)(va >> (39u - 9u * level)) & (ENTRIES - 1u);
}

uint64_t stage1_page(uint64_t pa, enum stage1_kind kind)
{
    uint64_t desc = pa | DESC_VALID | DESC_TABLE | DESC_AF | ap1;
    desc |= kind == STAGE1_DEVICE ? DESC_ATTR(ATTR_DEVICE) : DESC_ATTR(ATTR_NORMAL) | DESC_SH_INNER;
    if (kind != STAGE1_TEXT)
        desc |= xn;
    if (kind == STAGE1_TEXT || kind == STAGE1_RODATA)
        desc |= DESC_RO;
    return desc;
}

/* --- with the MMU off: only what is addressed relative to the PC, and physical addresses ----------------------------- */

static uint64_t to_table(const void *physical)
{
    return (uint64_t)(uintptr_t)physical | DESC_VALID | DESC_TABLE;
}

static void map_image(const char *from, const char *to, enum stage1_kind kind)
{
    for (uint64_t pa = (uintptr_t)from; pa < (uintptr_t)to; pa += MEM_PAGE)
        image_l3[(pa - image_pa) / MEM_PAGE] = stage1_page(pa, kind);
}

static uint64_t pa_size(uint64_t mmfr0)
{
    uint64_t ps = mmfr0 & 0xfu;
    return ps > PS_48 ? PS_48 : ps;
}

static void fill_regs(uint64_t current_el, uint64_t mmfr0)
{
    uint64_t ps = pa_size(mmfr0);
    stage1_regs.mair = MAIR_VALUE;
    stage1_regs.tcr = TCR_T0SZ | TCR_WALK_CACHED;
    if (current_el == EL(1))
        stage1_regs.tcr |= TCR_EL1_EPD1 | ps << TCR_EL1_IPS;
    else
        stage1_regs.tcr |= TCR_EL2_RES1 | ps << TCR_PS_SHIFT;
    stage1_regs.sctlr = SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_SA | SCTLR_WXN;
    stage1_regs.sctlr |= current_el == EL(1) ? SCTLR_EL1_RES1 : SCTLR_EL2_RES1;
    stage1_regs.entry_root = (uintptr_t)entry_root;
    stage1_regs.root = (uintptr_t)root;
}

const struct stage1_regs *stage1_build(uint64_t pa, uint64_t current_el)
{
    uint64_t mmfr0 = reg_read(id_aa64mmfr0_el1);
    if (MMFR0_TGRAN4(mmfr0) == TGRAN_ABSENT || pa >= VA_IMAGE || pa % MEM_PAGE != 0)
        return NULL;
    image_pa = pa;
    ap1 = current_el == EL(1) ? 0 : DESC_AP1;
    xn = current_el == EL(1) ? DESC_XN | DESC_PXN : DESC_XN;

    map_image(image_start, rodata_start, STAGE1_TEXT);
    map_image(rodata_start, data_start, STAGE1_RODATA);
    map_image(data_start, image_end, STAGE1_DATA);
    image_l2[0] = to_table(image_l3);
    hyp_l1[index_of(VA_IMAGE, 1)] = to_table(image_l2);
    root[index_of(VA_IMAGE, 0)] = to_table(hyp_l1);

    entry_root[index_of(VA_IMAGE, 0)] = to_table(hyp_l1);
    entry_root[index_of(pa, 0)] = to_table(entry_l1);
    entry_l1[index_of(pa, 1)] = to_table(entry_l2);
    entry_l2[index_of(pa, 2)] = to_table(entry_l3);
    entry_l3[index_of(pa, 3)] = stage1_page(pa, STAGE1_TEXT);

    fill_regs(current_el, mmfr0);
    return &stage1_regs;
}

/* --- with the MMU on --------------------------------------------------------------------------------------------------- */

void stage1_set_source(void *(*page)(void))
{
    page_source = page;
}

static uint64_t *new_table(void)
{
    if (page_source != NULL)
        return page_source();
    return spares_used < SPARE_TABLES ? spare[spares_used++] : NULL;
}

/* The addresses that tables are reached at: those of the image by their place, all others are in the pool. */
static uint64_t *table_at(uint64_t desc)
{
    uint64_t pa = desc & DESC_ADDRESS;
    uint64_t bytes = (uintptr_t)image_end - (uintptr_t)image_start;
    return pa - image_pa < bytes ? (uint64_t *)(VA_IMAGE + (pa - image_pa)) : mem_pool_va(pa);
}

/* The table below `slot`, made when it is not there. The zeroed page is seen before the link to it. */
static uint64_t *table_below(uint64_t *slot)
{
    if (*slot != 0)
        return table_at(*slot);
    uint64_t *below = new_table();
    if (below == NULL)
        return NULL;
    dsb(ishst);
    *(volatile uint64_t *)slot = mem_pa(below) | DESC_VALID | DESC_TABLE;
    return below;
}

/* One leaf at va; returns what it covers, 0 when there is no table for it. */
static uint64_t map_one(uint64_t va, uint64_t pa, uint64_t bytes, enum stage1_kind kind)
{
    uint64_t *t = root;
    for (unsigned level = 0; level < LEVELS - 2; level++) {
        t = table_below(&t[index_of(va, level)]);
        if (t == NULL)
            return 0;
    }
    uint64_t *slot = &t[index_of(va, LEVELS - 2)];
    if (((va | pa) & (MEM_WINDOW - 1)) == 0 && bytes >= MEM_WINDOW && *slot == 0) {
        *(volatile uint64_t *)slot = stage1_page(pa, kind) & ~DESC_TABLE;
        return MEM_WINDOW;
    }
    t = table_below(slot);
    if (t == NULL)
        return 0;
    *(volatile uint64_t *)&t[index_of(va, LEVELS - 1)] = stage1_page(pa, kind);
    return MEM_PAGE;
}

bool stage1_map(uint64_t va, uint64_t pa, size_t bytes, enum stage1_kind kind)
{
    uint64_t done = 0;
    lock_take(&map_lock);
    while (done < bytes) {
        uint64_t step = map_one(va + done, pa + done, bytes - done, kind);
        if (step == 0)
            break;
        done += step;
    }
    lock_drop(&map_lock);
    dsb(ishst); /* invalid to valid: no invalidation (Arm ARM D8.14.1) */
    isb();
    return done >= bytes;
}

bool stage1_make_cpu(struct stage1_cpu *cpu)
{
    uint64_t *l1 = new_table();
    uint64_t *l2 = new_table();
    cpu->root = new_table();
    cpu->pages[0] = new_table();
    cpu->pages[1] = new_table();
    if (cpu->root == NULL || l1 == NULL || l2 == NULL || cpu->pages[0] == NULL || cpu->pages[1] == NULL)
        return false;
    for (unsigned i = 0; i < MEM_WINDOWS; i++)
        l2[i] = mem_pa(cpu->pages[i]) | DESC_VALID | DESC_TABLE;
    l1[0] = mem_pa(l2) | DESC_VALID | DESC_TABLE;
    cpu->root[index_of(VA_IMAGE, 0)] = root[index_of(VA_IMAGE, 0)];
    cpu->root[index_of(VA_WINDOWS, 0)] = mem_pa(l1) | DESC_VALID | DESC_TABLE;
    dsb(ishst);
    return true;
}

void stage1_use_cpu(const struct stage1_cpu *cpu)
{
    reg_write(ttbr0_el2, mem_pa(cpu->root));
    isb();
    __asm__ volatile("tlbi alle2" : : : "memory");
    dsb(nsh);
    isb();
}

uint64_t stage1_image_pa(void)
{
    return image_pa;
}

uint64_t stage1_pa_limit(void)
{
    static const uint8_t bits[] = {32, 36, 40, 42, 44, 48}; /* ID_AA64MMFR0_EL1.PARange */
    return BIT(bits[pa_size(reg_read(id_aa64mmfr0_el1))]);
}

#ifdef CONFIG_AUDIT

static void tell_leaf(uint64_t va, uint64_t desc, uint64_t bytes, bool window, stage1_leaf_fn *fn, void *arg)
{
    const struct stage1_leaf leaf = {
        va, desc & DESC_ADDRESS & ~(bytes - 1), bytes, (desc & DESC_RO) == 0, (desc & xn) != xn, window};
    fn(arg, &leaf);
}

/* Bounded by the number of levels. Under the lock of who maps more. */
static void visit_table(const uint64_t *t, uint64_t va, unsigned level, stage1_leaf_fn *fn, void *arg)
{
    uint64_t bytes = MEM_PAGE << 9 * (LEVELS - 1 - level);
    for (unsigned i = 0; i < ENTRIES; i++, va += bytes) {
        if ((t[i] & DESC_VALID) == 0)
            continue;
        if (level < LEVELS - 1 && (t[i] & DESC_TABLE) != 0)
            visit_table(table_at(t[i]), va, level + 1, fn, arg);
        else
            tell_leaf(va, t[i], bytes, false, fn, arg);
    }
}

void stage1_visit(stage1_leaf_fn *fn, void *arg)
{
    unsigned own = index_of(VA_IMAGE, 0), entry = index_of(image_pa, 0);
    uint64_t bytes = MEM_PAGE << 9 * (LEVELS - 1);
    lock_take(&map_lock);
    visit_table(table_at(root[own]), own * bytes, 1, fn, arg);
    if (entry_root[entry] != 0)
        visit_table(table_at(entry_root[entry]), entry * bytes, 1, fn, arg);
    lock_drop(&map_lock);
}

void stage1_visit_windows(const struct stage1_cpu *cpu, stage1_leaf_fn *fn, void *arg)
{
    for (unsigned w = 0; w < MEM_WINDOWS; w++)
        for (unsigned i = 0; i < ENTRIES; i++)
            if ((cpu->pages[w][i] & DESC_VALID) != 0)
                tell_leaf(VA_WINDOWS + w * MEM_WINDOW + i * MEM_PAGE, cpu->pages[w][i], MEM_PAGE, true, fn, arg);
}

#endif
