/* Properties of core/model over generated input. The seed is printed; set
 * MG_SEED to run it again. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "metergate/fixed.h"
#include "model/channel.h"
#include "model/check.h"
#include "model/json.h"
#include "model/points.h"
#include "model/reading_json.h"

/* ---- Generator: SplitMix64 ---- */

static uint64_t rng;

static uint64_t next(void)
{
    uint64_t z = (rng += 0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static unsigned below(unsigned n)
{
    return (unsigned)(next() % n);
}

/* All magnitudes alike, both signs. */
static int64_t any_int(void)
{
    return (int64_t)next() >> below(64);
}

/* ---- Floats ---- */

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* 24 bits of mantissa times 10^9 = 2^9 * 5^9 are exact in the 64 bits of a long
 * double, and rintl rounds half to even. */
static void check_float(uint32_t bits, unsigned decimals)
{
    long double scale = 1;
    for (unsigned i = 0; i < decimals; i++) {
        scale *= 10;
    }
    float f = float_of(bits);
    int64_t value = -77;
    int64_t resolution = -77;
    int rc = mg_fixed_from_f32(bits, decimals, &value, &resolution);
    if (!isfinite(f)) {
        assert_int_equal(rc, MG_E_PROTO);
        return;
    }
    long double exact = (long double)f * scale;
    if (fabsl(exact) >= 0x1p62L) {
        assert_int_equal(rc, MG_E_RANGE);
        return;
    }
    assert_int_equal(rc, MG_OK);
    assert_true((long double)value == rintl(exact));
    /* Upwards; the greatest floats were refused above. */
    float up = nextafterf(fabsf(f), INFINITY);
    long double step = ((long double)up - (long double)fabsf(f)) * scale;
    assert_true((long double)resolution == fmaxl(1, ceill(step)));
}

static void float_bits_agree_with_long_double(void **state)
{
    (void)state;
    for (int i = 0; i < 300000; i++) {
        uint32_t bits = (uint32_t)next();
        if (i % 2 == 0) { /* the exponents that meters send */
            bits = (bits & 0x807fffff) | (100 + below(60)) << 23;
        }
        if (i % 3 == 0) { /* few bits: many ties */
            bits &= 0xffff0000;
        }
        check_float(bits, below(10));
    }
    for (uint32_t exponent = 0; exponent < 256; exponent++) {
        for (unsigned decimals = 0; decimals < 10; decimals++) {
            check_float(exponent << 23, decimals);
            check_float(exponent << 23 | 0x7fffff, decimals);
            check_float(exponent << 23 | 0x80000001, decimals);
        }
    }
}

/* ---- Channels ---- */

static void keys_and_channels_are_one_to_one(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        mg_channel c = MG_CHANNEL(below(MG_N_QUANTITIES + 1), below(6),
                                  below(10), below(15)) |
                       (below(50) == 0);
        char key[MG_CHANNEL_KEY_MAX];
        if (mg_channel_key(c, key) != MG_OK) {
            assert_false(mg_channel_exists(c));
            continue;
        }
        mg_channel back = 0;
        assert_int_equal(mg_channel_from_key(key, &back), MG_OK);
        assert_int_equal(back, c);
        /* A key with one byte changed is another channel's or nobody's. */
        char changed[MG_CHANNEL_KEY_MAX];
        memcpy(changed, key, sizeof changed);
        changed[below((unsigned)strlen(key))] = "_0123lmnt"[below(9)];
        if (mg_channel_from_key(changed, &back) == MG_OK) {
            assert_int_equal(mg_channel_key(back, key), MG_OK);
            assert_string_equal(key, changed);
        }
    }
}

/* ---- JSON: an oracle of its own, by code points and a stack ---- */

struct text {
    const char *at, *end;
};

static long code_point(struct text *t)
{
    if (t->at == t->end) {
        return -1;
    }
    unsigned first = (unsigned char)*t->at++;
    int n_more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if ((first >= 0x80 && first < 0xc0) || first > 0xf7) {
        return -1;
    }
    static const unsigned MASK[] = {0x7f, 0x1f, 0x0f, 0x07};
    static const long LEAST[] = {0, 0x80, 0x800, 0x10000};
    long c = (long)(first & MASK[n_more]);
    for (int i = 0; i < n_more; i++) {
        if (t->at == t->end || ((unsigned char)*t->at & 0xc0) != 0x80) {
            return -1;
        }
        c = c << 6 | (*t->at++ & 0x3f);
    }
    bool is_right =
        c >= LEAST[n_more] && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
    return is_right ? c : -1;
}

static bool is_one_of(long c, const char *set)
{
    return c > 0 && c < 0x80 && strchr(set, (int)c) != NULL;
}

static bool is_escape(struct text *t)
{
    long c = code_point(t);
    if (c != 'u') {
        return is_one_of(c, "\"\\/bfnrt");
    }
    for (int i = 0; i < 4; i++) {
        if (!is_one_of(code_point(t), "0123456789abcdef")) {
            return false;
        }
    }
    return true;
}

static bool is_string(struct text *t)
{
    if (t->at == t->end || *t->at++ != '"') {
        return false;
    }
    for (;;) {
        long c = code_point(t);
        if (c == '"') {
            return true;
        }
        if (c < 0x20 || (c == '\\' && !is_escape(t))) {
            return false;
        }
    }
}

/* -?(0|[1-9][0-9]*)(.[0-9]+)?(e-?[0-9]+)? */
static bool is_number(struct text *t)
{
    size_t left = (size_t)(t->end - t->at);
    size_t sign = left > 0 && *t->at == '-';
    char s[64] = "";
    memcpy(s, t->at, left < 63 ? left : 63);
    size_t whole = strspn(s + sign, "0123456789");
    if (whole == 0 || (whole > 1 && s[sign] == '0')) {
        return false;
    }
    size_t n = sign + whole;
    if (s[n] == '.') {
        size_t fraction = strspn(s + n + 1, "0123456789");
        if (fraction == 0) {
            return false;
        }
        n += 1 + fraction;
    }
    if (s[n] == 'e') {
        n += s[n + 1] == '-' ? 2 : 1;
        size_t power = strspn(s + n, "0123456789");
        if (power == 0) {
            return false;
        }
        n += power;
    }
    t->at += n;
    return true;
}

static bool is_word(struct text *t, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(t->end - t->at) < len || memcmp(t->at, word, len) != 0) {
        return false;
    }
    t->at += len;
    return true;
}

static bool is_scalar(struct text *t)
{
    if (t->at == t->end) {
        return false;
    }
    return *t->at == '"' ? is_string(t)
                         : is_word(t, "true") || is_word(t, "false") ||
                               is_word(t, "null") || is_number(t);
}

/* A flat object without spaces. */
static bool is_flat_object(const char *json, size_t len)
{
    struct text t = {json, json + len};
    if (!is_word(&t, "{")) {
        return false;
    }
    if (!is_word(&t, "}")) {
        do {
            if (!is_string(&t) || !is_word(&t, ":") || !is_scalar(&t)) {
                return false;
            }
        } while (is_word(&t, ","));
        if (!is_word(&t, "}")) {
            return false;
        }
    }
    return t.at == t.end;
}

enum { N_MEMBERS = 12, STRING_MAX = 24 };

struct expected {
    int64_t value, resolution;
    size_t len;
    char text[STRING_MAX];
    enum kind { TEXT, INTEGER, FLAG, DECIMAL } kind;
    unsigned decimals;
    bool is_utf8;
};

static void any_text(struct expected *e)
{
    e->len = below(STRING_MAX + 1);
    for (size_t i = 0; i < e->len; i++) {
        unsigned kind = below(4);
        unsigned c = 0x20 + below(0x5f);
        if (kind == 0) {
            c = below(256);
        } else if (kind == 1) {
            c = 0x80 + below(128);
        } else if (kind == 2) {
            c = (unsigned)"\"\\\n\t/ux"[below(7)];
        }
        e->text[i] = (char)c;
    }
    if (e->len >= 4 && below(2) == 0) {
        static const char *const GOOD[] = {"\xc2\x80", "\xe2\x82\xac",
                                           "\xf4\x8f\xbf\xbf"};
        const char *good = GOOD[below(3)];
        e->len = strlen(good);
        memcpy(e->text, good, e->len);
    }
    struct text t = {e->text, e->text + e->len};
    e->is_utf8 = true;
    while (t.at < t.end) {
        e->is_utf8 &= code_point(&t) >= 0;
    }
}

static void write_member(struct mg_json *j, int index, struct expected *e)
{
    char key[16];
    (void)snprintf(key, sizeof key, "k\"%d", index);
    mg_json_key(j, key);
    e->kind = (enum kind)below(4);
    e->value = any_int();
    switch (e->kind) {
    case TEXT:
        any_text(e);
        mg_json_str(j, e->text, e->len);
        break;
    case INTEGER:
        mg_json_int(j, e->value);
        break;
    case FLAG:
        mg_json_bool(j, e->value & 1);
        break;
    case DECIMAL:
        e->decimals = below(MG_POW10_MAX + 1);
        e->resolution = any_int();
        mg_json_decimal(j, e->value, e->decimals, e->resolution);
        break;
    }
}

/* The printed digits times their place must lie within half a place of the
 * value, and the place must not be coarser than the resolution. */
static void assert_decimal(const struct mg_json_member *m,
                           const struct expected *e)
{
    char digits[64];
    size_t n = 0;
    unsigned n_decimals = 0;
    bool is_behind = false;
    for (size_t i = 0; i < m->value_len; i++) {
        n_decimals += is_behind;
        if (m->value[i] == '.') {
            is_behind = true;
        } else {
            digits[n++] = m->value[i];
        }
    }
    digits[n] = '\0';
    assert_true(n_decimals <= e->decimals);
    int64_t printed = strtoll(digits, NULL, 10);
    int64_t place = mg_pow10(e->decimals - n_decimals);
    assert_true(place == 1 || place <= e->resolution);
    assert_true(n_decimals == 0 || place * 9 > e->resolution - place);
    /* value - printed * place, which may be beyond 64 bits by half a place */
    int64_t rest = e->value % place;
    int64_t whole = e->value / place;
    if (printed != whole) {
        assert_true(printed == whole + (e->value < 0 ? -1 : 1));
        rest = place - llabs(rest);
    }
    assert_true(2 * llabs(rest) <= place);
}

static void assert_member(const struct mg_json_member *m,
                          const struct expected *e)
{
    char buf[STRING_MAX * 3 + 1];
    size_t len;
    int64_t value;
    switch (e->kind) {
    case TEXT:
        assert_int_equal(m->type, MG_JSON_STRING);
        assert_int_equal(mg_json_string(m, buf, sizeof buf, &len), MG_OK);
        if (e->is_utf8) {
            assert_int_equal(len, e->len);
            assert_memory_equal(buf, e->text, len);
        }
        break;
    case INTEGER:
        assert_int_equal(mg_json_int64(m, &value), MG_OK);
        assert_true(value == e->value);
        break;
    case FLAG:
        assert_int_equal(m->type, MG_JSON_BOOL);
        assert_int_equal(m->value[0], e->value & 1 ? 't' : 'f');
        break;
    case DECIMAL:
        assert_int_equal(m->type, MG_JSON_NUMBER);
        assert_decimal(m, e);
        break;
    }
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        static struct expected expected[N_MEMBERS];
        char text[4096];
        struct mg_json j = mg_json_init(text, sizeof text);
        size_t n = below(N_MEMBERS + 1);
        mg_json_open(&j, '{');
        for (size_t m = 0; m < n; m++) {
            write_member(&j, (int)m, &expected[m]);
        }
        mg_json_close(&j, '}');
        assert_false(j.failed);
        assert_true(is_flat_object(text, j.len));
        struct mg_json_member members[N_MEMBERS];
        size_t n_read = 99;
        size_t error;
        assert_int_equal(mg_json_parse_flat(text, j.len, members, N_MEMBERS,
                                            &n_read, &error),
                         MG_OK);
        assert_int_equal(n_read, n);
        for (size_t m = 0; m < n; m++) {
            assert_member(&members[m], &expected[m]);
        }
        size_t cut = below((unsigned)j.len);
        assert_int_equal(
            mg_json_parse_flat(text, cut, members, N_MEMBERS, &n_read, &error),
            MG_E_PROTO);
    }
}

/* Damaged text: the reader takes nothing that the oracle does not. (It takes
 * less: no lone surrogates, no duplicates.) */
static void what_the_reader_takes_is_json(void **state)
{
    (void)state;
    static const char JSON[] =
        "{\"a\":\"x\\u20ac\\n\xc3\xa9\",\"b\":-12.50,"
        "\"c\":true,\"d\":null,\"e\":\"\\ud83d\\ude00\"}";
    for (int i = 0; i < 300000; i++) {
        char text[sizeof JSON];
        memcpy(text, JSON, sizeof JSON);
        for (unsigned n = below(3) + 1; n > 0; n--) {
            static const char BYTES[] = "\"\\{}[],:-.0129aeudtfn/\x7f\x80\xc3";
            text[below(sizeof JSON - 1)] = BYTES[below(sizeof BYTES)];
        }
        struct mg_json_member members[8];
        size_t n;
        size_t error;
        int rc =
            mg_json_parse_flat(text, sizeof JSON - 1, members, 8, &n, &error);
        if (rc == MG_OK) {
            assert_true(is_flat_object(text, sizeof JSON - 1));
        } else {
            assert_true(error <= sizeof JSON - 1);
        }
    }
}

/* ---- Time ---- */

static void times_agree_with_the_c_library(void **state)
{
    (void)state;
    for (int i = 0; i < 50000; i++) {
        int64_t ms = (int64_t)(next() % 253402300800000);
        char text[MG_TIME_TEXT];
        assert_int_equal(mg_time_format(ms, text), MG_OK);
        time_t seconds = (time_t)(ms / 1000);
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        char expected[64];
        size_t n =
            strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(expected + n, sizeof expected - n, ".%03dZ",
                       (int)(ms % 1000));
        assert_string_equal(text, expected);
        int64_t back = -1;
        assert_int_equal(mg_time_parse(text, MG_TIME_TEXT - 1, &back), MG_OK);
        assert_true(back == ms);
    }
}

/* ---- Plans ---- */

enum { POINTS_MAX = 40 };

/* A right table: rising addresses with holes, each channel once. */
static size_t any_table(struct mg_point *points)
{
    static const uint8_t ENCODINGS[] = {MG_ENC_U16, MG_ENC_S16, MG_ENC_U32,
                                        MG_ENC_S32, MG_ENC_F32};
    size_t n = 1 + below(POINTS_MAX);
    unsigned address = below(30);
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned)i;
        points[i] = (struct mg_point){
            .channel = MG_CHANNEL(MG_Q_ENERGY_ACTIVE + c / 9, 0, c % 9, 0),
            .function = (uint8_t)(3 + (below(8) == 0)),
            .encoding = ENCODINGS[below(5)],
            .group = (uint8_t)below(2),
            .exp10 = (int8_t)((int)below(10) - 3),
            .address = (uint16_t)address};
        address += 2 + (below(3) == 0 ? below(20) : 0);
    }
    for (size_t i = n; i > 1; i--) { /* in any order */
        size_t other = below((unsigned)i);
        struct mg_point p = points[i - 1];
        points[i - 1] = points[other];
        points[other] = p;
    }
    return n;
}

/* Fewest blocks by trying every division of the sorted points. */
static size_t fewest_blocks(const struct mg_driver *driver,
                            const struct mg_plan *plan)
{
    size_t best[POINTS_MAX + 1] = {0};
    const struct mg_plan_point *p = plan->points;
    for (size_t end = 1; end <= plan->n_points; end++) {
        best[end] = SIZE_MAX;
        for (size_t begin = end; begin-- > 0;) {
            bool is_new_kind =
                p[begin].row->group != p[end - 1].row->group ||
                p[begin].row->function != p[end - 1].row->function;
            bool is_far =
                begin + 1 < end &&
                p[begin + 1].address - (p[begin].address + p[begin].width) >
                    driver->max_gap;
            int span = p[end - 1].address + p[end - 1].width - p[begin].address;
            if (is_new_kind || is_far || span > driver->max_registers) {
                break;
            }
            if (best[begin] + 1 < best[end]) {
                best[end] = best[begin] + 1;
            }
        }
    }
    return best[plan->n_points];
}

static void assert_answers(const struct mg_plan *plan,
                           const struct mg_plan_block *block)
{
    static struct mg_sample sample;
    memset(&sample, 0, sizeof sample);
    uint8_t pdu[MG_PDU_MAX + 1];
    size_t len = 2 + 2 * (size_t)block->count;
    for (size_t i = 0; i < len + 1; i++) {
        pdu[i] = (uint8_t)next();
    }
    pdu[0] = block->function;
    pdu[1] = (uint8_t)(len - 2);
    for (size_t cut = 0; cut <= len + 1; cut++) {
        if (cut == len) {
            continue;
        }
        uint8_t *exact = malloc(cut + (cut == 0)); /* an overrun is seen */
        assert_non_null(exact);
        memcpy(exact, pdu, cut);
        assert_int_equal(mg_plan_decode(plan, block, exact, cut, &sample),
                         MG_E_PROTO);
        free(exact);
    }
    assert_int_equal(sample.n_values, 0);
    assert_int_equal(mg_plan_decode(plan, block, pdu, len, &sample), MG_OK);
    assert_int_equal(sample.n_values, block->n_points);
    for (size_t i = 0; i < block->n_points; i++) {
        const struct mg_plan_point *p = &plan->points[block->first_point + i];
        assert_int_equal(sample.values[i].channel, p->channel);
        assert_true(p->address >= block->address);
        assert_true(p->address + p->width <= block->address + block->count);
    }
}

static void plans_are_right_and_smallest(void **state)
{
    (void)state;
    for (int i = 0; i < 1500; i++) {
        struct mg_point points[POINTS_MAX];
        struct mg_driver driver = {.points = points,
                                   .n_points = any_table(points),
                                   .max_registers = (uint16_t)(2 + below(124)),
                                   .max_gap = (uint16_t)below(16)};
        struct mg_plan plan;
        size_t row = 99;
        assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
        assert_int_equal(plan.n_points, driver.n_points);
        assert_int_equal(plan.n_blocks, fewest_blocks(&driver, &plan));
        for (size_t b = 0; b < plan.n_blocks; b++) {
            assert_true(plan.blocks[b].count <= driver.max_registers);
            assert_answers(&plan, &plan.blocks[b]);
        }
    }
}

/* ---- Checks ---- */

enum { N_CHANNELS = 6 };

struct published {
    uint64_t epoch;
    bool has[N_CHANNELS];
    int64_t last[N_CHANNELS];
};

static mg_channel channel_of(unsigned i)
{
    return MG_CHANNEL(MG_Q_ENERGY_ACTIVE + i % 3, 0, i / 3, 0);
}

static int64_t any_level(int64_t true_level)
{
    switch (below(12)) {
    case 0:
        return any_int();
    case 1:
        return 0;
    case 2:
        return true_level + (int64_t)(next() % 100000000) - 50000000;
    case 3:
        return true_level / 2;
    default:
        return true_level;
    }
}

static void any_sample(struct mg_sample *s, uint64_t now_ns, int64_t level)
{
    memset(s, 0, sizeof *s);
    s->mono_ns = below(10) == 0 ? now_ns - next() % 4000000000 : now_ns;
    s->utc_ms =
        below(10) == 0 ? any_int() : (int64_t)(now_ns / 1000000) + 1000000;
    bool is_one_sided = below(3) == 0; /* the whole sample at one wild level */
    int64_t wild = any_level(level);
    for (unsigned n = below(2 * N_CHANNELS); n > 0; n--) {
        struct mg_value v = {
            .channel = channel_of(below(N_CHANNELS)), /* some twice */
            .quality = (uint8_t)(below(10) == 0 ? below(6) : 0),
            .value = is_one_sided ? wild : any_level(level),
            .resolution = below(100) == 0 ? any_int() : 1};
        assert_int_equal(mg_sample_add(s, &v), MG_OK);
    }
}

static void assert_never_down(struct published *p, const struct mg_sample *s)
{
    assert_true(s->epoch >= p->epoch);
    if (s->epoch > p->epoch) {
        memset(p, 0, sizeof *p);
        p->epoch = s->epoch;
    }
    for (size_t i = 0; i < s->n_values; i++) {
        const struct mg_value *v = &s->values[i];
        if (v->quality != MG_QUALITY_GOOD) {
            continue;
        }
        unsigned c = 0;
        while (channel_of(c) != v->channel) {
            c++;
        }
        assert_true(!p->has[c] || v->value >= p->last[c]);
        p->has[c] = true;
        p->last[c] = v->value;
    }
}

static void disturb(struct mg_check_state *checked)
{
    if (below(200) == 0) { /* a restart of the gateway */
        for (size_t i = 0; i < checked->n; i++) {
            checked->last[i].mono_ns = 0;
        }
    }
    if (below(500) == 0) {
        char serial = (char)('0' + below(3));
        (void)mg_check_serial(checked, &serial, 1); /* opens an epoch or not */
    }
}

static void good_counters_never_go_down_within_an_epoch(void **state)
{
    (void)state;
    static const struct mg_check_limits LIMITS = {264000, 72000, 1};
    for (int run = 0; run < 40; run++) {
        struct mg_check_state checked = {0};
        struct published published = {0};
        struct mg_sample sample;
        uint64_t now_ns = 1000000000000;
        int64_t level = 1000000000;
        bool is_wild = run % 2 == 1;
        for (int i = 0; i < 3000; i++) {
            now_ns += below(3000000) * UINT64_C(1000);
            level += (int64_t)below(5000);
            if (is_wild && below(50) == 0) {
                level = any_level(level); /* the meter was exchanged */
                level = level < 0 || level > INT64_MAX / 4 ? 0 : level;
            }
            disturb(&checked);
            any_sample(&sample, now_ns, level);
            struct mg_check_report report;
            mg_check_sample(&checked, &LIMITS, below(100) == 0, &sample,
                            &report);
            assert_never_down(&published, &sample);
        }
    }
}

/* A true meter, polled at any pace: nothing is ever held back. */
static void a_true_meter_is_never_doubted(void **state)
{
    (void)state;
    static const struct mg_check_limits LIMITS = {264000, 72000, 1};
    for (int run = 0; run < 20; run++) {
        struct mg_check_state checked = {0};
        uint64_t now_ns = 1000000000000;
        int64_t level_mws = 0;
        int64_t load_mw = (int64_t)below(19008000);
        for (int i = 0; i < 2000; i++) {
            uint64_t dt_ms = 1 + below(run % 2 == 0 ? 300 : 100000);
            now_ns += dt_ms * 1000000;
            level_mws += load_mw * (int64_t)dt_ms / 1000;
            struct mg_sample s = {.mono_ns = now_ns, .n_values = 1};
            s.utc_ms = (int64_t)(now_ns / 1000000);
            /* the register is renewed once a second */
            int64_t lag_mws = load_mw * (int64_t)below(1000) / 1000;
            int64_t mwh =
                (level_mws > lag_mws ? level_mws - lag_mws : 0) / 3600;
            s.values[0] = (struct mg_value){
                .channel = channel_of(0), .value = mwh, .resolution = 1};
            if (checked.n > 0 && mwh < checked.last[0].value) {
                continue; /* a real register has not gone back */
            }
            struct mg_check_report report;
            mg_check_sample(&checked, &LIMITS, false, &s, &report);
            assert_int_equal(report.event, MG_CHECK_NOTHING);
            assert_int_equal(s.values[0].quality, MG_QUALITY_GOOD);
        }
    }
}

/* ---- Readings ---- */

static void readings_are_flat_json(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        static struct mg_sample sample;
        static char text[32768];
        memset(&sample, 0, sizeof sample);
        sample.utc_ms = (int64_t)(next() % 253402300800000);
        sample.seq = next();
        sample.epoch = next();
        sample.clock = (uint8_t)next();
        unsigned n = below(MG_SAMPLE_VALUES_MAX + 1);
        for (unsigned v = 0; v < n; v++) {
            sample.values[v] = (struct mg_value){
                .channel = (mg_channel)next() & 0x1f7fff00,
                .quality = (uint8_t)(below(3) == 0 ? below(256) : 0),
                .value = any_int(),
                .resolution = any_int()};
        }
        sample.n_values = (uint16_t)n;
        sample.text_len = (uint16_t)below(MG_SAMPLE_TEXT_MAX + 1);
        for (size_t c = 0; c < sizeof sample.text; c++) {
            sample.text[c] = (char)next();
        }
        struct mg_json j = mg_json_init(text, sizeof text);
        assert_int_equal(mg_reading_json(&sample, "0011223344556677", &j),
                         MG_OK);
        assert_true(is_flat_object(text, j.len));
    }
}

int main(void)
{
    const char *seed = getenv("MG_SEED");
    rng = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
    (void)printf("MG_SEED=%" PRIu64 "\n", rng);
    (void)fflush(stdout); /* to be there when a test crashes */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_bits_agree_with_long_double),
        cmocka_unit_test(keys_and_channels_are_one_to_one),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(what_the_reader_takes_is_json),
        cmocka_unit_test(times_agree_with_the_c_library),
        cmocka_unit_test(plans_are_right_and_smallest),
        cmocka_unit_test(good_counters_never_go_down_within_an_epoch),
        cmocka_unit_test(a_true_meter_is_never_doubted),
        cmocka_unit_test(readings_are_flat_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
