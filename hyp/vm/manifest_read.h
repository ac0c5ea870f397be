/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* How the nodes of a manifest are read: what each may hold is a table. Between the files manifest*.c only. */
#ifndef VM_MANIFEST_READ_H
#define VM_MANIFEST_READ_H

#include <stddef.h>

#include <boot/tree.h>

#include "vm/manifest.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define SPI_LAST      987u /* INTID 1019 */

enum kind {
    TEXT,   /* const char * */
    NUMBER, /* uint64_t, lo..hi */
    COUNT,  /* unsigned, lo..hi */
    FLAG,   /* bool: true when present */
    WORD,   /* bool: false for the first of two words, true for the second */
    CPUS,
    SPIS,
    GRANULE,
    MEMORY,
    COLOURS, /* uint64_t: a mask */
    RIGHTS,  /* uint8_t: "r", "rw", "rx", "rwx" */
};
struct field {
    const char *name; /* of a WORD, with its two behind it, each after a zero */
    uint32_t hi;      /* 0: no limit */
    uint16_t offset;
    uint8_t lo, kind;
};

/* A node that is being read: for the subject of a problem, "vm linux: memory/ram/size: ". */
struct where {
    struct problems *p;
    const char *what, *name; /* "vm" and its name; null: the root */
    bool *ok;                /* or null */
    const char *dir, *node;  /* or null */
};

/* Designated, so that what a row leaves out is zero. */
#define FIELD(n, k, type, member, ...)                                                                                 \
    {                                                                                                                  \
        .name = n, .kind = k, .offset = offsetof(struct type, member), __VA_ARGS__                                     \
    }

/* One problem with that property, and the node is not ok. */
void read_refuse(const struct where *w, const char *prop, const char *fmt, ...);
/* Reads all properties of the node; `base` is the struct that the fields are offsets in. Returns which were there, one bit each. */
uint64_t read_fields(const struct where *w, const void *fdt, int node, const struct field *fields, size_t n,
                     void *base);
/* That, of a node without child nodes. */
uint64_t read_leaf(const struct where *w, const void *fdt, int node, const struct field *fields, size_t n, void *base);
/* Refuses what is missing of the fields from first to last. */
void read_required(const struct where *w, uint64_t seen, const struct field *fields, unsigned first, unsigned last);
/* Text without what a terminal or a path would interpret, at most MANIFEST_NAME with its end. */
void read_name(const struct where *w, const char *name);

/* manifest_windows.c: the nodes `windows` and `memory-regions`. The VMs are known. */
void read_windows(struct manifest *m, const void *fdt, int node, struct problems *p);
void read_pools(struct manifest *m, const void *fdt, int node, struct problems *p);

#endif
