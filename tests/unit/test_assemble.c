/* Records put together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "record/assemble.h"

static const uint8_t signature[] = {0x30, 0x06, 0x02, 0x01,
                                    0xab, 0x02, 0x01, 0x0f};

static void hex_is_the_default_and_base64_is_said(void **state)
{
    (void)state;
    char text[256];
    size_t len = 0;
    assert_int_equal(mg_record_assemble(
                         "{\"PG\" : \"T1\"}", 13, MG_CURVE_SECP384R1, signature,
                         sizeof signature, false, text, sizeof text, &len),
                     MG_OK);
    assert_string_equal(text, "OCMF|{\"PG\" : \"T1\"}|{\"SA\":"
                              "\"ECDSA-secp384r1-SHA256\",\"SD\":"
                              "\"30060201AB02010F\"}");
    assert_int_equal(len, strlen(text));
    assert_int_equal(mg_record_assemble("{}", 2, MG_CURVE_SECP256R1, signature,
                                        sizeof signature, true, text,
                                        sizeof text, &len),
                     MG_OK);
    assert_string_equal(text, "OCMF|{}|{\"SA\":\"ECDSA-secp256r1-SHA256\","
                              "\"SE\":\"base64\",\"SD\":\"MAYCAasCAQ8=\"}");
    assert_int_equal(len, strlen(text));
}

static void nothing_is_written_past_the_end(void **state)
{
    (void)state;
    char text[128];
    size_t len = 77, need = 0;
    assert_int_equal(mg_record_assemble("{}", 2, MG_CURVE_SECP256R1, signature,
                                        sizeof signature, false, text,
                                        sizeof text, &need),
                     MG_OK);
    for (size_t cap = 0; cap <= need; cap++) {
        memset(text, 'x', sizeof text);
        assert_int_equal(mg_record_assemble("{}", 2, MG_CURVE_SECP256R1,
                                            signature, sizeof signature, false,
                                            text, cap, &len),
                         MG_E_NOSPC);
        assert_int_equal(text[cap], 'x');
        assert_int_equal(len, 77);
    }
    memset(text, 'x', sizeof text);
    assert_int_equal(mg_record_assemble("{}", 2, MG_CURVE_SECP256R1, signature,
                                        sizeof signature, false, text, need + 1,
                                        &len),
                     MG_OK);
    assert_int_equal(text[need], '\0');
    assert_int_equal(text[need + 1], 'x');
}

static void what_cannot_be_a_record_is_refused(void **state)
{
    (void)state;
    char text[1024];
    uint8_t longest[MG_SIGNATURE_MAX + 1] = {0};
    size_t len;
    assert_int_equal(
        mg_record_assemble("{\"TT\":\"|\"}", 10, MG_CURVE_SECP256R1, signature,
                           sizeof signature, false, text, sizeof text, &len),
        MG_E_INVAL);
    assert_int_equal(mg_record_assemble("", 0, MG_CURVE_SECP256R1, signature,
                                        sizeof signature, false, text,
                                        sizeof text, &len),
                     MG_E_INVAL);
    assert_int_equal(mg_record_assemble("{}", 2, MG_CURVE_SECP256R1, signature,
                                        0, false, text, sizeof text, &len),
                     MG_E_INVAL);
    assert_int_equal(mg_record_assemble("{}", 2, MG_N_CURVES, signature,
                                        sizeof signature, false, text,
                                        sizeof text, &len),
                     MG_E_INVAL);
    assert_int_equal(mg_record_assemble("{}", 2, MG_CURVE_SECP256R1, longest,
                                        sizeof longest, false, text,
                                        sizeof text, &len),
                     MG_E_INVAL);
    assert_int_equal(mg_record_assemble("{}", 2, MG_CURVE_SECP256R1, longest,
                                        MG_SIGNATURE_MAX, false, text,
                                        sizeof text, &len),
                     MG_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_is_the_default_and_base64_is_said),
        cmocka_unit_test(nothing_is_written_past_the_end),
        cmocka_unit_test(what_cannot_be_a_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
