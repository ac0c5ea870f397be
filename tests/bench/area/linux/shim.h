/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What lib/maple_tree.c and lib/rbtree.c ask of the kernel around them, for one thread in user space. Each
 * <linux/...> header that they include becomes one line that includes this file (peer_linux.mk).
 *
 * The peer gets the best terms: no locks, no RCU, no checks in a build with NDEBUG, and an allocator that pops a free
 * list, as the kernel's does, where malloc would cost it time. */
#ifndef BENCH_LINUX_SHIM_H
#define BENCH_LINUX_SHIM_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_64BIT              1
#define CONFIG_MAPLE_RCU_DISABLED 1

/* --- compiler -------------------------------------------------------------------------------------------------- */

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define likely(x)       __builtin_expect(!!(x), 1)
#define unlikely(x)     __builtin_expect(!!(x), 0)
#define __init
#define fallthrough __attribute__((fallthrough))
#define __rcu
#define __must_hold(lock)
#define EXPORT_SYMBOL(name)
#define EXPORT_SYMBOL_GPL(name)
#define READ_ONCE(x)     (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) ((void)(*(volatile __typeof__(x) *)&(x) = (v)))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))

#define min(a, b)                                                                                                      \
    ({                                                                                                                 \
        __typeof__(a) min_a = (a);                                                                                     \
        __typeof__(b) min_b = (b);                                                                                     \
        min_a < min_b ? min_a : min_b;                                                                                 \
    })
#define max(a, b)                                                                                                      \
    ({                                                                                                                 \
        __typeof__(a) max_a = (a);                                                                                     \
        __typeof__(b) max_b = (b);                                                                                     \
        max_a > max_b ? max_a : max_b;                                                                                 \
    })

/* --- checks and traces ----------------------------------------------------------------------------------------- */

#ifdef NDEBUG
#define BUG_ON(bad)  ((void)sizeof(!(bad)))
#define WARN_ON(bad) (!!(bad))
#else
#define BUG_ON(bad)  ((bad) ? abort() : (void)0)
#define WARN_ON(bad) ((bad) ? (abort(), true) : false)
#endif
#define WARN_ON_ONCE(bad)                       WARN_ON(bad)
#define trace_ma_op(name, state)                ((void)0)
#define trace_ma_read(name, state)              ((void)0)
#define trace_ma_write(name, state, piv, entry) ((void)0)

/* --- locks and RCU: one thread --------------------------------------------------------------------------------- */

typedef struct {
} spinlock_t;
#define spin_lock_init(lock)            ((void)(lock))
#define spin_lock(lock)                 ((void)(lock))
#define spin_unlock(lock)               ((void)(lock))
#define lock_is_held(map)               true
#define lockdep_is_held(lock)           true
#define smp_rmb()                       __asm__ volatile("" ::: "memory")
#define smp_wmb()                       __asm__ volatile("" ::: "memory")
#define rcu_read_lock()                 ((void)0)
#define rcu_read_unlock()               ((void)0)
#define rcu_dereference_check(p, c)     READ_ONCE(p)
#define rcu_dereference_protected(p, c) (p)
#define rcu_assign_pointer(p, v)        ((void)((p) = (v)))

struct rcu_head {
    struct rcu_head *next;
    void (*func)(struct rcu_head *head);
};
static inline void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
    func(head);
}

/* --- entries: what the low bits of a stored pointer say -------------------------------------------------------- */

#define SHIM_MAX_ERRNO 4095

static inline bool xa_is_value(const void *entry)
{
    return (uintptr_t)entry & 1;
}
static inline unsigned long xa_to_value(const void *entry)
{
    return (uintptr_t)entry >> 1;
}
static inline bool xa_is_internal(const void *entry)
{
    return ((uintptr_t)entry & 3) == 2;
}
static inline unsigned long xa_to_internal(const void *entry)
{
    return (uintptr_t)entry >> 2;
}
static inline bool xa_is_node(const void *entry)
{
    return xa_is_internal(entry) && (uintptr_t)entry > 4096;
}
static inline bool xa_is_zero(const void *entry)
{
    return (uintptr_t)entry == (257 << 2 | 2);
}
static inline bool xa_is_advanced(const void *entry)
{
    return xa_is_internal(entry) && (uintptr_t)entry <= (257 << 2 | 2);
}
static inline bool xa_is_err(const void *entry)
{
    return xa_is_internal(entry) && (intptr_t)entry < 0 && (intptr_t)entry >> 2 >= -SHIM_MAX_ERRNO;
}
static inline int xa_err(void *entry)
{
    return xa_is_err(entry) ? (int)((intptr_t)entry >> 2) : 0;
}

/* --- memory: objects of one size, cut from large blocks, kept in a free list ------------------------------------ */

typedef unsigned gfp_t;
#define GFP_KERNEL                   0u
#define GFP_NOWAIT                   0u
#define __GFP_NOWARN                 0u
#define SLAB_PANIC                   0u
#define gfpflags_allow_blocking(gfp) ((void)(gfp), false)

#define SHIM_BLOCK_BYTES ((size_t)1 << 20)

struct kmem_block {
    struct kmem_block *next;
};
struct kmem_cache {
    size_t size, live;       /* bytes of an object; objects given out */
    size_t room, promised;   /* objects that there is memory for; that somebody has asked room for */
    void *free;              /* given out and back again */
    char *fresh, *fresh_end; /* never given out */
    struct kmem_block *blocks;
};

static inline struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align, unsigned flags,
                                                   void (*ctor)(void *))
{
    struct kmem_cache *cache = calloc(1, sizeof *cache);

    (void)name, (void)flags, (void)ctor;
    if (!cache)
        abort();
    cache->size = (size + align - 1) / align * align;
    return cache;
}

static inline void kmem_cache_free(struct kmem_cache *cache, void *object)
{
    cache->live--;
    memcpy(object, &cache->free, sizeof cache->free);
    cache->free = object;
}

/* A new block of so many bytes at least, after the objects of the one before. Its head takes 256 bytes: objects of that size are
 * aligned so, and smaller ones need less. It is written to, so that its pages are there. */
static inline void kmem_cache_grow(struct kmem_cache *cache, size_t bytes)
{
    struct kmem_block *block;

    bytes = (max(bytes, SHIM_BLOCK_BYTES) + 4095) & ~(size_t)4095;
    block = aligned_alloc(4096, bytes);
    if (!block)
        abort();
    memset(block, 0, bytes);
    for (; (size_t)(cache->fresh_end - cache->fresh) >= cache->size; cache->fresh += cache->size) {
        cache->live++;
        kmem_cache_free(cache, cache->fresh);
    }
    block->next = cache->blocks;
    cache->blocks = block;
    cache->fresh = (char *)block + 256;
    cache->fresh_end = (char *)block + bytes;
    cache->room += (bytes - 256) / cache->size;
}

/* Makes room for n more objects than were asked for so far, before anything is measured. */
static inline void kmem_cache_promise(struct kmem_cache *cache, size_t n)
{
    cache->promised += n;
    if (cache->promised > cache->room)
        kmem_cache_grow(cache, (cache->promised - cache->room) * cache->size + 256);
}

/* Takes such a promise back. When nothing is left, the memory goes too: a structure that is built after another one was
 * destroyed finds its memory in order. */
static inline void kmem_cache_settle(struct kmem_cache *cache, size_t n)
{
    cache->promised -= n;
    if (cache->live || cache->promised)
        return;
    for (struct kmem_block *block = cache->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    *cache = (struct kmem_cache){.size = cache->size};
}

static __attribute__((noinline, unused)) void *kmem_cache_fresh(struct kmem_cache *cache)
{
    void *object;

    if ((size_t)(cache->fresh_end - cache->fresh) < cache->size)
        kmem_cache_grow(cache, SHIM_BLOCK_BYTES);
    object = cache->fresh;
    cache->fresh += cache->size;
    return object;
}

static inline void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
    void *object = cache->free;

    (void)gfp;
    cache->live++;
    if (!object)
        return kmem_cache_fresh(cache);
    memcpy(&cache->free, object, sizeof cache->free);
    return object;
}

static inline int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp, size_t n, void **objects)
{
    for (size_t i = 0; i < n; i++)
        objects[i] = kmem_cache_alloc(cache, gfp);
    return (int)n;
}

static inline void kmem_cache_free_bulk(struct kmem_cache *cache, size_t n, void **objects)
{
    for (size_t i = 0; i < n; i++)
        kmem_cache_free(cache, objects[i]);
}

#endif
