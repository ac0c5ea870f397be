/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What several VMs of a manifest share: windows, named memory, doorbells; every line that docs/manifest.md promises. */
#include <stage2/rights.h>

#include "manifest_world.h"

#include "vm/guestdtb.h"

#define PAIR            VM("a", RAM) VM("b", RAM)
#define WINDOW(body)    "windows { w { " body " }; };"
#define SIZE            "size = \"64K\"; "
#define OWNER           "owner { vm = \"a\"; ipa = <0x50000000>; }; "
#define BORROWERS       "borrowers { b { ipa = <0x60000000>; rights = \"rw\"; }; }; "
#define REGION(pa, len) "memory-regions { x { pa = <" pa ">; size = " len "; }; };"
#define FROM(name)      "memory { ram { ipa = <0x40000000>; size = \"16M\"; from = \"" name "\"; }; }; "
static struct manifest m;

static void *check(const char *vms, const char *beside, const char *const *want)
{
    return check_manifest(&m, vms, beside, true, want);
}

static void refused(const char *vms, const char *beside, const char *line)
{
    free(check(vms, beside, LINE(line)));
}

static void window_refused(const char *vms, const char *body, const char *line)
{
    char beside[1024];
    snprintf(beside, sizeof(beside), WINDOW("%s"), body);
    refused(vms, beside, line);
    assert_false(m.window[0].ok);
    assert_true(m.vm[0].ok); /* a window that is refused refuses no VM */
}

static void test_window_read(void **state)
{
    (void)state;
    struct manifest_view view;
    void *blob = check(PAIR VM("c", RAM) VM("d", RAM),
                       WINDOW(SIZE OWNER "borrowers { b { ipa = <0x60000000>; rights = \"rw\"; }; "
                                         "c { ipa = <0x70000000>; rights = \"rx\"; }; };"),
                       NONE);
    const struct manifest_window *w = &m.window[0];
    assert_int_equal(m.windows, 1);
    assert_string_equal(w->name, "w");
    assert_int_equal(w->size, 0x10000);
    assert_int_equal(w->owner, 0);
    assert_int_equal(w->ipa, 0x50000000);
    assert_int_equal(w->borrowers, 2);
    assert_int_equal(w->borrower[0].vm, 1);
    assert_int_equal(w->borrower[1].rights, S2_RX);
    assert_true(manifest_view(&m.vm[0], 0, &view));
    assert_true(view.owner);
    assert_int_equal(view.rights, S2_RWX); /* the owner may what any borrower may */
    assert_true(manifest_view(&m.vm[1], 0, &view));
    assert_false(view.owner);
    assert_int_equal(view.ipa, 0x60000000);
    assert_int_equal(view.rights, S2_RW);
    assert_false(manifest_view(&m.vm[3], 0, &view)); /* has no part in it */
    assert_false(manifest_view(&m.vm[0], 1, &view)); /* there is none */
    assert_int_equal(manifest_memory(&m.vm[0], true), (16 << 20) + 0x10000);
    assert_int_equal(manifest_memory(&m.vm[1], true), 16 << 20);
    free(blob);
}

static void test_window_words(void **state)
{
    (void)state;
    refused(PAIR, "windows { odd = <1>; };", "manifest: windows/odd: unknown property");
    window_refused(PAIR, SIZE OWNER BORROWERS "friends { };", "window w: friends: unknown node");
    window_refused(PAIR, "sise = <1>; " SIZE OWNER BORROWERS, "window w: sise: unknown property");
    window_refused(PAIR, OWNER BORROWERS, "window w: size: missing");
    window_refused(PAIR, SIZE BORROWERS, "window w: owner: missing");
    window_refused(PAIR, SIZE OWNER, "window w: borrowers: missing");
    window_refused(PAIR, SIZE OWNER "borrowers { };", "window w: borrowers: there is none");
    window_refused(PAIR, SIZE "owner { ipa = <0x50000000>; };" BORROWERS, "window w: owner/vm: missing");
    window_refused(PAIR, SIZE "owner { vm = \"a\"; };" BORROWERS, "window w: owner/ipa: missing");
    window_refused(PAIR, SIZE "owner { vm = \"a\"; ipa = <0x50000000>; rights = \"r\"; };" BORROWERS,
                   "window w: owner/rights: unknown property");
    window_refused(PAIR, SIZE "owner { vm = \"z\"; ipa = <0x50000000>; };" BORROWERS,
                   "window w: owner/vm: there is no vm z");
    window_refused(PAIR, SIZE OWNER "borrowers { z { ipa = <0x60000000>; rights = \"r\"; }; };",
                   "window w: borrowers/z: there is no vm z");
    window_refused(PAIR, SIZE OWNER "borrowers { b { ipa = <0x60000000>; }; };",
                   "window w: borrowers/b/rights: missing");
    window_refused(PAIR, SIZE OWNER "borrowers { b { rights = \"r\"; }; };", "window w: borrowers/b/ipa: missing");
    window_refused(PAIR, SIZE OWNER "borrowers { b { ipa = <0x60000000>; rights = \"w\"; }; };",
                   "window w: borrowers/b/rights: \"w\" is not one of \"r\", \"rw\", \"rx\", \"rwx\"");
    window_refused(PAIR, SIZE OWNER "borrowers { b { ipa = <0x60000000>; rights = <1>; }; };",
                   "window w: borrowers/b/rights: not text");
    window_refused(PAIR, SIZE OWNER "borrowers { a { ipa = <0x60000000>; rights = \"r\"; }; };",
                   "window w: borrowers/a: vm a owns it");
}

static void test_window_places(void **state)
{
    (void)state;
    window_refused(PAIR, "size = <0x1800>; " OWNER BORROWERS,
                   "window w: owner: size: 0x1800 is not a multiple of vm a's granule 0x1000");
    window_refused(PAIR, "size = <0>; " OWNER BORROWERS, "window w: owner: 0x50000000 + 0x0 is not a range");
    window_refused(PAIR, SIZE "owner { vm = \"a\"; ipa = <0x50000800>; };" BORROWERS,
                   "window w: owner: ipa: 0x50000800 is not a multiple of vm a's granule 0x1000");
    window_refused(VM("a", RAM "granule = \"64K\"; uart { ipa = <0x9000000>; };") VM("b", RAM),
                   SIZE "owner { vm = \"a\"; ipa = <0x50001000>; };" BORROWERS,
                   "window w: owner: ipa: 0x50001000 is not a multiple of vm a's granule 0x10000");
    window_refused(PAIR, SIZE OWNER "borrowers { b { ipa = <0x60000800>; rights = \"r\"; }; };",
                   "window w: borrowers/b: ipa: 0x60000800 is not a multiple of vm b's granule 0x1000");
    window_refused(
        VM("a", RAM) VM("b", RAM "granule = \"16K\";"), SIZE OWNER BORROWERS,
        "window w: borrowers/b: vm b's granule 0x4000 is larger than vm a's 0x1000, whose memory it cannot map");
    window_refused(PAIR, SIZE OWNER "borrowers { b { ipa = <0xff 0xffff8000>; rights = \"r\"; }; };",
                   "window w: borrowers/b: 0xffffff8000..0x10000008000 lies beyond vm b's 40 address bits");
    window_refused(PAIR, SIZE OWNER "borrowers { b { ipa = <0xffffffff 0xffff8000>; rights = \"r\"; }; };",
                   "window w: borrowers/b: 0xffffffffffff8000 + 0x10000 is not a range");
    window_refused(PAIR, SIZE "owner { vm = \"a\"; ipa = <0x40ff8000>; };" BORROWERS,
                   "window w: owner: 0x40ff8000..0x41008000 overlaps vm a memory/ram 0x40000000..0x41000000; move one "
                   "of them");
    window_refused(PAIR, SIZE OWNER "borrowers { b { ipa = <0x8000000>; rights = \"r\"; }; };",
                   "window w: borrowers/b: 0x8000000..0x8010000 overlaps vm b gic/distributor 0x8000000..0x8010000; "
                   "move one of them");
}

static void test_two_windows(void **state)
{
    (void)state;
    refused(
        PAIR,
        "windows { w { " SIZE OWNER BORROWERS "}; v { " SIZE
        "owner { vm = \"b\"; ipa = <0x60008000>; }; borrowers { a { ipa = <0x70000000>; rights = \"r\"; }; }; }; };",
        "window v: owner: 0x60008000..0x60018000 overlaps vm b window w 0x60000000..0x60010000; move one of them");
    assert_true(m.window[0].ok);
    assert_false(m.window[1].ok);
    char many[4096] = "windows { ";
    for (unsigned i = 0; i < MANIFEST_WINDOWS + 1u; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many),
                 "w%u { size = <0x1000>; owner { vm = \"a\"; ipa = <0x%x>; }; borrowers { b { ipa = <0x%x>; rights = "
                 "\"r\"; }; }; }; ",
                 i, 0x50000000 + i * 0x1000, 0x60000000 + i * 0x1000);
    strcat(many, "};");
    refused(PAIR, many, "manifest: windows/w16: more than 16 windows");
}

static void test_borrowers(void **state)
{
    (void)state;
    char vms[1024] = VM("a", "memory = \"1M\";"), borrowers[1024] = SIZE OWNER "borrowers { ";
    for (unsigned i = 0; i < MANIFEST_BORROWERS + 1u; i++) {
        snprintf(vms + strlen(vms), sizeof(vms) - strlen(vms), "b%u { image = \"i\"; memory = \"1M\"; }; ", i);
        snprintf(borrowers + strlen(borrowers), sizeof(borrowers) - strlen(borrowers),
                 "b%u { ipa = <0x60000000>; rights = \"r\"; }; ", i);
    }
    strcat(borrowers, "};");
    window_refused(vms, borrowers, "window w: borrowers/b8: more than 8 borrowers");
    /* A borrower that is refused, or an owner. */
    free(check(VM("a", RAM) VM("b", RAM "vcpus = <9>;"), WINDOW(SIZE OWNER BORROWERS),
               LINE("vm b: vcpus: 9 are asked for, 8 are possible")));
    assert_true(m.window[0].ok);
    static const char *const owner[] = {"vm a: vcpus: 9 are asked for, 8 are possible",
                                        "window w: owner: vm a is refused", NULL};
    free(check(VM("a", RAM "vcpus = <9>;") VM("b", RAM), WINDOW(SIZE OWNER BORROWERS), owner));
    assert_false(m.window[0].ok);
    assert_true(m.vm[1].ok);
    refused(
        PAIR,
        "windows { w { " SIZE OWNER BORROWERS "}; a-name-that-is-longer-than-31-chars { " SIZE
        "owner { vm = \"a\"; ipa = <0x51000000>; }; borrowers { b { ipa = <0x61000000>; rights = \"r\"; }; }; }; };",
        "window a-name-that-is-longer-than-31-chars: name: longer than 31 characters");
}

/* The same node twice is what no compiler writes. */
static void test_twice(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct problems p = {keep_line, &lines, 0};
    size_t bytes;
    char *blob = compile_dts("/dts-v1/; / { compatible = \"bulkhead,manifest\"; windows { w { " SIZE OWNER
                             "borrowers { b { ipa = <0x60000000>; rights = \"r\"; }; q { ipa = <0x70000000>; rights = "
                             "\"r\"; }; }; }; }; vms { " PAIR VM("q", RAM) "}; };",
                             &bytes);
    for (char *c = blob; c + 1 < blob + bytes; c++)
        if (c[0] == 'q' && c[1] == '\0' && memcmp(c - 4, "\0\0\0\1", 4) == 0 && (c - blob) % 4 == 0) {
            *c = 'b';
            break;
        }
    assert_true(manifest_parse(&m, blob, bytes, &p));
    manifest_check(&m, NULL, NULL, &p);
    expect_lines(&lines, LINE("window w: borrowers/b: vm b is named twice"));
    free(blob);
}

static void test_colours(void **state)
{
#define PAINT          "memory-regions { x { pa = <0x60000000>; size = \"32M\"; coloured; }; };"
#define PLAIN          "memory-regions { x { pa = <0x60000000>; size = \"32M\"; }; };"
#define COLOURED(text) VM("a", "memory { ram { ipa = <0x40000000>; size = \"4M\"; " text " }; };")
    (void)state;
    void *blob = check(COLOURED("from = \"x\"; colours = <0 3 63 3>;"), PAINT, NONE);
    assert_true(m.vm[0].ok);
    assert_int_equal(m.vm[0].region[0].colours, 1ull << 63 | 9);
    assert_int_equal(m.vm[0].region[0].pool, 0);
    assert_int_equal(m.vm[0].pool, -1); /* the rest is from general memory, which has none of it */
    assert_int_equal(manifest_memory(&m.vm[0], true), 0);
    free(blob);
    refused(COLOURED("from = \"x\"; colours = <1>; lazy;"), PAINT, "vm a: memory/ram/colours: excludes lazy");
    refused(COLOURED("colours = <1>;"), PAINT, "vm a: memory/ram/colours: needs from");
    refused(COLOURED("from = \"x\"; colours;"), PAINT, "vm a: memory/ram/colours: not a list of 1 to 64 cells");
    refused(COLOURED("from = \"x\"; colours = <64>;"), PAINT, "vm a: memory/ram/colours: 64 is larger than 63");
    refused(COLOURED("from = \"x\"; colours = <1>;"), PLAIN,
            "vm a: memory/ram/colours: memory-region x is not coloured");
    refused(COLOURED("from = \"x\";"), PAINT, "vm a: memory/ram/from: memory-region x is coloured; say which colours");
}

static void test_pools(void **state)
{
    (void)state;
    void *blob = check(VM("a", FROM("x")), REGION("0x60000000", "\"32M\""), NONE);
    assert_int_equal(m.pools, 1);
    assert_int_equal(m.vm[0].pool, 0);
    assert_string_equal(m.pool[0].name, "x");
    assert_int_equal(m.pool[0].pa, 0x60000000);
    assert_int_equal(m.pool[0].size, 32 << 20);
    free(blob);
    free(check(VM("a", RAM), REGION("0x60000000", "\"32M\""), NONE));
    assert_int_equal(m.vm[0].pool, -1);
    refused(VM("a", RAM), REGION("0x60000800", "\"32M\""),
            "memory-region x: pa: 0x60000800 is not a multiple of 0x1000");
    refused(VM("a", RAM), REGION("0x60000000", "<0x1800>"),
            "memory-region x: size: 0x1800 is not a multiple of 0x1000");
    refused(VM("a", RAM), REGION("0x60000000", "<0>"), "memory-region x: 0x60000000 + 0x0 is not a range");
    refused(
        VM("a", RAM), REGION("0x40000000", "\"8M\""),
        "memory-region x: 0x40000000..0x40800000 overlaps hypervisor pool 0x40200000..0x42200000; move one of them");
    refused(
        VM("a", RAM), REGION("0x7f000000", "\"1M\""),
        "memory-region x: 0x7f000000..0x7f100000 overlaps reserved secure@7f000000 0x7f000000..0x7f100000; move one "
        "of them");
    refused(VM("a", RAM), REGION("0x3ff00000", "\"2M\""),
            "memory-region x: 0x3ff00000..0x40100000 is not in the machine's RAM");
    refused(VM("a", RAM), REGION("0xfff 0xfff00000", "\"2M\""),
            "memory-region x: 0xffffff00000..0x100000100000 lies beyond the machine's 44 address bits");
    refused(VM("a", RAM), "memory-regions { x { pa = <0x60000000>; }; };", "memory-region x: size: missing");
    refused(VM("a", RAM), "memory-regions { x { pa = <0x60000000>; size = \"1M\"; lazy; }; };",
            "memory-region x: lazy: unknown property");
    refused(VM("a", RAM), "memory-regions { x { pa = <0x60000000>; size = \"1M\"; y { }; }; };",
            "memory-region x: y: unknown node");
    refused(
        VM("a", RAM),
        "memory-regions { x { pa = <0x60000000>; size = \"2M\"; }; y { pa = <0x60100000>; size = \"2M\"; }; };",
        "memory-region y: 0x60100000..0x60300000 overlaps memory-region x 0x60000000..0x60200000; move one of them");
    char many[2048] = "memory-regions { ";
    for (unsigned i = 0; i < MANIFEST_POOLS + 1u; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "x%u { pa = <0x%x>; size = \"1M\"; }; ", i,
                 0x60000000 + i * 0x100000);
    strcat(many, "};");
    refused(VM("a", RAM), many, "manifest: memory-regions/x8: more than 8 named regions");
}

static void test_from(void **state)
{
    (void)state;
    const char *x = REGION("0x60000000", "\"32M\"");
    refused(VM("a", FROM("z")), x, "vm a: memory/ram/from: there is no memory-region z");
    refused(VM("a", "memory { r { ipa = <0x40000000>; size = \"1M\"; pa = <0x50000000>; from = \"x\"; }; };"), x,
            "vm a: memory/r/from: excludes pa and identity");
    static const char *const bad[] = {"memory-region x: 0x60000000 + 0x0 is not a range",
                                      "vm a: memory/ram/from: memory-region x cannot be used", NULL};
    free(check(VM("a", FROM("x")), REGION("0x60000000", "<0>"), bad));
    refused(VM("a", "granule = \"64K\"; " FROM("x")), REGION("0x60001000", "\"32M\""),
            "vm a: memory/ram/from: memory-region x 0x60001000 + 0x2000000 is not made of granules of 0x10000");
    refused(VM("a", "memory { r { ipa = <0x40000000>; size = \"1M\"; from = \"x\"; }; s { ipa = <0x50000000>; size = "
                    "\"1M\"; from = \"y\"; }; };"),
            "memory-regions { x { pa = <0x60000000>; size = \"2M\"; }; y { pa = <0x61000000>; size = \"2M\"; }; };",
            "vm a: memory/s: comes from y, memory/r from x; all that has no pa comes from one place");
    refused(VM("a", "memory { r { ipa = <0x40000000>; size = \"1M\"; from = \"x\"; }; s { ipa = <0x50000000>; size = "
                    "\"1M\"; }; };"),
            x, "vm a: memory/s: comes from anywhere, memory/r from x; all that has no pa comes from one place");
    /* What is at a chosen place is not, and must keep away from it. */
    free(
        check(VM("a", "memory { r { ipa = <0x40000000>; size = \"1M\"; from = \"x\"; }; s { ipa = <0x50000000>; size = "
                      "\"1M\"; pa = <0x70000000>; }; };"),
              x, NONE));
    refused(VM("a", "memory { r { ipa = <0x40000000>; size = \"1M\"; pa = <0x61f00000>; }; };"), x,
            "vm a: memory/r/pa: 0x61f00000..0x62000000 overlaps memory-region x 0x60000000..0x62000000; move one of "
            "them");
}

static void test_amounts(void **state)
{
    (void)state;
    refused(VM("a", FROM("x")) VM("b", FROM("x")), REGION("0x60000000", "\"24M\""),
            "vm b: memory: 0x1000000 bytes are asked for, 0x800000 are left of memory-region x");
    /* An owner's windows are memory of its own. */
    refused(VM("a", FROM("x")) VM("b", RAM), REGION("0x60000000", "\"16M\"") WINDOW(SIZE OWNER BORROWERS),
            "vm a: memory: 0x1010000 bytes are asked for, 0x1000000 are left of memory-region x");
    struct manifest_view view;
    assert_false(manifest_view(&m.vm[1], 0, &view)); /* it goes with its owner */
    /* A named region is nobody else's. */
    refused(VM("a", "memory = \"512M\";") VM("b", "memory = \"478M\";"), REGION("0x60000000", "\"32M\""),
            "vm b: memory: 0x1de00000 bytes are asked for, 0x1beff000 are left");
    /* Spare memory is a limit, and nothing is promised. */
    free(check(VM("a", RAM "spare-memory = \"64G\";"), "", NONE));
    assert_int_equal(m.vm[0].spare_memory, 64ull << 30);
}

static void test_doorbells(void **state)
{
    (void)state;
    free(check(PAIR, "", NONE));
    assert_int_equal(m.vm[0].doorbell_spi, 2);
    assert_false(m.vm[0].doorbell_given);
    free(check(VM("a", RAM "doorbell { interrupt = <40>; };"), "", NONE));
    assert_int_equal(m.vm[0].doorbell_spi, 40);
    assert_true(m.vm[0].doorbell_given);
    /* Where the usual one is in use, another is taken; one that was asked for is not. */
    free(check(VM("a", RAM "uart { interrupt = <3>; }; devices { rtc { path = \"/pl031@9010000\"; }; };"), "", NONE));
    assert_int_equal(m.vm[0].doorbell_spi, 4);
    refused(VM("a", RAM "doorbell { interrupt = <1>; };"), "", "vm a: doorbell/interrupt: SPI 1 is uart's");
    refused(VM("a", RAM "doorbell { interrupt = <2>; }; devices { rtc { path = \"/pl031@9010000\"; }; };"), "",
            "vm a: doorbell/interrupt: SPI 2 is devices/rtc's");
    refused(VM("a", RAM "doorbell { interrupt = <988>; };"), "", "vm a: doorbell/interrupt: 988 is not from 0 to 987");
    refused(VM("a", RAM "doorbell { ipa = <1>; };"), "", "vm a: doorbell/ipa: unknown property");
}

static uint64_t tree[MANIFEST_DTB_BYTES / 8], scratch[MANIFEST_DTB_BYTES / 8];

static void make_tree(unsigned vm)
{
    static const struct load_plan nothing;
    assert_int_equal(guestdtb_make(tree, sizeof(tree), &m.vm[vm], &nothing, NULL), 0);
    assert_int_equal(fdt_check_full(tree, sizeof(tree)), 0);
}

static void expect(const char *path, const char *prop, const void *want, int bytes)
{
    int len;
    const void *data = fdt_getprop(tree, fdt_path_offset(tree, path), prop, &len);
    assert_non_null(data);
    assert_int_equal(len, bytes);
    assert_memory_equal(data, want, (size_t)bytes);
}

static void expect_cells(const char *path, const char *prop, const uint32_t *want, unsigned n)
{
    fdt32_t cells[8];
    for (unsigned i = 0; i < n; i++)
        cells[i] = cpu_to_fdt32(want[i]);
    expect(path, prop, cells, (int)(n * sizeof(cells[0])));
}
#define CELLS(path, prop, ...)                                                                                         \
    expect_cells(path, prop, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

/* Each party finds the window where it has it, and not among its memory; nobody else finds anything. */
static void test_trees(void **state)
{
    (void)state;
    void *blob =
        check(VM("a", RAM) VM("b", RAM "doorbell { interrupt = <9>; };") VM("c", RAM),
              "windows { mail-box { " SIZE OWNER "borrowers { b { ipa = <0x1 0>; rights = \"r\"; }; }; }; };", NONE);
    make_tree(0);
    expect("/window@50000000", "compatible", "bulkhead,window", sizeof("bulkhead,window"));
    expect("/window@50000000", "label", "mail-box", sizeof("mail-box"));
    expect("/window@50000000", "bulkhead,rights", "rw", sizeof("rw"));
    expect("/window@50000000", "bulkhead,owner", "", 0);
    CELLS("/window@50000000", "reg", 0, 0x50000000, 0, 0x10000);
    CELLS("/window@50000000", "interrupts", 0, 2, 1);
    CELLS("/memory@40000000", "reg", 0, 0x40000000, 0, 0x1000000);
    make_tree(1);
    expect("/window@100000000", "bulkhead,rights", "r", sizeof("r"));
    CELLS("/window@100000000", "reg", 1, 0, 0, 0x10000);
    CELLS("/window@100000000", "interrupts", 0, 9, 1);
    assert_null(fdt_getprop(tree, fdt_path_offset(tree, "/window@100000000"), "bulkhead,owner", NULL));
    assert_true(fdt_path_offset(tree, "/window@50000000") < 0);
    make_tree(2);
    assert_true(fdt_node_offset_by_compatible(tree, -1, "bulkhead,window") < 0);
    /* An overlay may say &window_mail_box. */
    size_t bytes;
    void *overlay = compile_dts("/dts-v1/; /plugin/; &window_mail_box { status = \"okay\"; };", &bytes);
    make_tree(0);
    assert_int_equal(guestdtb_overlay(tree, sizeof(tree), overlay, bytes, scratch), 0);
    expect("/window@50000000", "status", "okay", sizeof("okay"));
    free(overlay);
    free(blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_read), cmocka_unit_test(test_window_words), cmocka_unit_test(test_window_places),
        cmocka_unit_test(test_two_windows), cmocka_unit_test(test_borrowers),    cmocka_unit_test(test_twice),
        cmocka_unit_test(test_pools),       cmocka_unit_test(test_colours),      cmocka_unit_test(test_from),
        cmocka_unit_test(test_amounts),     cmocka_unit_test(test_doorbells),    cmocka_unit_test(test_trees),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
