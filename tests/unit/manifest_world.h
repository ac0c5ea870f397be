/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* For the tests of vm/: device tree source to blob, problems kept line by line, bundles made in memory. */
#ifndef MANIFEST_WORLD_H
#define MANIFEST_WORLD_H

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "vm/bundle.h"
#include "vm/machine.h"
#include "vm/manifest.h"
#include "vm/sha256.h"

#define LINES_MAX 32u
#define BLOB_MAX  (1u << 20)

struct lines {
    unsigned n;
    char s[LINES_MAX][TEXT_BYTES];
};

static inline void keep_line(void *arg, const char *line)
{
    struct lines *l = arg;
    assert_true(l->n < LINES_MAX);
    strcpy(l->s[l->n++], line);
}

/* What problems are expected: one line, or none. */
#define LINE(l)                                                                                                        \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        l, NULL                                                                                                        \
    }
#define NONE                                                                                                           \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        NULL                                                                                                           \
    }

/* Exactly these lines, in this order; the list ends with null. */
static inline void expect_lines(const struct lines *l, const char *const *want)
{
    for (unsigned i = 0; i < l->n || want[i] != NULL; i++) {
        if (i == l->n)
            fail_msg("missing: %s", want[i]);
        if (want[i] == NULL)
            fail_msg("too much: %s", l->s[i]);
        assert_string_equal(l->s[i], want[i]);
    }
}

/* The device tree compiler's output for `source`; free() it. */
static inline void *compile_dts(const char *source, size_t *bytes)
{
    char in[] = "/tmp/bulkhead-test-XXXXXX", command[256];
    int fd = mkstemp(in);
    assert_true(fd >= 0);
    assert_true(write(fd, source, strlen(source)) == (ssize_t)strlen(source));
    close(fd);
    snprintf(command, sizeof(command), "dtc -q -I dts -O dtb %s", in);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char *blob = malloc(BLOB_MAX);
    *bytes = fread(blob, 1, BLOB_MAX, pipe);
    assert_int_equal(pclose(pipe), 0);
    unlink(in);
    return blob;
}

/* A manifest with these VMs, and what stands beside them. */
static inline void *compile_manifest(const char *vms, const char *beside, size_t *bytes)
{
    static char source[16384];
    snprintf(source, sizeof(source), "/dts-v1/; / { compatible = \"bulkhead,manifest\"; %s vms { %s }; };", beside,
             vms);
    return compile_dts(source, bytes);
}
static inline void *compile_vms(const char *vms, size_t *bytes)
{
    return compile_manifest(vms, "", bytes);
}

/* One bank at 1 GiB with the hypervisor in it, four CPUs, the console, a clock, and a disk that shares its page. */
static const char machine_source[] =
    "/dts-v1/; /memreserve/ 0x7ff00000 0x1000; / { #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;"
    " chosen { bootargs = \"quiet\"; stdout-path = \"/pl011@9000000:115200\"; linux,initrd-start = <0x48000000>;"
    "  linux,initrd-end = <0x0 0x49000000>; };"
    " cpus { #address-cells = <1>; #size-cells = <0>;"
    "  cpu@0 { device_type = \"cpu\"; reg = <0>; }; cpu@1 { device_type = \"cpu\"; reg = <1>; };"
    "  cpu@2 { device_type = \"cpu\"; reg = <0x100>; }; cpu@3 { device_type = \"cpu\"; reg = <0x101>; };"
    "  cpu@4 { device_type = \"cpu\"; reg = <0x102>; status = \"disabled\"; }; };"
    " memory@40000000 { device_type = \"memory\"; reg = <0 0x40000000 0 0x40000000>; };"
    " secram@e000000 { device_type = \"memory\"; status = \"disabled\"; reg = <0 0xe000000 0 0x1000000>; };"
    " gic: intc@8000000 { compatible = \"arm,gic-v3\"; interrupt-controller; #interrupt-cells = <3>;"
    "  reg = <0 0x8000000 0 0x10000 0 0x80a0000 0 0xf60000>; };"
    " pl011@9000000 { compatible = \"arm,pl011\", \"arm,primecell\"; reg = <0 0x9000000 0 0x1000>;"
    "  interrupts = <0 1 4>; };"
    " pl031@9010000 { compatible = \"arm,pl031\", \"arm,primecell\"; reg = <0 0x9010000 0 0x1000>;"
    "  interrupts = <0 2 4>; clock-names = \"apb_pclk\"; };"
    " virtio_mmio@a000000 { compatible = \"virtio,mmio\"; reg = <0 0xa000000 0 0x200>; interrupts = <0 16 1>;"
    "  dma-coherent; };"
    " bus { compatible = \"simple-bus\"; #address-cells = <1>; #size-cells = <1>; ranges = <0x1000 0 0xc000000 0x1000>;"
    "  timer@1800 { compatible = \"arm,sp804\"; reg = <0x1800 0x100>; };"
    "  lost@8000 { compatible = \"arm,sp804\"; reg = <0x8000 0x100>; }; };"
    " reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;"
    "  secure@7f000000 { reg = <0 0x7f000000 0 0x100000>; }; };"
    " };";

static inline void make_machine(struct machine *m)
{
    static void *blob; /* the machine points into it */
    static size_t bytes;
    struct problems p = {NULL, NULL, 0};
    if (blob == NULL)
        blob = compile_dts(machine_source, &bytes);
    assert_true(machine_parse(m, blob, bytes, &p));
    assert_int_equal(p.count, 0);
    m->pa_bits = 44;
    m->spis = 256;
    assert_true(machine_reserve(m, (struct range){0x40200000, 0x42200000}, "pool", true));
}

#define VM(name, body) name " { image = \"i\"; " body " }; "
#define RAM            "memory = \"16M\"; "

/* Parses and checks such a manifest, against the machine or by itself: the lines must be those. The blob it points into; free() it. */
static inline void *check_manifest(struct manifest *m, const char *vms, const char *beside, bool with_machine,
                                   const char *const *want)
{
    static struct machine machine;
    struct lines lines = {0};
    struct problems p = {keep_line, &lines, 0};
    size_t bytes;
    void *blob = compile_manifest(vms, beside, &bytes);
    make_machine(&machine);
    if (manifest_parse(m, blob, bytes, &p))
        manifest_check(m, with_machine ? &machine : NULL, NULL, &p);
    expect_lines(&lines, want);
    assert_int_equal(p.count, lines.n);
    return blob;
}

/* --- bundles ------------------------------------------------------------------------------------------------------- */

struct file {
    const char *name;
    const void *data;
    size_t bytes;
};

/* A FIT image in `buf` with the manifest and the files, external data as mkimage -E lays it out. Returns its size. */
static inline size_t make_bundle(void *buf, size_t room, const void *manifest, size_t manifest_bytes,
                                 const struct file *files, unsigned n)
{
    static unsigned char tail[1u << 20];
    size_t used = 0;
    assert_int_equal(fdt_create(buf, (int)room), 0);
    fdt_finish_reservemap(buf);
    fdt_begin_node(buf, "");
    fdt_begin_node(buf, "images");
    for (unsigned i = 0; i <= n; i++) {
        struct file f = i == 0 ? (struct file){"manifest", manifest, manifest_bytes} : files[i - 1];
        char node[32];
        uint8_t digest[SHA256_BYTES];
        snprintf(node, sizeof(node), "image-%u", i);
        sha256(f.data, f.bytes, digest);
        assert_true(used + f.bytes + 8 <= sizeof(tail));
        if (f.bytes > 0)
            memcpy(tail + used, f.data, f.bytes);
        fdt_begin_node(buf, i == 0 ? "manifest" : node);
        fdt_property(buf, "description", f.name, (int)strlen(f.name) + 1);
        fdt_property_u32(buf, "data-offset", (uint32_t)used);
        fdt_property_u32(buf, "data-size", (uint32_t)f.bytes);
        fdt_begin_node(buf, "hash-1");
        fdt_property(buf, "algo", "sha256", (int)sizeof("sha256"));
        fdt_property(buf, "value", digest, sizeof(digest));
        fdt_end_node(buf);
        fdt_end_node(buf);
        used = (used + f.bytes + 7) & ~(size_t)7;
    }
    fdt_end_node(buf);
    fdt_end_node(buf);
    assert_int_equal(fdt_finish(buf), 0);
    size_t tree = (fdt_totalsize(buf) + 7) & ~7u;
    assert_true(tree + used <= room);
    fdt_set_totalsize(buf, (uint32_t)tree);
    memcpy((char *)buf + tree, tail, used);
    return tree + used;
}

#endif
