/* The simulated WM3M4C: signed charging. WM3M4 manual V1.07, 5.2 to 5.5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wm3m4c_meter.h"

#include "../../plugins/wm3m4c/firmware.h"

static const struct angle in_phase = {1000, 0};

/* Dataset of manual 5.5.13 up to its readings, filled in; %s: pagination. */
#define HEAD                                                                   \
    "{\"FV\":\"1.0\",\"GI\":\"Gateway 1\",\"GS\":\"123456789\",\"PG\":\"%s\"," \
    "\"MV\":\"Iskra\",\"MM\":\"WM3M4C\",\"MS\":\"18230001\",\"MF\":\"2.08\","  \
    "\"IS\":true,\"IF\":[\"RFID_PLAIN\",\"OCPP_RS_TLS\"],\"IT\":"              \
    "\"ISO14443\",\"ID\":\"1F2D3A4F5506C7\",\"CT\":\"EVSEID\",\"CI\":\"\","    \
    "\"RD\":["
#define TAIL "\",\"ST\":\"G\"}"
#define UNIT ",\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"EF\":\""

struct want {
    char text[1025];
    size_t len;
};

static void add(struct want *w, const char *text)
{
    size_t len = strlen(text);
    assert_true(w->len + len < sizeof w->text);
    memcpy(w->text + w->len, text, len + 1);
    w->len += len;
}

static void want_head(struct want *w, const char *pagination)
{
    const char *head = HEAD;
    const char *gap = strstr(head, "%s");
    char first[512];
    *w = (struct want){.len = 0};
    memcpy(first, head, (size_t)(gap - head));
    first[gap - head] = '\0';
    add(w, first);
    add(w, pagination);
    add(w, gap + 2);
}

/* A reading as the manual prints it. */
static void want_reading(struct want *w, const char *time, const char *letter,
                         const char *value, const char *flags)
{
    add(w, w->text[w->len - 1] == '[' ? "" : ",");
    add(w, "{\"TM\":\"");
    add(w, time);
    if (letter[0] != '\0') {
        add(w, "\",\"TX\":\"");
        add(w, letter);
    }
    add(w, "\",\"RV\":");
    add(w, value);
    add(w, UNIT);
    add(w, flags);
    add(w, TAIL);
}

static void assert_output(struct meter *m, struct want *w)
{
    char text[1025];
    add(w, "]}");
    meter_output(m, text);
    assert_string_equal(text, w->text);
    assert_string_equal(m->message, text); /* that is what was signed */
}

/* Time, dataset and one of each: ready to begin. */
static void prepare(struct meter *m)
{
    meter_new(m);
    meter_run_s(m, 1);
    meter_set_time(m, UTC_2022_11_11);
    meter_dataset(m, DATASET);
}

static void start(struct meter *m)
{
    prepare(m);
    assert_int_equal(meter_command(m, 'B'), 15);
}

/* ---- Records ---- */

static void test_begin_and_end(void **state)
{
    (void)state;
    struct meter m;
    struct want w;
    prepare(&m);
    meter_load(&m, 20000, in_phase); /* 13.8 kW */
    meter_run_s(&m, 12);             /* 46 Wh: 0.04 kWh */
    meter_set_time(&m, UTC_2022_11_11);
    assert_int_equal(meter_word(&m, 47000), 0);
    assert_int_equal(meter_word(&m, 47052), 1);
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(meter_word(&m, 47000), 1);
    want_head(&w, "T1");
    want_reading(&w, "2022-11-11T13:22:28,000+0000 S", "B", "0.04", "");
    assert_output(&m, &w);
    meter_run_ms(&m, 99600); /* 0.4 s have gone for the signature */
    assert_int_equal(meter_command(&m, 'r'), 15);
    assert_int_equal(meter_word(&m, 47000), 0);
    /* Register 47076 is 0 in a new meter: the end is called r. */
    want_head(&w, "T2");
    want_reading(&w, "2022-11-11T13:22:28,000+0000 S", "B", "0.04", "");
    want_reading(&w, "2022-11-11T13:24:08,000+0000 S", "r", "0.42", "");
    assert_output(&m, &w);
    assert_int_equal(meter_wide(&m, 47013), 2);
    assert_int_equal(meter_wide(&m, 47017), 46);
    assert_int_equal(meter_wide(&m, 47021), 429);
    assert_int_equal(meter_wide(&m, 47003), 383);
    assert_int_equal(meter_wide(&m, 47001), 100);
    assert_int_equal(meter_wide(&m, 47015), UTC_2022_11_11);
    assert_int_equal(meter_wide(&m, 47019), UTC_2022_11_11 + 100);
}

/* Manual Table 12. */
static void check_end(unsigned mode, char letter, int version, bool has_begin,
                      const char *shown)
{
    struct meter m;
    struct want w;
    meter_blank(&m);
    m.options.firmware_version = version;
    meter_start(&m);
    meter_run_s(&m, 1);
    meter_set_time(&m, UTC_2022_11_11);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_write(&m, 47076, (uint16_t)mode),
                     version < 205 ? 2 : 0);
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(meter_command(&m, letter), 15);
    want_head(&w, "T2");
    char *at = strstr(w.text, "2.08");
    at[3] = (char)('0' + version % 10);
    if (has_begin) {
        want_reading(&w, "2022-11-11T13:22:28,000+0000 S", "B", "0.00", "");
    }
    want_reading(&w, "2022-11-11T13:22:28,000+0000 S", shown, "0.00", "");
    assert_output(&m, &w);
    assert_int_equal(meter_word(&m, 47000), 0);
}

static void test_end_formats(void **state)
{
    (void)state;
    check_end(0, 'r', 208, true, "r");
    check_end(1, 'r', 208, true, "E");
    check_end(2, 'r', 208, true, "E");
    check_end(1, 'r', 203, true, "r"); /* there was no such register */
    check_end(0, 'E', 208, false, "E");
    check_end(1, 'E', 208, false, "E");
    check_end(2, 'E', 208, true, "E");
    check_end(2, 'E', 203, false, "E");
    check_end(1, 'L', 208, false, "L");
    check_end(1, 'R', 208, false, "R");
    check_end(1, 'A', 208, false, "A");
    check_end(1, 'P', 208, false, "P");
    check_end(2, 'P', 208, true, "P");
}

static void test_commands_while_charging(void **state)
{
    (void)state;
    struct meter m;
    struct want w;
    start(&m);
    static const struct {
        const char *shown, *flags;
        unsigned time_at; /* where the meter keeps it; 0: nowhere */
        char letter;
    } cases[] = {{"C", "", 47027, 'C'},
                 {"T", "", 47023, 'T'},
                 {"S", "", 47039, 'S'},
                 {"X", "Et", 0, 'X'},
                 {"C", "", 47027, 'C'}};
    meter_load(&m, 20000, in_phase);
    for (unsigned k = 0; k < 5; k++) {
        static const char *const pages[] = {"T2", "T3", "T4", "T5", "T6"};
        uint32_t now = meter_wide(&m, 47007);
        uint32_t wh = meter_wide(&m, 30418);
        assert_int_equal(meter_command(&m, cases[k].letter), 15);
        assert_int_equal(meter_word(&m, 47000), 1);
        want_head(&w, pages[k]);
        assert_ptr_not_equal(strstr(m.message, w.text), NULL);
        assert_non_null(strstr(m.message, cases[k].shown));
        if (cases[k].time_at != 0) {
            assert_int_equal(meter_wide(&m, cases[k].time_at), now);
            assert_int_equal(meter_wide(&m, cases[k].time_at + 2), wh);
        }
        char tail[64] = "\"EF\":\"";
        memcpy(tail + 6, cases[k].flags, strlen(cases[k].flags));
        memcpy(tail + 6 + strlen(cases[k].flags), "\",\"ST\":\"G\"}]}", 14);
        assert_non_null(strstr(m.message, tail));
        meter_run_s(&m, 10);
    }
    assert_int_equal(meter_word(&m, 47009), 1);
    assert_int_equal(meter_word(&m, 47010), 2);
    assert_int_equal(meter_wide(&m, 47013), 6);
}

/* Own counter, own pagination, no TX; in any state (manual Table 11). */
static void test_fiscal_reading(void **state)
{
    (void)state;
    struct meter m;
    struct want w;
    prepare(&m);
    assert_int_equal(meter_command(&m, 'f'), 15);
    want_head(&w, "F1");
    want_reading(&w, "2022-11-11T13:22:28,000+0000 S", "", "0.00", "");
    assert_output(&m, &w);
    assert_int_equal(meter_wide(&m, 47011), 1);
    assert_int_equal(meter_wide(&m, 47013), 0);
    assert_int_equal(meter_wide(&m, 47031), UTC_2022_11_11);
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(meter_wide(&m, 47031), UTC_2022_11_11);
    assert_int_equal(meter_command(&m, 'f'), 15);
    want_head(&w, "F2");
    assert_non_null(strstr(m.message, w.text));
    assert_int_equal(meter_word(&m, 47000), 1);
    assert_int_equal(meter_wide(&m, 47011), 2);
    assert_int_equal(meter_wide(&m, 47013), 1);
}

static void test_hold(void **state)
{
    (void)state;
    struct meter m;
    start(&m);
    meter_load(&m, 20000, in_phase);
    meter_run_s(&m, 100);
    uint32_t held = meter_wide(&m, 30418);
    uint32_t held_at = meter_wide(&m, 47007);
    unsigned n_signed = m.n_signed;
    assert_int_equal(meter_command(&m, 'h'), 1); /* nothing to sign */
    assert_int_equal(m.n_signed, n_signed);
    assert_int_equal(meter_wide(&m, 47035), held_at);
    assert_int_equal(meter_wide(&m, 47037), held);
    meter_run_s(&m, 100);
    assert_int_equal(meter_command(&m, 'C'), 15);
    assert_int_equal(meter_wide(&m, 47029), held);
    assert_int_equal(meter_wide(&m, 47027), held_at);
    assert_non_null(strstr(m.message, "\"RV\":0.38,"));
    meter_run_s(&m, 100); /* the next one is of its own time again */
    assert_int_equal(meter_command(&m, 'C'), 15);
    assert_int_equal(meter_wide(&m, 47029), 1151);
}

static void test_last_charge(void **state)
{
    (void)state;
    struct meter m;
    struct want w;
    prepare(&m);
    assert_int_equal(meter_command(&m, 'i'), 131); /* there was none */
    assert_int_equal(meter_write(&m, 47076, 1), 0);
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(meter_command(&m, 'i'), 131);
    meter_load(&m, 20000, in_phase);
    meter_run_ms(&m, 59600);
    assert_int_equal(meter_command(&m, 'r'), 15);
    meter_run_s(&m, 60);
    assert_int_equal(meter_command(&m, 'i'), 15);
    want_head(&w, "T3");
    want_reading(&w, "2022-11-11T13:22:28,000+0000 S", "B", "0.00", "");
    want_reading(&w, "2022-11-11T13:23:28,000+0000 S", "E", "0.22", "");
    assert_output(&m, &w);
    /* Also after power was gone: then dataset and time are entered again. */
    meter_power_cycle(&m);
    assert_int_equal(meter_word(&m, 47057), 0);
    assert_int_equal(meter_command(&m, 'i'), 128);
    meter_set_time(&m, UTC_2022_11_11 + 1000);
    assert_int_equal(meter_command(&m, 'i'), 253);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'i'), 15);
    want_head(&w, "T4");
    want_reading(&w, "2022-11-11T13:22:28,000+0000 S", "B", "0.00", "");
    want_reading(&w, "2022-11-11T13:23:28,000+0000 S", "E", "0.22", "");
    assert_output(&m, &w);
}

static void test_last_charge_needs_version_208(void **state)
{
    (void)state;
    struct meter m;
    meter_blank(&m);
    m.options.firmware_version = 207;
    meter_start(&m);
    meter_set_time(&m, UTC_2022_11_11);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'i'), 130);
}

/* ---- Signatures ---- */

static void test_signature_forms(void **state)
{
    (void)state;
    struct meter m;
    char text[257];
    prepare(&m);
    /* r begins with 3 zero bytes, s with 0x9f: short, and with a 00. */
    memset(m.signature, 0, 3);
    m.signature[3] = 0x21;
    m.signature[32] = 0x9f;
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(meter_word(&m, 47058), 2 + 2 + 29 + 2 + 33);
    meter_text(&m, 48188, 68, text);
    assert_memory_equal(text, "\x30\x42\x02\x1d\x21", 5);
    assert_memory_equal(text + 4, m.signature + 3, 29);
    assert_memory_equal(text + 33, "\x02\x21\x00\x9f", 4);
    assert_memory_equal(text + 36, m.signature + 32, 32);
    meter_text(&m, 48156, 64, text);
    assert_memory_equal(text, m.signature, 64);
    meter_text(&m, 48124, 64, text);
    assert_memory_equal(text, m.public_key, 64);
    assert_int_equal(meter_word(&m, 48316), 0);
    /* Base64, manual Table 9. */
    assert_int_equal(meter_write(&m, 47059, 1), 0);
    memset(m.signature, 0x41, 64);
    assert_int_equal(meter_command(&m, 'C'), 15);
    assert_int_equal(meter_word(&m, 47058), 96);
    meter_text(&m, 48188, 96, text);
    assert_string_equal(
        text, "MEQCIEFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBAiBBQUFBQUFB"
              "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==");
}

/* 00 before a byte below 0x80, which strict decoders refuse. */
static void test_der_defect(void **state)
{
    (void)state;
    struct meter m;
    char text[257];
    meter_blank(&m);
    m.options.der_defect = 1;
    m.signature[32] = 0x80;
    meter_start(&m);
    meter_set_time(&m, UTC_2022_11_11);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(meter_word(&m, 47058), 72);
    meter_text(&m, 48188, 72, text);
    assert_memory_equal(text, "\x30\x46\x02\x21\x00\x40\x41", 7);
    assert_memory_equal(text + 37, "\x02\x21\x00\x80", 4);
}

/* Signing takes its time and does not hold up anything (manual 5.5.9). */
static void test_signing_takes_time(void **state)
{
    (void)state;
    struct meter m;
    prepare(&m);
    meter_load(&m, 20000, in_phase);
    meter_run_s(&m, 1);
    assert_int_equal(meter_write(&m, 47051, 0x4200), 0);
    assert_int_equal(meter_word(&m, 47000), 1); /* at once */
    assert_int_equal(meter_word(&m, 47052), 2);
    assert_int_equal(meter_word(&m, 47057), 0);
    assert_int_equal(meter_word(&m, 47058), 0);
    assert_int_equal(meter_word(&m, 47612), 0);
    assert_int_equal(meter_write(&m, 47051, 0x4300), 6); /* busy */
    uint32_t wh = meter_wide(&m, 30418);
    meter_run_ms(&m, 360);
    assert_int_equal(meter_word(&m, 47052), 2);
    assert_int_equal(meter_milli(&m, 30140), 13800000);
    assert_int_equal(wh, 3); /* 3.83 Wh, then 5.21 */
    assert_int_equal(meter_wide(&m, 30418), 5);
    assert_int_equal(meter_wide(&m, 47013), 0); /* not yet */
    meter_run_ms(&m, 40);
    assert_int_equal(meter_word(&m, 47052), 15);
    assert_int_equal(meter_word(&m, 47612), 0x7b22);
    assert_int_equal(meter_wide(&m, 47013), 1);
}

/* Manual 5.5.10: until the next signature request or power-down. */
static void test_output_stays(void **state)
{
    (void)state;
    struct meter m;
    char before[1025];
    char after[1025];
    start(&m);
    meter_output(&m, before);
    assert_int_equal(meter_command(&m, 'B'), 131); /* refused: no request */
    meter_run_s(&m, 3600);
    meter_output(&m, after);
    assert_string_equal(after, before);
    assert_int_equal(meter_word(&m, 47058), 70);
    meter_power_cycle(&m);
    assert_int_equal(meter_word(&m, 47057), 0);
    assert_int_equal(meter_word(&m, 47058), 0);
    assert_int_equal(meter_word(&m, 47612), 0);
    assert_int_equal(meter_word(&m, 48156), 0);
}

/* ---- Refusals (manual Table 7) ---- */

static void test_refusals(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    assert_int_equal(meter_word(&m, 47052), 0); /* not initialised */
    meter_run_s(&m, 1);
    assert_int_equal(meter_word(&m, 47052), 1);
    assert_int_equal(meter_command(&m, 'B'), 128);
    meter_set_time(&m, UTC_2022_11_11);
    assert_int_equal(meter_command(&m, 'B'), 253);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_write(&m, 47056, 1025), 0);
    assert_int_equal(meter_command(&m, 'B'), 253);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'b'), 130);
    assert_int_equal(meter_command(&m, 'E'), 131);
    assert_int_equal(meter_command(&m, 'h'), 131);
    assert_int_equal(meter_command(&m, 'X'), 131);
    assert_int_equal(meter_word(&m, 47000), 0);
    assert_int_equal(m.n_signed, 0);
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(meter_command(&m, 'B'), 131);
    assert_int_equal(meter_command(&m, 'C'), 15);
}

static const struct {
    const char *text;
    unsigned status;
} formats[] = {
    /* The manual's minimum, and what the field adds or leaves out. */
    {"{\"FV\":\"1.0\",\"GI\":\"\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\","
     "\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],\"IT\":"
     "\"NONE\",\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}",
     15},
    {"{\"FV\":\"1.3\",\"GI\":\"\",\"GS\":\"\",\"GV\":\"1\",\"PG\":\"\","
     "\"MV\":\"\",\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":false,\"IL\":"
     "\"NONE\",\"IT\":\"NONE\",\"ID\":\"a\\\"b\\u00e9\",\"TT\":\"\","
     "\"CF\":\"x\",\"CT\":\"EVSEID\",\"CI\":\"\xc3\xa9\",\"RD\":[]}",
     15},
    {"{ \"FV\":\"1.0\",\"GI\":\"\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\","
     "\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],\"IT\":"
     "\"NONE\",\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}",
     252},
    {"{\"GI\":\"\",\"FV\":\"1.0\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\","
     "\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],\"IT\":"
     "\"NONE\",\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}",
     252},
    /* No GS. */
    {"{\"FV\":\"1.0\",\"GI\":\"\",\"PG\":\"\",\"MV\":\"\",\"MM\":\"\","
     "\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],\"IT\":\"NONE\","
     "\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}",
     252},
    /* Unknown name, IS a text, readings given, end missing. */
    {"{\"FV\":\"1.0\",\"ZZ\":\"\",\"GI\":\"\",\"GS\":\"\",\"PG\":\"\","
     "\"MV\":\"\",\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":"
     "[],\"IT\":\"NONE\",\"ID\":\"\",\"CT\":\"\",\"CI\":\"\",\"RD\":[]}",
     252},
    {"{\"FV\":\"1.0\",\"GI\":\"\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\","
     "\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":\"\",\"IF\":[],\"IT\":"
     "\"NONE\",\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}",
     252},
    {"{\"FV\":\"1.0\",\"GI\":\"\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\","
     "\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],\"IT\":"
     "\"NONE\",\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[{}]}",
     252},
    {"{\"FV\":\"1.0\",\"GI\":\"\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\","
     "\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],\"IT\":"
     "\"NONE\",\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]",
     252},
    {"{\"FV\":\"1.0\",\"GI\":\"a\"b\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\","
     "\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],\"IT\":"
     "\"NONE\",\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}",
     252},
    /* TT twice, a control character, something behind the end. */
    {"{\"FV\":\"1.0\",\"TT\":\"\",\"TT\":\"\",\"GI\":\"\",\"GS\":\"\","
     "\"PG\":\"\",\"MV\":\"\",\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":"
     "true,\"IF\":[],\"IT\":\"NONE\",\"ID\":\"\",\"CT\":\"\",\"CI\":\"\","
     "\"RD\":[]}",
     252},
    {"{\"FV\":\"1.0\",\"GI\":\"a\tb\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\","
     "\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],\"IT\":"
     "\"NONE\",\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}",
     252},
    {"{\"FV\":\"1.0\",\"GI\":\"\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\","
     "\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],\"IT\":"
     "\"NONE\",\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}}",
     252},
    {"OCMF", 252},
};

static void test_formats(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        struct meter m;
        prepare(&m);
        meter_dataset(&m, formats[k].text);
        assert_int_equal(meter_command(&m, 'B'), formats[k].status);
        assert_int_equal(meter_word(&m, 47000), formats[k].status == 15);
    }
}

/* Every beginning of a dataset is refused, and none upsets the meter. */
static void test_cut_datasets(void **state)
{
    (void)state;
    struct meter m;
    prepare(&m);
    for (unsigned len = 1; len < sizeof DATASET - 1; len++) {
        assert_int_equal(meter_write(&m, 47056, (uint16_t)len), 0);
        assert_int_equal(meter_command(&m, 'B'), 252);
    }
}

/* 1024 bytes may come in, and no more may go out (registers to 48123). */
static void test_greatest_dataset(void **state)
{
    (void)state;
    struct meter m;
    char text[1025];
    char out[1025];
    const char *tail = "\",\"RD\":[]}";
    size_t head = strlen(DATASET) - strlen(tail);
    for (size_t room = 0; room < 3; room++) {
        start(&m);
        size_t grown = strlen(m.message) - strlen(DATASET);
        size_t len = 1024 - grown - 1 + room;
        assert_int_equal(meter_command(&m, 'E'), 15);
        memcpy(text, DATASET, head);
        memset(text + head, 'x', len - head);
        memcpy(text + len - strlen(tail), tail, strlen(tail));
        text[len] = '\0';
        meter_dataset(&m, text);
        assert_int_equal(meter_command(&m, 'B'), room < 2 ? 15 : 253);
        if (room < 2) {
            meter_output(&m, out);
            assert_int_equal(strlen(out), 1023 + room);
        }
    }
}

/* The input can be read back, stays, and takes any split of writes. */
static void test_input(void **state)
{
    (void)state;
    struct meter m;
    char text[512];
    size_t len = strlen(DATASET);
    prepare(&m);
    meter_dataset(&m, "");
    for (size_t k = 0; k < len; k += 2) {
        unsigned word = (unsigned)(uint8_t)DATASET[k] << 8 |
                        (unsigned)(uint8_t)DATASET[k + 1];
        assert_int_equal(
            meter_write(&m, 47100 + (unsigned)k / 2, (uint16_t)word), 0);
    }
    assert_int_equal(meter_write(&m, 47056, (uint16_t)len), 0);
    meter_text(&m, 47100, (unsigned)len, text);
    assert_string_equal(text, DATASET);
    assert_int_equal(meter_word(&m, 47056), len);
    assert_int_equal(meter_command(&m, 'B'), 15);
    meter_text(&m, 47100, (unsigned)len, text);
    assert_string_equal(text, DATASET);
}

/* ---- Crypto faults ---- */

static void test_crypto_faults(void **state)
{
    (void)state;
    struct meter m;
    const struct mg_firmware *fw = &wm3m4c_firmware;
    prepare(&m);
    assert_int_equal(fw->fault(m.state, MG_FW_FAULT_CRYPTO), 0);
    assert_int_equal(meter_word(&m, 49000), 0x8000);
    assert_int_equal(meter_command(&m, 'B'), 247);
    assert_int_equal(fw->fault(m.state, MG_FW_FAULT_NONE), 0);
    assert_int_equal(meter_command(&m, 'B'), 15);
    /* A running one can be ended, without a signature; 'i' makes it good. */
    assert_int_equal(meter_write(&m, 47051, 0x7200), 0);
    assert_int_equal(meter_word(&m, 47052), 2);
    assert_int_equal(fw->fault(m.state, MG_FW_FAULT_CRYPTO), 0);
    meter_run_ms(&m, 40);
    assert_int_equal(meter_word(&m, 47052), 254);
    assert_int_equal(meter_word(&m, 47057), 0);
    assert_int_equal(meter_word(&m, 47000), 0);
    assert_int_equal(fw->fault(m.state, MG_FW_FAULT_NONE), 0);
    assert_int_equal(meter_wide(&m, 47013), 1);
    assert_int_equal(meter_command(&m, 'i'), 15);
    assert_non_null(strstr(m.message, "\"PG\":\"T2\""));
}

static void test_silent_chip(void **state)
{
    (void)state;
    struct meter m;
    prepare(&m);
    m.is_chip_silent = true;
    assert_int_equal(meter_command(&m, 'B'), 254);
    assert_int_equal(meter_word(&m, 49000), 0x8000);
}

static void test_statuses_of_the_chip(void **state)
{
    (void)state;
    static const uint8_t statuses[] = {243, 244, 245, 246, 248,
                                       250, 251, 254, 255};
    for (size_t k = 0; k < sizeof statuses; k++) {
        struct meter m;
        meter_blank(&m);
        m.options.crypto_status = statuses[k];
        meter_start(&m);
        meter_set_time(&m, UTC_2022_11_11);
        meter_dataset(&m, DATASET);
        assert_int_equal(meter_command(&m, 'f'), statuses[k]);
        assert_int_equal(meter_word(&m, 47057), 0);
        assert_int_equal(meter_wide(&m, 47011), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begin_and_end),
        cmocka_unit_test(test_end_formats),
        cmocka_unit_test(test_commands_while_charging),
        cmocka_unit_test(test_fiscal_reading),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_last_charge),
        cmocka_unit_test(test_last_charge_needs_version_208),
        cmocka_unit_test(test_signature_forms),
        cmocka_unit_test(test_der_defect),
        cmocka_unit_test(test_signing_takes_time),
        cmocka_unit_test(test_output_stays),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_cut_datasets),
        cmocka_unit_test(test_greatest_dataset),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_crypto_faults),
        cmocka_unit_test(test_silent_chip),
        cmocka_unit_test(test_statuses_of_the_chip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
