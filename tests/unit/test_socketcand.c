/* The text of the socketcand protocol, both ways: as socketcand 0.6 and
 * python-can's client write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/socketcand.h"

static struct mg_socketcand_element parsed(const char *text)
{
    struct mg_socketcand_element e;
    if (mg_socketcand_parse(text, strlen(text), &e) != MG_OK) {
        fail_msg("refused: %s", text);
    }
    return e;
}

static void assert_frame(const struct mg_can_frame *f, uint32_t id,
                         bool is_extended, size_t len, const char *data)
{
    assert_int_equal(f->id, id);
    assert_int_equal(f->is_extended, is_extended);
    assert_int_equal(f->len, len);
    assert_memory_equal(f->data, data, len);
    assert_false(f->is_fd || f->is_remote || f->is_brs);
}

static void test_words(void **state)
{
    (void)state;
    assert_int_equal(parsed("< hi >").kind, MG_SOCKETCAND_HI);
    assert_int_equal(parsed("< ok >").kind, MG_SOCKETCAND_OK);
    assert_int_equal(parsed("<ok>").kind, MG_SOCKETCAND_OK);
    assert_int_equal(parsed("<  ok   >").kind, MG_SOCKETCAND_OK);
    assert_int_equal(parsed("< rawmode >").kind, MG_SOCKETCAND_RAWMODE);
    assert_int_equal(parsed("< echo >").kind, MG_SOCKETCAND_ECHO);
    assert_int_equal(parsed("< ok ok >").kind, MG_SOCKETCAND_OTHER);
    assert_int_equal(parsed("< okay >").kind, MG_SOCKETCAND_OTHER);
    assert_int_equal(parsed("< bcmmode >").kind, MG_SOCKETCAND_OTHER);
    assert_int_equal(parsed("< stat 0 0 0 0 >").kind, MG_SOCKETCAND_OTHER);
}

static void test_open(void **state)
{
    (void)state;
    struct mg_socketcand_element e = parsed("< open can0 >");
    assert_int_equal(e.kind, MG_SOCKETCAND_OPEN);
    assert_string_equal(e.bus, "can0");
    assert_string_equal(parsed("< open fifteen-letters >").bus,
                        "fifteen-letters");
    assert_string_equal(parsed("< open c\x01\xff >").bus, "c??");
}

static void test_error(void **state)
{
    (void)state;
    struct mg_socketcand_element e = parsed("< error could not open bus >");
    assert_int_equal(e.kind, MG_SOCKETCAND_ERROR);
    assert_string_equal(e.text, "could not open bus");
    e = parsed("< error a\tb\033[2J >");
    assert_string_equal(e.text, "a?b?[2J");
    e = parsed("< error >");
    assert_int_equal(e.kind, MG_SOCKETCAND_ERROR);
    assert_string_equal(e.text, "");
    e = parsed("< error 040 1700000000.123456 >");
    assert_int_equal(e.kind, MG_SOCKETCAND_ERROR_FRAME);
    assert_int_equal(e.error_class, 0x40);
    e = parsed("< error 12 monkeys >");
    assert_int_equal(e.kind, MG_SOCKETCAND_ERROR);
    assert_string_equal(e.text, "12 monkeys");
}

static void test_frame(void **state)
{
    (void)state;
    struct mg_socketcand_element e =
        parsed("< frame 123 1700000000.123456 112233445566AAff >");
    assert_int_equal(e.kind, MG_SOCKETCAND_FRAME);
    assert_frame(&e.frame, 0x123, false, 8, "\x11\x22\x33\x44\x55\x66\xaa\xff");
    e = parsed("< frame 123 23.424242 11 22 33 44 55 66 77 88 >");
    assert_frame(&e.frame, 0x123, false, 8, "\x11\x22\x33\x44\x55\x66\x77\x88");
    e = parsed("< frame 00000123 1.0 11 >");
    assert_frame(&e.frame, 0x123, true, 1, "\x11");
    e = parsed("< frame 1FFFFFFF 1.0  >");
    assert_frame(&e.frame, 0x1fffffff, true, 0, "");
    e = parsed("< frame 7ff 0 >");
    assert_frame(&e.frame, 0x7ff, false, 0, "");
    e = parsed("< frame 800 0 >");
    assert_frame(&e.frame, 0x800, true, 0, "");
}

static void test_send(void **state)
{
    (void)state;
    struct mg_socketcand_element e =
        parsed("< send 123 8 11 22 33 44 55 66 77 88 >");
    assert_int_equal(e.kind, MG_SOCKETCAND_SEND);
    assert_frame(&e.frame, 0x123, false, 8, "\x11\x22\x33\x44\x55\x66\x77\x88");
    /* python-can: no leading zeros anywhere */
    e = parsed("< send 7 3 0 a ff >");
    assert_frame(&e.frame, 7, false, 3, "\x00\x0a\xff");
    e = parsed("< send 18DAF110 1 1 >");
    assert_frame(&e.frame, 0x18daf110, true, 1, "\x01");
    e = parsed("< send 123 0  >");
    assert_frame(&e.frame, 0x123, false, 0, "");
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "<",
        ">",
        "<>",
        "<   >",
        "hi",
        "< hi",
        "hi >",
        "< open >",
        "< open can0 can1 >",
        "< open sixteen-letters- >",
        "< frame >",
        "< frame 123 >",
        "< frame 123 now 11 >",
        "< frame 123 . 11 >",
        "< frame 123 1.2.3 11 >",
        "< frame 123 -1.0 11 >",
        "< frame 12g 1.0 11 >",
        "< frame 0x123 1.0 11 >",
        "< frame 20000000 1.0 11 >",
        "< frame 000000123 1.0 11 >",
        "< frame 123 1.0 1 >",
        "< frame 123 1.0 1g >",
        "< frame 123 1.0 112233445566778899 >",
        "< frame 123 1.0 11 22 33 44 55 66 77 88 99 >",
        "< frame 123 1.0 11 22 33 44 55 66 7788 99 >",
        "< send >",
        "< send 123 >",
        "< send 123 1 >",
        "< send 123 1 11 22 >",
        "< send 123 9 1 2 3 4 5 6 7 8 9 >",
        "< send 123 8 1 2 3 4 5 6 7 >",
        "< send 123 -1 >",
        "< send 123 1 111 >",
        "< send 123 1 zz >",
        "< send 20000000 1 11 >",
    };
    struct mg_socketcand_element e;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (mg_socketcand_parse(texts[i], strlen(texts[i]), &e) != MG_E_PROTO) {
            fail_msg("taken: %s", texts[i]);
        }
    }
}

/* Nothing is written beyond the arrays, however many words there are. */
static void test_longest(void **state)
{
    char text[MG_SOCKETCAND_MAX + 1];
    struct mg_socketcand_element e;
    (void)state;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = i % 2 == 0 ? ' ' : 'x';
    }
    text[0] = '<';
    text[MG_SOCKETCAND_MAX - 1] = '>';
    assert_int_equal(mg_socketcand_parse(text, MG_SOCKETCAND_MAX, &e), MG_OK);
    assert_int_equal(e.kind, MG_SOCKETCAND_OTHER);
    text[MG_SOCKETCAND_MAX] = '>';
    assert_int_equal(mg_socketcand_parse(text, sizeof text, &e), MG_E_PROTO);
}

/* ---- Writing ---- */

static void test_put(void **state)
{
    char text[MG_SOCKETCAND_MAX];
    struct mg_can_frame f = {.id = 0x12, .len = 3, .data = {0x11, 0, 0xab}};
    (void)state;
    size_t n = mg_socketcand_put_frame(&f, 1700000000012345, text);
    assert_string_equal(text, "< frame 012 1700000000.012345 1100AB >");
    assert_int_equal(n, strlen(text));
    n = mg_socketcand_put_send(&f, text);
    assert_string_equal(text, "< send 012 3 11 00 AB >");
    assert_int_equal(n, strlen(text));
    f.is_extended = true;
    f.len = 0;
    n = mg_socketcand_put_frame(&f, 0, text);
    assert_string_equal(text, "< frame 00000012 0.000000  >");
    assert_int_equal(n, strlen(text));
    n = mg_socketcand_put_send(&f, text);
    assert_string_equal(text, "< send 00000012 0 >");
    assert_int_equal(n, strlen(text));
}

static void test_not_put(void **state)
{
    static const struct mg_can_frame frames[] = {
        {.id = 1, .is_fd = true, .len = 4},
        {.id = 1, .is_remote = true},
        {.id = 1, .len = 9},
        {.id = 0x800},
        {.id = 0x20000000, .is_extended = true}};
    char text[MG_SOCKETCAND_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        assert_int_equal(mg_socketcand_put_frame(&frames[i], 0, text), 0);
        assert_int_equal(mg_socketcand_put_send(&frames[i], text), 0);
    }
    assert_int_equal(
        mg_socketcand_put_frame(&(struct mg_can_frame){.id = 1}, -1, text), 0);
}

static void assert_same(const char *text, const struct mg_can_frame *frame)
{
    struct mg_socketcand_element e = parsed(text);
    assert_memory_equal(&e.frame, frame, sizeof *frame);
}

/* What is written is read as the same, at the ends of every range. */
static void test_there_and_back(void **state)
{
    static const uint32_t ids[] = {0, 1, 0xff, 0x100, 0x7ff, 0x800, 0x1fffffff};
    char text[MG_SOCKETCAND_MAX];
    (void)state;
    for (size_t i = 0; i < 2 * sizeof ids / sizeof *ids; i++) {
        struct mg_can_frame f = {.id = ids[i / 2], .is_extended = i % 2 == 1};
        if (!f.is_extended && f.id > MG_CAN_STANDARD_MAX) {
            continue;
        }
        for (; f.len <= MG_CAN_CLASSIC_MAX; f.len++) {
            memset(f.data, f.len * 31, f.len);
            assert_true(mg_socketcand_put_frame(&f, INT64_MAX, text) > 0);
            assert_same(text, &f);
            assert_true(mg_socketcand_put_send(&f, text) > 0);
            assert_same(text, &f);
        }
    }
}

/* ---- Cutting ---- */

static void test_cut(void **state)
{
    static const char stream[] = "x\n< hi >\n< ok >< ec";
    const char *element = NULL;
    size_t len = 0, used = 0;
    (void)state;
    assert_int_equal(
        mg_socketcand_cut(stream, strlen(stream), &element, &len, &used),
        MG_OK);
    assert_ptr_equal(element, stream + 2);
    assert_int_equal(len, 6);
    assert_int_equal(used, 8);
    assert_int_equal(mg_socketcand_cut(stream + 8, strlen(stream) - 8, &element,
                                       &len, &used),
                     MG_OK);
    assert_ptr_equal(element, stream + 9);
    assert_int_equal(used, 7);
    assert_int_equal(mg_socketcand_cut(stream + 15, strlen(stream) - 15,
                                       &element, &len, &used),
                     MG_E_BUSY);
    assert_int_equal(used, 0); /* stays */
    assert_int_equal(mg_socketcand_cut("\r\n ", 3, &element, &len, &used),
                     MG_E_BUSY);
    assert_int_equal(used, 3); /* goes */
    assert_int_equal(mg_socketcand_cut("", 0, &element, &len, &used),
                     MG_E_BUSY);
    assert_int_equal(used, 0);
}

static void test_cut_too_long(void **state)
{
    char stream[MG_SOCKETCAND_MAX + 8];
    const char *element = NULL;
    size_t len = 0, used = 0;
    (void)state;
    memset(stream, 'x', sizeof stream);
    stream[0] = '<';
    assert_int_equal(
        mg_socketcand_cut(stream, MG_SOCKETCAND_MAX - 1, &element, &len, &used),
        MG_E_BUSY);
    assert_int_equal(
        mg_socketcand_cut(stream, MG_SOCKETCAND_MAX, &element, &len, &used),
        MG_E_PROTO);
    stream[MG_SOCKETCAND_MAX] = '>';
    assert_int_equal(
        mg_socketcand_cut(stream, sizeof stream, &element, &len, &used),
        MG_E_PROTO);
    stream[MG_SOCKETCAND_MAX - 1] = '>';
    assert_int_equal(
        mg_socketcand_cut(stream, sizeof stream, &element, &len, &used), MG_OK);
    assert_int_equal(len, MG_SOCKETCAND_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_not_put),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_cut_too_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
