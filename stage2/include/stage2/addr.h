/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Typed addresses and ranges. IPA and PA are distinct single-member structs, so mixing them does not compile.
 *
 * Each operation exists twice, as s2_ipa_* and as s2_pa_*; they are written once, in S2_ADDR_TYPE below. Three kinds of
 * arithmetic: s2_ipa_add and its like say whether the result fits and leave *out alone when not; the wrapping ones are
 * modulo 2^64; the overflowing ones give the wrapped result and say whether it wrapped. There is no form that stops the
 * program, as a guest may choose the operands. Nothing here rounds or wraps in silence but what says so in its name. */
#ifndef STAGE2_ADDR_H
#define STAGE2_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define S2_ADDR_CHECKED __attribute__((warn_unused_result))

typedef struct {
    uint64_t v;
} s2_ipa;
typedef struct {
    uint64_t v;
} s2_pa;
/* Half-open [start, end). Addresses have at most 52 bits, so an area at the very top has an end that fits. A range with
 * start >= end is empty. */
struct s2_ipa_range {
    s2_ipa start, end;
};
struct s2_pa_range {
    s2_pa start, end;
};

#define S2_IPA(x)   ((s2_ipa){(uint64_t)(x)})
#define S2_PA(x)    ((s2_pa){(uint64_t)(x)})
#define S2_IPA_NONE S2_IPA(UINT64_MAX)
#define S2_PA_NONE  S2_PA(UINT64_MAX)

#define S2_PAGE_4K 0x1000ull
#define S2_PAGE_2M 0x200000ull
#define S2_PAGE_1G 0x40000000ull

/* --- alignment of plain numbers ------------------------------------------------------------------------------------
 * False, and *out untouched: align is not a power of two, or (up) the result does not fit in 64 bits. */

static inline bool s2_is_pow2(uint64_t align)
{
    return align != 0 && (align & (align - 1)) == 0;
}
/* False for an align that is no power of two. */
static inline bool s2_is_aligned(uint64_t x, uint64_t align)
{
    return s2_is_pow2(align) && (x & (align - 1)) == 0;
}
S2_ADDR_CHECKED static inline bool s2_align_down(uint64_t x, uint64_t align, uint64_t *out)
{
    if (!s2_is_pow2(align))
        return false;
    *out = x & ~(align - 1);
    return true;
}
S2_ADDR_CHECKED static inline bool s2_align_up(uint64_t x, uint64_t align, uint64_t *out)
{
    if (!s2_is_pow2(align) || x > -align)
        return false; /* -align is the highest aligned number */
    *out = (x + (align - 1)) & ~(align - 1);
    return true;
}
/* How far x lies above the aligned address below it. */
S2_ADDR_CHECKED static inline bool s2_align_offset(uint64_t x, uint64_t align, uint64_t *out)
{
    if (!s2_is_pow2(align))
        return false;
    *out = x & (align - 1);
    return true;
}

/* How addresses are written: IPA:0x1abc or IPA:0x1ABC. The functions write at most n bytes with the final 0 and return
 * the length that the whole text has, as snprintf does; buf may be null when n is 0. */
enum s2_hex { S2_HEX_LOWER, S2_HEX_UPPER };
size_t s2_addr_format(const char *prefix, uint64_t x, enum s2_hex hex, char *buf, size_t n);
size_t s2_addr_range_format(const char *prefix, uint64_t start, uint64_t end, enum s2_hex hex, char *buf, size_t n);
/* Enough for any range. */
#define S2_ADDR_TEXT 48u

/* One alignment for page size P, named by suffix. Down, offset and the test cannot fail; up can wrap. */
#define S2_ADDR_PAGE(T, suffix, P)                                                                                     \
    static inline s2_##T s2_##T##_align_down_##suffix(s2_##T a)                                                        \
    {                                                                                                                  \
        return (s2_##T){a.v & ~(P - 1)};                                                                               \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_align_up_##suffix(s2_##T a, s2_##T *out)                               \
    {                                                                                                                  \
        return s2_align_up(a.v, P, &out->v);                                                                           \
    }                                                                                                                  \
    static inline uint64_t s2_##T##_align_offset_##suffix(s2_##T a)                                                    \
    {                                                                                                                  \
        return a.v & (P - 1);                                                                                          \
    }                                                                                                                  \
    static inline bool s2_##T##_is_aligned_##suffix(s2_##T a)                                                          \
    {                                                                                                                  \
        return (a.v & (P - 1)) == 0;                                                                                   \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_pages_##suffix(struct s2_##T##_pages *it, struct s2_##T##_range r)     \
    {                                                                                                                  \
        return s2_##T##_pages(it, r, P);                                                                               \
    }

/* For T = ipa and T = pa:
 *
 * bool s2_T_eq, _lt, _le (a, b)            comparison; int s2_T_cmp: -1, 0, 1
 * bool s2_T_align_down, _align_up (a, align, *out), _align_offset (a, align, *number), _is_aligned (a, align)
 *                                          as for plain numbers; with _4k, _2m or _1g appended, for that size
 * bool s2_T_add, _sub (a, n, *out)         a + n, a - n bytes; false when it does not fit
 * T    s2_T_wrapping_add, _sub (a, n)
 * bool s2_T_overflowing_add, _sub (a, n, *out)    true when it wrapped; *out is written either way
 * bool s2_T_sub_addr (a, b, *n), n = s2_T_wrapping_sub_addr (a, b), bool s2_T_overflowing_sub_addr (a, b, *n)
 *                                          a - b in bytes
 * bool s2_T_offset (a, signed n, *out), T s2_T_wrapping_offset (a, signed n), bool s2_T_offset_from (a, base, *signed n)
 *                                          signed distances; false when the result does not fit
 *
 * bool s2_T_range (start, end, *out)       false when start > end
 * bool s2_T_range_sized (start, size, *out)       false when start + size does not fit
 * bool s2_T_range_is_empty (r), number s2_T_range_size (r)       an inverted range is empty, of size 0
 * bool s2_T_range_contains (r, a)
 * bool s2_T_range_contains_range (r, o), _contained_in (r, o)    an empty one counts by its ends: it may lie at r.end
 * bool s2_T_range_overlaps (r, o)          have they an address in common? Never for an empty one
 * bool s2_T_range_meet (r, o, *out)        what they have in common; false when nothing
 *
 * bool s2_T_pages (*it, r, page)           the pages of a range: false when page is no power of two or an end of r is not
 *                                          aligned to it; an inverted range has none. _4k, _2m, _1g likewise
 * bool s2_T_pages_next (*it, *out)         the next one, ascending; false at the end
 *
 * size_t s2_T_format (a, hex, buf, n), s2_T_range_format (r, hex, buf, n)     "IPA:0x1000", "IPA:0x1000..IPA:0x2000" */
#define S2_ADDR_TYPE(T, PREFIX)                                                                                        \
    static inline bool s2_##T##_eq(s2_##T a, s2_##T b)                                                                 \
    {                                                                                                                  \
        return a.v == b.v;                                                                                             \
    }                                                                                                                  \
    static inline bool s2_##T##_lt(s2_##T a, s2_##T b)                                                                 \
    {                                                                                                                  \
        return a.v < b.v;                                                                                              \
    }                                                                                                                  \
    static inline bool s2_##T##_le(s2_##T a, s2_##T b)                                                                 \
    {                                                                                                                  \
        return a.v <= b.v;                                                                                             \
    }                                                                                                                  \
    static inline int s2_##T##_cmp(s2_##T a, s2_##T b)                                                                 \
    {                                                                                                                  \
        return (a.v > b.v) - (a.v < b.v);                                                                              \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_align_down(s2_##T a, uint64_t align, s2_##T *out)                      \
    {                                                                                                                  \
        return s2_align_down(a.v, align, &out->v);                                                                     \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_align_up(s2_##T a, uint64_t align, s2_##T *out)                        \
    {                                                                                                                  \
        return s2_align_up(a.v, align, &out->v);                                                                       \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_align_offset(s2_##T a, uint64_t align, uint64_t *out)                  \
    {                                                                                                                  \
        return s2_align_offset(a.v, align, out);                                                                       \
    }                                                                                                                  \
    static inline bool s2_##T##_is_aligned(s2_##T a, uint64_t align)                                                   \
    {                                                                                                                  \
        return s2_is_aligned(a.v, align);                                                                              \
    }                                                                                                                  \
    static inline s2_##T s2_##T##_wrapping_add(s2_##T a, uint64_t n)                                                   \
    {                                                                                                                  \
        return (s2_##T){a.v + n};                                                                                      \
    }                                                                                                                  \
    static inline s2_##T s2_##T##_wrapping_sub(s2_##T a, uint64_t n)                                                   \
    {                                                                                                                  \
        return (s2_##T){a.v - n};                                                                                      \
    }                                                                                                                  \
    static inline uint64_t s2_##T##_wrapping_sub_addr(s2_##T a, s2_##T b)                                              \
    {                                                                                                                  \
        return a.v - b.v;                                                                                              \
    }                                                                                                                  \
    static inline s2_##T s2_##T##_wrapping_offset(s2_##T a, int64_t n)                                                 \
    {                                                                                                                  \
        return (s2_##T){a.v + (uint64_t)n};                                                                            \
    }                                                                                                                  \
    static inline bool s2_##T##_overflowing_add(s2_##T a, uint64_t n, s2_##T *out)                                     \
    {                                                                                                                  \
        return __builtin_add_overflow(a.v, n, &out->v);                                                                \
    }                                                                                                                  \
    static inline bool s2_##T##_overflowing_sub(s2_##T a, uint64_t n, s2_##T *out)                                     \
    {                                                                                                                  \
        return __builtin_sub_overflow(a.v, n, &out->v);                                                                \
    }                                                                                                                  \
    static inline bool s2_##T##_overflowing_sub_addr(s2_##T a, s2_##T b, uint64_t *out)                                \
    {                                                                                                                  \
        return __builtin_sub_overflow(a.v, b.v, out);                                                                  \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_add(s2_##T a, uint64_t n, s2_##T *out)                                 \
    {                                                                                                                  \
        if (n > UINT64_MAX - a.v)                                                                                      \
            return false;                                                                                              \
        out->v = a.v + n;                                                                                              \
        return true;                                                                                                   \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_sub(s2_##T a, uint64_t n, s2_##T *out)                                 \
    {                                                                                                                  \
        if (n > a.v)                                                                                                   \
            return false;                                                                                              \
        out->v = a.v - n;                                                                                              \
        return true;                                                                                                   \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_sub_addr(s2_##T a, s2_##T b, uint64_t *out)                            \
    {                                                                                                                  \
        if (b.v > a.v)                                                                                                 \
            return false;                                                                                              \
        *out = a.v - b.v;                                                                                              \
        return true;                                                                                                   \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_offset(s2_##T a, int64_t n, s2_##T *out)                               \
    {                                                                                                                  \
        return n < 0 ? s2_##T##_sub(a, 0 - (uint64_t)n, out) : s2_##T##_add(a, (uint64_t)n, out);                      \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_offset_from(s2_##T a, s2_##T base, int64_t *out)                       \
    {                                                                                                                  \
        int64_t distance;                                                                                              \
                                                                                                                       \
        if (__builtin_sub_overflow(a.v, base.v, &distance)) /* by the true difference, of any sign */                  \
            return false;                                                                                              \
        *out = distance;                                                                                               \
        return true;                                                                                                   \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_range(s2_##T start, s2_##T end, struct s2_##T##_range *out)            \
    {                                                                                                                  \
        if (start.v > end.v)                                                                                           \
            return false;                                                                                              \
        *out = (struct s2_##T##_range){start, end};                                                                    \
        return true;                                                                                                   \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_range_sized(s2_##T start, uint64_t size, struct s2_##T##_range *out)   \
    {                                                                                                                  \
        s2_##T end;                                                                                                    \
                                                                                                                       \
        return s2_##T##_add(start, size, &end) && s2_##T##_range(start, end, out);                                     \
    }                                                                                                                  \
    static inline bool s2_##T##_range_is_empty(struct s2_##T##_range r)                                                \
    {                                                                                                                  \
        return r.start.v >= r.end.v;                                                                                   \
    }                                                                                                                  \
    static inline uint64_t s2_##T##_range_size(struct s2_##T##_range r)                                                \
    {                                                                                                                  \
        return s2_##T##_range_is_empty(r) ? 0 : r.end.v - r.start.v;                                                   \
    }                                                                                                                  \
    static inline bool s2_##T##_range_contains(struct s2_##T##_range r, s2_##T a)                                      \
    {                                                                                                                  \
        return r.start.v <= a.v && a.v < r.end.v;                                                                      \
    }                                                                                                                  \
    static inline bool s2_##T##_range_contains_range(struct s2_##T##_range r, struct s2_##T##_range o)                 \
    {                                                                                                                  \
        return r.start.v <= o.start.v && o.end.v <= r.end.v;                                                           \
    }                                                                                                                  \
    static inline bool s2_##T##_range_contained_in(struct s2_##T##_range r, struct s2_##T##_range o)                   \
    {                                                                                                                  \
        return s2_##T##_range_contains_range(o, r);                                                                    \
    }                                                                                                                  \
    S2_ADDR_CHECKED static inline bool s2_##T##_range_meet(struct s2_##T##_range r, struct s2_##T##_range o,           \
                                                           struct s2_##T##_range *out)                                 \
    {                                                                                                                  \
        struct s2_##T##_range meet = {r.start.v > o.start.v ? r.start : o.start, r.end.v < o.end.v ? r.end : o.end};   \
                                                                                                                       \
        if (s2_##T##_range_is_empty(meet))                                                                             \
            return false;                                                                                              \
        *out = meet;                                                                                                   \
        return true;                                                                                                   \
    }                                                                                                                  \
    static inline bool s2_##T##_range_overlaps(struct s2_##T##_range r, struct s2_##T##_range o)                       \
    {                                                                                                                  \
        struct s2_##T##_range meet;                                                                                    \
                                                                                                                       \
        return s2_##T##_range_meet(r, o, &meet);                                                                       \
    }                                                                                                                  \
    struct s2_##T##_pages {                                                                                            \
        s2_##T next;                                                                                                   \
        uint64_t left, page; /* left: pages; counting them cannot wrap at the top */                                   \
    };                                                                                                                 \
    S2_ADDR_CHECKED static inline bool s2_##T##_pages(struct s2_##T##_pages *it, struct s2_##T##_range r,              \
                                                      uint64_t page)                                                   \
    {                                                                                                                  \
        if (!s2_is_aligned(r.start.v, page) || !s2_is_aligned(r.end.v, page))                                          \
            return false;                                                                                              \
        *it = (struct s2_##T##_pages){r.start, s2_##T##_range_size(r) / page, page};                                   \
        return true;                                                                                                   \
    }                                                                                                                  \
    static inline bool s2_##T##_pages_next(struct s2_##T##_pages *it, s2_##T *out)                                     \
    {                                                                                                                  \
        if (it->left == 0)                                                                                             \
            return false;                                                                                              \
        *out = it->next;                                                                                               \
        it->next.v += it->page;                                                                                        \
        it->left--;                                                                                                    \
        return true;                                                                                                   \
    }                                                                                                                  \
    static inline size_t s2_##T##_format(s2_##T a, enum s2_hex hex, char *buf, size_t n)                               \
    {                                                                                                                  \
        return s2_addr_format(PREFIX, a.v, hex, buf, n);                                                               \
    }                                                                                                                  \
    static inline size_t s2_##T##_range_format(struct s2_##T##_range r, enum s2_hex hex, char *buf, size_t n)          \
    {                                                                                                                  \
        return s2_addr_range_format(PREFIX, r.start.v, r.end.v, hex, buf, n);                                          \
    }                                                                                                                  \
    S2_ADDR_PAGE(T, 4k, S2_PAGE_4K)                                                                                    \
    S2_ADDR_PAGE(T, 2m, S2_PAGE_2M)                                                                                    \
    S2_ADDR_PAGE(T, 1g, S2_PAGE_1G)

S2_ADDR_TYPE(ipa, "IPA:")
S2_ADDR_TYPE(pa, "PA:")

#undef S2_ADDR_TYPE
#undef S2_ADDR_PAGE

#endif
