/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "model_arch.h"

#include <stddef.h>

static uint64_t field(uint64_t value, unsigned high, unsigned low)
{
    return (value >> low) & ((2ull << (high - low)) - 1);
}

static uint64_t bits(unsigned high, unsigned low)
{
    return ((2ull << (high - low)) - 1) << low;
}

static bool bit(uint64_t value, unsigned at)
{
    return (value >> at) & 1;
}

/* --- VTCR_EL2 (D19.2.156) and VTTBR_EL2 (D19.2.157) -------------------------------------------------------------- */

static const unsigned ps_bits[8] = {32, 36, 40, 42, 44, 48, 52, 0};

static const char *granule_of(const struct s2_caps *c, uint64_t vtcr, struct arch_regime *r)
{
    static const unsigned tg0[4] = {12, 16, 14, 0};
    r->granule = tg0[field(vtcr, 15, 14)];
    r->stride = r->granule - 3;
    if ((r->granule == 12 && c->gran4k) || (r->granule == 14 && c->gran16k) || (r->granule == 16 && c->gran64k))
        return NULL;
    return "VTCR_EL2.TG0 names a granule that this CPU lacks";
}

/* The start level for each SL0 value; 99: reserved. SL2 (with DS) moves 4K to level -1. */
static const char *start_of(const struct s2_caps *c, uint64_t vtcr, struct arch_regime *r)
{
    enum { RESERVED = 99 };
    static const int level[3][4] = {{2, 1, 0, 3}, {3, 2, 1, 0}, {3, 2, 1, RESERVED}};
    uint64_t sl0 = field(vtcr, 7, 6);
    r->start = level[(r->granule - 12) / 2][sl0];
    if (bit(vtcr, 33)) { /* SL2 */
        if (!r->ds || r->granule != 12 || sl0 != 0)
            return "VTCR_EL2.SL2 is set where it is RES0";
        r->start = ARCH_FIRST_LEVEL;
    }
    if (r->start == RESERVED || (r->granule == 14 && r->start == 0 && !r->ds) ||
        (r->granule == 12 && r->start == 3 && !c->small_va))
        return "VTCR_EL2.SL0 is reserved here";
    /* D8-8, D8-9: the first of the long start levels need a CPU with a large PA. */
    if ((r->granule == 12 && r->start <= 0 && c->pa_bits < 44) ||
        (r->granule == 14 && r->start <= 1 && c->pa_bits < 42) ||
        (r->granule == 16 && r->start <= 1 && c->pa_bits < 44))
        return "VTCR_EL2.SL0 asks for a start level that this PA size does not have";
    return NULL;
}

static const char *size_of(const struct s2_caps *c, uint64_t vtcr, struct arch_regime *r)
{
    unsigned t0sz = (unsigned)field(vtcr, 5, 0);
    unsigned most = r->ds || (r->granule == 16 && c->pa_bits == 52) ? 52 : 48;
    unsigned least = c->small_va ? 16 : 25;
    r->ipa_bits = 64 - t0sz;
    if (r->ipa_bits > most || r->ipa_bits < least)
        return "VTCR_EL2.T0SZ is out of range";
    if (r->ipa_bits > c->pa_bits)
        return "VTCR_EL2.T0SZ is beyond the PA size of this CPU";
    unsigned single = arch_shift(r, r->start) + r->stride;
    if (r->ipa_bits <= arch_shift(r, r->start))
        return "VTCR_EL2.SL0 starts at a level that resolves no bit";
    r->roots = r->ipa_bits > single ? 1u << (r->ipa_bits - single) : 1;
    if (r->roots > ARCH_ROOTS_MAX || (r->roots > 1 && r->start == ARCH_FIRST_LEVEL))
        return "VTCR_EL2 concatenates more than 16 tables";
    return NULL;
}

static const char *vtcr_of(const struct arch_machine *m, uint64_t vtcr, struct arch_regime *r)
{
    const struct s2_caps *c = &m->caps;
    uint64_t known = bits(19, 0) | bits(22, 21) | bits(33, 31);
    if (!bit(vtcr, 31) || (vtcr & ~known))
        return "VTCR_EL2 has a RES1 bit clear or a reserved bit set";
    r->ds = bit(vtcr, 32);
    r->ha = bit(vtcr, 21);
    r->hd = bit(vtcr, 22);
    const char *bad = granule_of(c, vtcr, r);
    if (bad)
        return bad;
    if (r->ds && !(r->granule == 12 ? c->lpa2_4k : r->granule == 14 && c->lpa2_16k))
        return "VTCR_EL2.DS without FEAT_LPA2 at this granule";
    if ((r->ha && !c->haf) || (r->hd && (!c->hdbs || !r->ha)))
        return "VTCR_EL2.HA or HD without the feature, or HD without HA";
    unsigned out = ps_bits[field(vtcr, 18, 16)];
    if (!out || out > c->pa_bits)
        return "VTCR_EL2.PS is beyond the PA size of this CPU";
    r->wide64 = r->granule == 16 && out == 52;
    r->pa_bits = out == 52 && !r->ds && !r->wide64 ? 48 : out;
    if (field(vtcr, 13, 12) == 1)
        return "VTCR_EL2.SH0 is reserved";
    /* The tables are written through write-back mappings: walks must be coherent with them. */
    if (!bit(vtcr, 8) || !bit(vtcr, 10) || field(vtcr, 13, 12) != 3)
        return "VTCR_EL2 walks are not inner shareable write-back";
    bad = start_of(c, vtcr, r);
    return bad ? bad : size_of(c, vtcr, r);
}

const char *arch_regime(const struct arch_machine *m, uint64_t vttbr, uint64_t vtcr, struct arch_regime *r)
{
    const char *bad = vtcr_of(m, vtcr, r);
    if (bad)
        return bad;
    if (bit(vtcr, 19) && m->caps.vmid_bits != 16)
        return "VTCR_EL2.VS without 16-bit VMIDs";
    r->vmid = (uint16_t)field(vttbr, 63, 48);
    if (!bit(vtcr, 19) && r->vmid > 255)
        return "VTTBR_EL2 has a VMID above 255 with VTCR_EL2.VS clear";
    if (!r->vmid)
        return "VMID 0 is reserved";
    if (bit(vttbr, 0) && !m->caps.cnp)
        return "VTTBR_EL2.CnP without FEAT_TTCNP";
    r->root = vttbr & bits(47, 1);
    if (r->ds || r->wide64) /* BADDR[5:2] holds bits 51:48 when addresses have 52 bits */
        r->root = (vttbr & bits(47, 6)) | field(vttbr, 5, 2) << 48;
    if (r->root & (((uint64_t)r->roots << r->granule) - 1))
        return "VTTBR_EL2.BADDR is not aligned to the concatenated tables";
    if (r->root >> r->pa_bits)
        return "VTTBR_EL2.BADDR is beyond the PA size";
    return NULL;
}

/* --- descriptors (D8.3) --------------------------------------------------------------------------------------------- */

bool arch_valid(int level, uint64_t desc)
{
    return bit(desc, 0) && (level < ARCH_LAST_LEVEL || bit(desc, 1));
}

static uint64_t address_of(const struct arch_regime *r, uint64_t desc, unsigned low)
{
    unsigned high = r->ds ? 49 : 47;
    uint64_t out = desc & bits(high, low);
    if (r->ds)
        out |= field(desc, 9, 8) << 50;
    if (r->wide64)
        out |= field(desc, 15, 12) << 48;
    return out;
}

struct arch_desc arch_decode(const struct arch_machine *m, const struct arch_regime *r, int level, uint64_t desc)
{
    struct arch_desc d = {.kind = ARCH_INVALID};
    if (!arch_valid(level, desc))
        return d;
    if (level < ARCH_LAST_LEVEL && bit(desc, 1)) {
        d.kind = ARCH_TABLE;
        d.out = address_of(r, desc, r->granule);
        return d;
    }
    d.kind = ARCH_LEAF;
    d.out = address_of(r, desc, arch_shift(r, level));
    d.dbm = bit(desc, 51);
    d.read = bit(desc, 6);
    d.write_now = bit(desc, 7);
    d.write = d.write_now || (d.dbm && r->hd);
    bool xn1 = bit(desc, 54), xn0 = m->caps.xnx && bit(desc, 53);
    d.x_el1 = xn1 == xn0; /* 00 both, 01 EL0 only, 10 neither, 11 EL1 only (D8-45) */
    d.x_el0 = !xn1;
    d.memattr = (unsigned)field(desc, 5, 2);
    d.sh = r->ds ? 3 : (unsigned)field(desc, 9, 8);
    d.af = bit(desc, 10);
    d.contiguous = bit(desc, 52);
    d.nt = level < ARCH_LAST_LEVEL && bit(desc, 16);
    return d;
}

static bool block_allowed(const struct arch_regime *r, int level)
{
    if (level == 2)
        return true;
    if (r->granule == 12)
        return level == 1 || (level == 0 && r->ds);
    return level == 1 && (r->granule == 14 ? r->ds : r->wide64);
}

/* D8.7.1: none at the levels that have blocks only with 52-bit addresses. */
static unsigned run_members(const struct arch_regime *r, int level)
{
    if (r->granule == 12)
        return level >= 1 ? 16 : 0;
    if (r->granule == 14)
        return level == 3 ? 128 : level == 2 ? 32 : 0;
    return level >= 2 ? 32 : 0;
}

unsigned arch_run(const struct arch_regime *r, int level)
{
    unsigned members = run_members(r, level);
    return (uint64_t)members << arch_shift(r, level) > 1ull << r->ipa_bits ? 0 : members;
}

static const char *bad_memattr(const struct arch_machine *m, unsigned memattr)
{
    if (m->fwb) /* MemAttr[3] is 0; [2:0] 0xx device, 101 NC, 110 forced WB, 111 as stage 1 (D8-83) */
        return memattr >= 8 || memattr == 4 ? "reserved MemAttr with FWB" : NULL;
    return memattr >= 4 && (memattr & 3) == 0 ? "reserved MemAttr" : NULL;
}

/* Bits that must be zero between the page offset's end and the output address of a leaf. */
static uint64_t leaf_zero_bits(const struct arch_regime *r, int level)
{
    unsigned shift = arch_shift(r, level);
    uint64_t zero = bits(11, 11) | bits(63, 59);
    if (shift > 12)
        zero |= bits(shift - 1, 12);
    if (level < ARCH_LAST_LEVEL)
        zero &= ~bits(16, 16); /* nT */
    if (r->wide64)
        zero &= ~bits(15, 12);
    return zero | (r->ds ? bits(50, 50) : bits(50, 48));
}

static const char *bad_leaf(const struct arch_machine *m, const struct arch_regime *r, int level, uint64_t desc)
{
    struct arch_desc d = arch_decode(m, r, level, desc);
    if (level < ARCH_LAST_LEVEL && !block_allowed(r, level))
        return "a block at a level that has none";
    if (desc & leaf_zero_bits(r, level))
        return "reserved bits set, or an output address that is not aligned to its level";
    if (d.nt && !m->caps.bbm)
        return "nT without FEAT_BBM";
    if (d.out >> r->pa_bits)
        return "an output address beyond the PA size";
    if (!r->ds && d.sh == 1)
        return "shareability 01";
    if (!d.af && !r->ha && !m->soft_access)
        return "access flag clear without HA";
    if (d.dbm && !r->hd && !m->soft_dirty)
        return "DBM without HD";
    if (!m->caps.xnx && bit(desc, 53))
        return "XN[0] without FEAT_XNX";
    if (d.contiguous && !arch_run(r, level))
        return "Contiguous bit at a level that has none, or whose runs exceed the input size";
    if (d.write_now && !d.read)
        return "write without read";
    return bad_memattr(m, d.memattr);
}

const char *arch_malformed(const struct arch_machine *m, const struct arch_regime *r, int level, uint64_t desc)
{
    if (!bit(desc, 0))
        return NULL;
    if (level == ARCH_LAST_LEVEL && !bit(desc, 1))
        return "a page descriptor of reserved type 01";
    if (level == ARCH_LAST_LEVEL || !bit(desc, 1))
        return bad_leaf(m, r, level, desc);
    uint64_t zero = bits(63, 59) | (r->ds ? bits(50, 50) : bits(50, 48));
    if (r->granule > 12 && !r->wide64)
        zero |= bits(r->granule - 1, 12);
    if (desc & zero)
        return "a table descriptor with reserved bits set";
    if (address_of(r, desc, r->granule) >> r->pa_bits)
        return "a table address beyond the PA size";
    return NULL;
}

enum arch_change arch_compare(const struct arch_desc *was, const struct arch_desc *now)
{
    if (was->out != now->out || was->memattr != now->memattr || was->sh != now->sh ||
        was->contiguous != now->contiguous)
        return ARCH_REPLACE;
    /* Setting nT: an older copy may stay in use, and conflicts with another size until it is invalidated. */
    bool lost = (was->read && !now->read) || (was->write && !now->write) || (was->x_el1 && !now->x_el1) ||
                (was->x_el0 && !now->x_el0) || (!was->nt && now->nt);
    bool won = (!was->read && now->read) || (!was->write && now->write) || (!was->x_el1 && now->x_el1) ||
               (!was->x_el0 && now->x_el0);
    return lost ? ARCH_TIGHTEN : won ? ARCH_RELAX : ARCH_SAME;
}

bool arch_forgets(const struct arch_regime *r, const struct arch_desc *was, const struct arch_desc *now)
{
    return (was->af && !now->af) || (r->hd && was->write_now && now->dbm && !now->write_now);
}
