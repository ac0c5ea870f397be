/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What arch/arm64/kvm/hyp/pgtable.c and its header ask of the kernel around them, for one thread on this machine. Each
 * header that they include becomes one line that includes this file (kvm.mk).
 *
 * The peer gets the best terms: invalidations and barriers are counted and nothing else, no atomic reference counts, warnings
 * that cost their condition only, calls to EL2 that are no calls. */
#ifndef BENCH_KVM_SHIM_H
#define BENCH_KVM_SHIM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef u64 phys_addr_t;

struct kvm_counts {
    uint64_t tlbi, dsb;
};
extern struct kvm_counts kvm_counts;

/* --- arithmetic, compiler ------------------------------------------------------------------------------------------ */

#define CONFIG_ARM64_4K_PAGES 1

#define BIT(n)                  (1ull << (n))
#define GENMASK(high, low)      ((~0ull << (low)) & (~0ull >> (63 - (high))))
#define FIELD_SHIFT(mask)       __builtin_ctzll(mask)
#define FIELD_PREP(mask, value) (((u64)(value) << FIELD_SHIFT(mask)) & (mask))
#define FIELD_GET(mask, reg)    (((reg) & (mask)) >> FIELD_SHIFT(mask))

#define IS_ALIGNED(x, a) (((x) & ((a)-1)) == 0)
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define PAGE_ALIGN(x)    ALIGN_DOWN((x) + PAGE_SIZE - 1, PAGE_SIZE)

#define READ_ONCE(x)            (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)        ((void)(*(volatile __typeof__(x) *)&(x) = (v)))
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define WARN_ON(bad)            (__builtin_expect(!!(bad), 0))
#define WARN_ON_ONCE(bad)       WARN_ON(bad)

/* --- 4K pages, four levels ---------------------------------------------------------------------------------------- */

#define PAGE_SHIFT                      12
#define PAGE_SIZE                       (1ull << PAGE_SHIFT)
#define PTRS_PER_PTE                    512
#define ARM64_HW_PGTABLE_LEVELS(bits)   (((bits)-4) / (PAGE_SHIFT - 3))
#define ARM64_HW_PGTABLE_LEVEL_SHIFT(n) ((PAGE_SHIFT - 3) * (4 - (n)) + 3)

/* --- CPU: 48 bits of PA, FWB, 16-bit VMIDs -------------------------------------------------------------------------- */

enum { ARM64_HAS_STAGE2_FWB, ARM64_WORKAROUND_AMPERE_AC03_CPU_38 };
#define cpus_have_const_cap(cap) ((cap) == ARM64_HAS_STAGE2_FWB)
#define cpus_have_final_cap(cap) cpus_have_const_cap(cap)

#define ID_AA64MMFR0_EL1_PARANGE_SHIFT                0
#define ID_AA64MMFR0_EL1_PARANGE_MAX                  5 /* 48 bits */
#define id_aa64mmfr0_parange_to_phys_shift(parange)   ((parange) == 5 ? 48 : 0)
#define cpuid_feature_extract_unsigned_field(reg, at) ((reg) >> (at)&15)
#define get_vmid_bits(mmfr1)                          16

/* Fields of VTCR_EL2. */
#define VTCR_EL2_FLAGS               0x80003500ull
#define VTCR_EL2_PS_SHIFT            16
#define VTCR_EL2_T0SZ(bits)          (64ull - (bits))
#define VTCR_EL2_IPA(vtcr)           (64 - ((vtcr)&63))
#define VTCR_EL2_SL0_MASK            (3ull << 6)
#define VTCR_EL2_TGRAN_SL0_BASE      2ull
#define VTCR_EL2_LVLS_TO_SL0(levels) ((VTCR_EL2_TGRAN_SL0_BASE - (4 - (levels))) << 6)
#define VTCR_EL2_VS_16BIT            (1ull << 19)
#define VTCR_EL2_VS_8BIT             0ull

/* Memory types: the index of a stage-1 attribute (EL2's own tables, which nobody asks for here), MemAttr of stage 2. */
enum { MT_NORMAL, MT_DEVICE_nGnRE };
#define S2_NORMAL(fwb)             ((fwb) ? 6 : 15)
#define S2_DEVICE_nGnRE(fwb)       1
#define PAGE_S2_MEMATTR(type, fwb) ((u64)S2_##type(fwb) << 2)

/* --- invalidation: what arch/arm64/kvm/hyp/vhe/tlb.c and nvhe/tlb.c issue ---------------------------------------- */

#define dsb(domain) ((void)kvm_counts.dsb++)
#define isb()       ((void)0)

struct kvm_arch {
    u64 vtcr;
};
struct kvm_s2_mmu {
    struct kvm_pgtable *pgt;
    struct kvm_arch *arch;
};

/* DSB ISHST; TLBI IPAS2E1IS; DSB ISH; TLBI VMALLE1IS; DSB ISH */
static inline void __kvm_tlb_flush_vmid_ipa(struct kvm_s2_mmu *mmu, phys_addr_t ipa, int level)
{
    (void)mmu, (void)ipa, (void)level;
    kvm_counts.tlbi += 2;
    kvm_counts.dsb += 3;
}
/* DSB ISHST; TLBI VMALLS12E1IS; DSB ISH */
static inline void __kvm_tlb_flush_vmid(struct kvm_s2_mmu *mmu)
{
    (void)mmu;
    kvm_counts.tlbi += 1;
    kvm_counts.dsb += 2;
}
#define kvm_call_hyp(fn, ...) fn(__VA_ARGS__)

/* Of EL2's own tables. */
#define __TLBI_VADDR(va, asid)        (va)
#define __tlbi_level(op, addr, level) ((void)kvm_counts.tlbi++)
#define __tlbi_sync_s1ish_hyp()       dsb(ish)

#endif
