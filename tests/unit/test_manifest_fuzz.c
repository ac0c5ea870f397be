/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The fuzzer's function on manifests, a machine and a bundle that were changed a few bytes at a time: the same changes
 * every time. The real fuzzer (tests/fuzz/fuzz_manifest.c) goes on where this ends. */
#include "manifest_world.h"

#include "../fuzz/fuzz_manifest.c"

enum { TRIES = 4000, CHANGED = 6 };

static uint64_t random_state = 88172645463325252u;

static uint64_t draw(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static void change_and_try(const unsigned char *seed, size_t bytes)
{
    static const uint32_t odd[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x1000, 0xfffff000};
    unsigned char *copy = malloc(bytes);
    assert_int_equal(LLVMFuzzerTestOneInput(seed, bytes), 0);
    for (unsigned i = 0; i < TRIES; i++) {
        memcpy(copy, seed, bytes);
        for (uint64_t n = draw(CHANGED) + 1; n > 0; n--) {
            uint64_t at = draw(bytes - sizeof(odd[0]));
            if (draw(2) == 0)
                copy[at] = (unsigned char)draw(256);
            else
                memcpy(copy + at, &odd[draw(sizeof(odd) / sizeof(odd[0]))], sizeof(odd[0]));
        }
        assert_int_equal(LLVMFuzzerTestOneInput(copy, draw(8) == 0 ? draw(bytes) : bytes), 0);
    }
    free(copy);
}

static const char vms[] =
    "a { image = \"i\"; initrd = \"i\"; vcpus = <2>; cpus = <0 1>; memory = \"64M\"; devices { rtc { path = "
    "\"/pl031@9010000\"; }; }; }; b { image = \"i\"; overlay = \"i\"; on-fault = \"inject\"; granule = \"4K\"; memory "
    "{ "
    "env { ipa = <0x4000000>; size = \"256K\"; read-only; image = \"i\"; }; ram { ipa = <0x40000000>; size = \"1M\"; "
    "lazy; "
    "overcommit; }; }; uart { ipa = <0x9100000>; }; gic { distributor = <0x8100000>; }; devices { d { pa = "
    "<0x9010000>; "
    "size = <0x1000>; interrupts = <3 4>; unsafe-dma; }; }; };";

/* What lies beside the VMs. */
static const char shared[] =
    "memory-regions { x { pa = <0x60000000>; size = \"32M\"; }; }; windows { w { size = \"64K\"; owner { vm = \"a\"; "
    "ipa "
    "= <0x50000000>; }; borrowers { b { ipa = <0x60000000>; rights = \"rwx\"; }; }; }; v { size = <0x1000>; owner { vm "
    "= "
    "\"b\"; ipa = <0x51000000>; }; borrowers { a { ipa = <0x61000000>; rights = \"r\"; }; }; }; };";

static void test_manifest(void **state)
{
    (void)state;
    size_t bytes;
    void *blob = compile_vms(vms, &bytes);
    change_and_try(blob, bytes);
    free(blob);
}

static void test_shared(void **state)
{
    (void)state;
    static char source[8192];
    size_t bytes;
    snprintf(
        source, sizeof(source),
        "/dts-v1/; / { compatible = \"bulkhead,manifest\"; %s vms { %s c { image = \"i\"; spare-memory = \"1M\"; "
        "doorbell { interrupt = <9>; }; memory { r { ipa = <0x40000000>; size = \"4M\"; from = \"x\"; }; }; }; }; };",
        shared, vms);
    void *blob = compile_dts(source, &bytes);
    change_and_try(blob, bytes);
    free(blob);
}

static void test_machine(void **state)
{
    (void)state;
    size_t bytes;
    void *blob = compile_dts(machine_source, &bytes);
    change_and_try(blob, bytes);
    free(blob);
}

static void test_bundle(void **state)
{
    (void)state;
    static unsigned char fit[1u << 16];
    size_t bytes;
    void *blob = compile_vms(vms, &bytes);
    const struct file file = {"i", "some code", 9};
    change_and_try(fit, make_bundle(fit, sizeof(fit), blob, bytes, &file, 1));
    free(blob);
}

/* What it has found: a count of cells below zero, a version of the format that libfdt mishandles, and a name as long as the last
 * one of a list, with its end, of which libfdt reads one byte more. */
static void test_found(void **state)
{
    (void)state;
    struct problems p = {NULL, NULL, 0};
    struct machine m;
    size_t bytes;
    void *blob = compile_dts("/dts-v1/; / { #address-cells = <0x80000000>; #size-cells = <0xffffffff>; memory { "
                             "device_type = \"memory\"; reg = <0 0 0 0>; }; device { reg = <1 2 3 4>; }; };",
                             &bytes);
    assert_false(machine_parse(&m, blob, bytes, &p));
    assert_int_equal(m.devices, 0);
    fdt_set_version(blob, 3);
    fdt_set_last_comp_version(blob, 2);
    assert_false(machine_parse(&m, blob, bytes, &p));
    free(blob);
    blob = compile_dts("/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; device { reg = <0x1000 0x1000>; "
                       "compatible = \"seventeen-letters\"; }; };",
                       &bytes);
    (void)machine_parse(&m, blob, bytes, &p);
    assert_int_equal(m.devices, 1);
    assert_false(m.device[0].no_dma);
    free(blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest), cmocka_unit_test(test_shared), cmocka_unit_test(test_machine),
        cmocka_unit_test(test_bundle),   cmocka_unit_test(test_found),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
