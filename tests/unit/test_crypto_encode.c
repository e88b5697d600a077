/* Hex and base64: what is written, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "crypto/encode.h"

static int hex(const char *text, uint8_t *ret, size_t cap, size_t *ret_len)
{
    return mg_hex_read(text, strlen(text), ret, cap, ret_len);
}

static int base64(const char *text, uint8_t *ret, size_t cap, size_t *ret_len)
{
    return mg_base64_read(text, strlen(text), ret, cap, ret_len);
}

static void test_hex(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x9a, 0xff, 0x0f};
    uint8_t back[4];
    char text[9];
    size_t len = 0;
    mg_hex_write(bytes, sizeof bytes, true, text);
    assert_string_equal(text, "009AFF0F");
    mg_hex_write(bytes, sizeof bytes, false, text);
    assert_string_equal(text, "009aff0f");
    assert_int_equal(hex("009aFF0f", back, sizeof back, &len), MG_OK);
    assert_int_equal(len, 4);
    assert_memory_equal(back, bytes, 4);
    assert_int_equal(hex("", back, sizeof back, &len), MG_OK);
    assert_int_equal(len, 0);
}

static void test_hex_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"0",    "00a",  "0g", "g0",      " 00",
                                      "0 0a", "00\n", "0x", "/0",      ":0",
                                      "@0",   "`0",   "G0", "\xff\x30"};
    uint8_t bytes[4];
    size_t len = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(hex(bad[i], bytes, sizeof bytes, &len), MG_E_PROTO);
    }
    assert_int_equal(hex("0011223344", bytes, sizeof bytes, &len), MG_E_NOSPC);
    assert_int_equal(mg_hex_read("0\0", 2, bytes, 4, &len), MG_E_PROTO);
    assert_int_equal(len, 77);
}

/* RFC 4648, 10 */
static const struct {
    const char *plain, *text;
} rfc[] = {{"", ""},
           {"f", "Zg=="},
           {"fo", "Zm8="},
           {"foo", "Zm9v"},
           {"foob", "Zm9vYg=="},
           {"fooba", "Zm9vYmE="},
           {"foobar", "Zm9vYmFy"}};

static void test_base64(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rfc / sizeof *rfc; i++) {
        size_t len = strlen(rfc[i].plain), n = 0;
        char text[16];
        uint8_t bytes[8];
        mg_base64_write((const uint8_t *)rfc[i].plain, len, text);
        assert_string_equal(text, rfc[i].text);
        assert_int_equal(strlen(text), MG_BASE64_LEN(len));
        assert_int_equal(base64(text, bytes, len, &n), MG_OK);
        assert_int_equal(n, len);
        assert_memory_equal(bytes, rfc[i].plain, len);
    }
}

static void test_base64_of_every_byte(void **state)
{
    (void)state;
    uint8_t bytes[256], back[256];
    char text[MG_BASE64_LEN(256) + 1];
    size_t n = 0;
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    mg_base64_write(bytes, sizeof bytes, text);
    assert_int_equal(base64(text, back, sizeof back, &n), MG_OK);
    assert_int_equal(n, sizeof bytes);
    assert_memory_equal(back, bytes, n);
}

static void test_base64_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"Zg",        "Zg=",      "Zg===", "Z===",
                                      "A===",      "AA=A",     "====",  "=",
                                      "Zm9v====",  "Zg==Zg==", "Z=g=",  "Zm9vY",
                                      "Zm 9v",     "Zm9v\n",   " Zm9",  "Zm-_",
                                      "Zm9v Yg==", /* and bits left over: */
                                      "Zh==",      "Zm9=",     "Z/=="};
    uint8_t bytes[8];
    size_t len;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(base64(bad[i], bytes, sizeof bytes, &len), MG_E_PROTO);
    }
    assert_int_equal(base64("Zm9vYg==", bytes, 3, &len), MG_E_NOSPC);
    assert_int_equal(mg_base64_read("Zm9\0", 4, bytes, 8, &len), MG_E_PROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_hex_refused),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_of_every_byte),
        cmocka_unit_test(test_base64_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
