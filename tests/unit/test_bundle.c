/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The bundle and SHA-256: what is right is read, what is not is named, and no byte outside is touched. */
#include "manifest_world.h"

static unsigned char fit[1u << 16];

static void hex(const uint8_t digest[SHA256_BYTES], char out[2 * SHA256_BYTES + 1])
{
    for (unsigned i = 0; i < SHA256_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* FIPS 180-4's examples, and lengths around the block's end (values by sha256sum). */
static void test_sha256(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned repeat;
        const char *digest;
    } cases[] = {
        {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
        {"a", 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {"a", 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {"a", 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
    };
    static char data[1000001];
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = strlen(cases[i].text);
        for (unsigned k = 0; k < cases[i].repeat; k++)
            memcpy(data + k * n, cases[i].text, n);
        uint8_t digest[SHA256_BYTES];
        char text[2 * SHA256_BYTES + 1];
        sha256(data, n * cases[i].repeat, digest);
        hex(digest, text);
        assert_string_equal(text, cases[i].digest);
    }
}

static size_t good_bundle(void)
{
    static const struct file files[] = {{"dir/kernel", "kernel bytes", 12}, {"empty", "", 0}, {"initrd", "xyz", 3}};
    return make_bundle(fit, sizeof(fit), "the manifest", 12, files, 3);
}

static bool open_bundle(struct bundle *b, const void *data, size_t bytes, const char *const *want)
{
    struct lines lines = {0};
    struct problems p = {keep_line, &lines, 0};
    bool ok = bundle_open(b, data, bytes, &p);
    expect_lines(&lines, want);
    return ok;
}

static void test_good(void **state)
{
    (void)state;
    static struct bundle b;
    assert_true(open_bundle(&b, fit, good_bundle(), NONE));
    assert_int_equal(b.images, 3);
    assert_int_equal(b.manifest.size, 12);
    assert_memory_equal(b.manifest.data, "the manifest", 12);
    const struct bundle_image *image = bundle_find(&b, "dir/kernel");
    assert_non_null(image);
    assert_int_equal(image->size, 12);
    assert_memory_equal(image->data, "kernel bytes", 12);
    assert_int_equal(bundle_find(&b, "empty")->size, 0);
    assert_null(bundle_find(&b, "kernel"));
    assert_null(bundle_find(&b, "manifest"));
}

static void test_damaged_image(void **state)
{
    (void)state;
    static struct bundle b;
    size_t bytes = good_bundle();
    unsigned char *at = memmem(fit, bytes, "kernel bytes", 12);
    at[3] ^= 1;
    assert_true(open_bundle(&b, fit, bytes, LINE("bundle: image \"dir/kernel\": sha256 differs")));
    assert_true(bundle_find(&b, "dir/kernel")->damaged);
    assert_false(bundle_find(&b, "initrd")->damaged);
    at[3] ^= 1;
    at = memmem(fit, bytes, "the manifest", 12);
    at[0] ^= 0x80;
    assert_false(open_bundle(&b, fit, bytes, LINE("bundle: image \"manifest\": sha256 differs")));
}

static void test_no_hash(void **state)
{
    (void)state;
    static struct bundle b;
    size_t bytes = good_bundle();
    int hash = fdt_path_offset(fit, "/images/image-1/hash-1");
    assert_int_equal(fdt_setprop_inplace(fit, hash, "algo", "crc32\0", 7), 0);
    assert_true(open_bundle(&b, fit, bytes, LINE("bundle: image \"dir/kernel\": it has no sha256")));
    assert_true(bundle_find(&b, "dir/kernel")->damaged);
}

static void test_outside(void **state)
{
    (void)state;
    static struct bundle b;
    static const struct {
        const char *prop;
        uint32_t value;
    } cases[] = {{"data-size", 4096}, {"data-size", UINT32_MAX}, {"data-offset", UINT32_MAX}, {"data-offset", 60000}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = good_bundle();
        int node = fdt_path_offset(fit, "/images/image-3");
        assert_int_equal(fdt_setprop_inplace_u32(fit, node, cases[i].prop, cases[i].value), 0);
        assert_true(open_bundle(&b, fit, bytes, LINE("bundle: image \"initrd\": its data lies outside the bundle")));
        assert_int_equal(bundle_find(&b, "initrd")->size, 0);
    }
}

static void test_structure(void **state)
{
    (void)state;
    static struct bundle b;
    size_t bytes = good_bundle();
    assert_false(open_bundle(&b, fit, 0, LINE("bundle: not a FIT image (no device tree at its start)")));
    fit[0] ^= 0xff;
    assert_false(open_bundle(&b, fit, bytes, LINE("bundle: not a FIT image (no device tree at its start)")));
    size_t other;
    void *blob = compile_dts("/dts-v1/; / { };", &other);
    assert_false(open_bundle(&b, blob, other, LINE("bundle: damaged: it has no /images")));
    free(blob);
    blob = compile_dts("/dts-v1/; / { images { }; };", &other);
    assert_false(open_bundle(&b, blob, other, LINE("bundle: it has no manifest")));
    free(blob);
}

/* Cut anywhere: never more than refused, never a read beyond (each copy is a block of its own for the sanitizers). */
static void test_truncated(void **state)
{
    (void)state;
    static struct bundle b;
    size_t bytes = good_bundle();
    for (size_t cut = 0; cut < bytes; cut++) {
        struct lines lines = {0};
        struct problems p = {keep_line, &lines, 0};
        void *copy = malloc(cut + 1);
        memcpy(copy, fit, cut);
        bool ok = bundle_open(&b, copy, cut, &p);
        if (lines.n == 0) {
            assert_true(ok); /* only the padding behind the last image was cut */
            assert_true(bytes - cut <= 8);
        }
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),    cmocka_unit_test(test_good),    cmocka_unit_test(test_damaged_image),
        cmocka_unit_test(test_no_hash),   cmocka_unit_test(test_outside), cmocka_unit_test(test_structure),
        cmocka_unit_test(test_truncated),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
