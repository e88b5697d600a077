/* Properties of the reader and codec of CAN databases over random databases.
 * The seed is printed; set MG_SEED to run it again. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "metergate/fixed.h"
#include "wire/dbc.h"

__extension__ typedef __int128 wide;

#define N_DATABASES  300
#define FRAMES_EACH  60
#define SIGNALS_MAX  12
#define TEXT_MAX     4096
#define UNTOUCHED    (-77)
#define EXPONENT_MIN (-6) /* of factors and offsets here */

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

/* ---- A random message, and what it means ---- */

struct model {
    unsigned bits[64]; /* from the lowest to the highest: byte * 8 + bit */
    unsigned start, length;
    bool is_motorola, is_signed;
    int64_t factor, offset; /* times 10^EXPONENT_MIN */
    int mux;                /* -1 plain, 0.. the page; the first is M */
};

struct database {
    char text[TEXT_MAX];
    unsigned len; /* bytes */
    struct model signals[SIGNALS_MAX];
    size_t n;
};

/* The bits as the format counts them, one at a time: Intel upwards; Motorola
 * from the highest downwards, and from bit 0 to bit 7 of the next byte. */
static bool walk(struct model *signal, unsigned n_bits)
{
    unsigned bit = signal->start;
    for (unsigned i = 0; i < signal->length; i++) {
        if (bit >= n_bits) {
            return false;
        }
        if (signal->is_motorola) {
            signal->bits[signal->length - 1 - i] = bit;
            bit = bit % 8 == 0 ? bit + 15 : bit - 1;
        } else {
            signal->bits[i] = bit++;
        }
    }
    return true;
}

static bool shares_bit(const struct model *a, const struct model *b)
{
    if (a->mux >= 0 && b->mux >= 0 && a->mux != b->mux) {
        return false;
    }
    for (unsigned i = 0; i < a->length; i++) {
        for (unsigned k = 0; k < b->length; k++) {
            if (a->bits[i] == b->bits[k]) {
                return true;
            }
        }
    }
    return false;
}

static int64_t any_scale(void)
{
    int64_t mantissa = (int64_t)below(20000) - 10000;
    return mantissa * mg_pow10(below(8));
}

static struct model any_signal(const struct database *db)
{
    struct model signal = {
        .start = below(8 * db->len),
        .length = 1 + below(below(3) == 0 ? 64 : 12),
        .is_motorola = below(2) == 0,
        .is_signed = below(2) == 0,
        .factor = any_scale(),
        .offset = below(2) == 0 ? 0 : any_scale(),
        .mux = below(2) == 0 ? -1 : (int)below(3),
    };
    if (signal.factor == 0) {
        signal.factor = 1;
    }
    if (db->n == 0) { /* the multiplexor */
        signal.length = 2 + below(7);
        signal.mux = -1;
        signal.is_signed = false;
    }
    return signal;
}

static void print_scaled(char *text, size_t size, int64_t millionths)
{
    uint64_t v = (uint64_t)(millionths < 0 ? -millionths : millionths);
    const char *sign = millionths < 0 ? "-" : "";
    int n = below(2) == 0 ? snprintf(text, size, "%s%" PRIu64 "E-006", sign, v)
                          : snprintf(text, size, "%s%" PRIu64 ".%06" PRIu64,
                                     sign, v / 1000000, v % 1000000);
    assert_true(n > 0 && (size_t)n < size);
}

static void print_signal(struct database *db, size_t i)
{
    const struct model *signal = &db->signals[i];
    char factor[40];
    char offset[40];
    char mux[16] = " ";
    print_scaled(factor, sizeof factor, signal->factor);
    print_scaled(offset, sizeof offset, signal->offset);
    if (i == 0) {
        (void)snprintf(mux, sizeof mux, " M ");
    } else if (signal->mux >= 0) {
        (void)snprintf(mux, sizeof mux, " m%d ", signal->mux);
    }
    size_t used = strlen(db->text);
    int n = snprintf(&db->text[used], TEXT_MAX - used,
                     " SG_ S%zu%s: %u|%u@%d%c (%s,%s) [0|0] \"\" N\n", i, mux,
                     signal->start, signal->length, !signal->is_motorola,
                     signal->is_signed ? '-' : '+', factor, offset);
    assert_true(n > 0 && (size_t)n < TEXT_MAX - used);
}

static void make(struct database *db)
{
    static const uint8_t lens[] = {8, 8, 8, 1, 3, 12, 64};
    memset(db, 0, sizeof *db);
    db->len = lens[below(sizeof lens)];
    (void)snprintf(db->text, TEXT_MAX, "BO_ 7 A: %u N\n", db->len);
    for (int tries = 0; tries < 100 && db->n < SIGNALS_MAX; tries++) {
        struct model signal = any_signal(db);
        bool is_free = walk(&signal, 8 * db->len);
        for (size_t i = 0; is_free && i < db->n; i++) {
            is_free = !shares_bit(&signal, &db->signals[i]);
        }
        if (is_free) {
            db->signals[db->n] = signal;
            print_signal(db, db->n++);
        }
    }
}

static struct mg_dbc *parse(const struct database *db)
{
    struct mg_err err = {0};
    struct mg_dbc *dbc =
        mg_dbc_parse("random.dbc", db->text, strlen(db->text), &err);
    if (dbc == NULL) {
        fail_msg("%s\n%s", err.text, db->text);
    }
    return dbc;
}

static wide raw_of(const struct model *signal, const uint8_t *data)
{
    wide raw = 0;
    for (unsigned i = 0; i < signal->length; i++) {
        unsigned bit = signal->bits[i];
        raw |= (wide)(data[bit / 8] >> bit % 8 & 1) << i;
    }
    wide half = (wide)1 << signal->length % 65 >> 1;
    if (signal->is_signed && raw >= half) {
        raw -= 2 * half;
    }
    return raw;
}

/* v / d, half to even */
static wide rounded(wide v, wide d)
{
    wide q = v / d;
    wide r = v % d < 0 ? -(v % d) : v % d;
    if (2 * r > d || (2 * r == d && q % 2 != 0)) {
        q += v < 0 ? -1 : 1;
    }
    return q;
}

static wide value_of(const struct model *signal, const uint8_t *data, int exp10)
{
    wide v = raw_of(signal, data) * signal->factor + signal->offset;
    int exponent = EXPONENT_MIN + exp10;
    return exponent >= 0 ? v * mg_pow10((unsigned)exponent)
                         : rounded(v, mg_pow10((unsigned)-exponent));
}

/* ---- Properties ---- */

static bool is_sent(const struct database *db, size_t i, const uint8_t *data)
{
    int mux = db->signals[i].mux;
    return mux < 0 || raw_of(&db->signals[0], data) == mux;
}

static void check_decode(const struct database *db,
                         const struct mg_dbc_message *message, size_t i,
                         const uint8_t *data, int exp10)
{
    int64_t value = UNTOUCHED;
    int64_t resolution = UNTOUCHED;
    int rc = mg_dbc_decode(message, &message->signals[i], data, db->len, exp10,
                           &value, &resolution);
    wide want = value_of(&db->signals[i], data, exp10);
    if (!is_sent(db, i, data)) {
        assert_int_equal(rc, MG_E_NOTFOUND);
    } else if (want > INT64_MAX || want < INT64_MIN) {
        assert_int_equal(rc, MG_E_RANGE);
    } else {
        assert_int_equal(rc, MG_OK);
        assert_int_equal(value, (int64_t)want);
        assert_true(resolution >= 1);
        return;
    }
    assert_int_equal(value, UNTOUCHED);
    assert_int_equal(resolution, UNTOUCHED);
}

/* Into other random bytes: only the signal's bits change, and those of the
 * multiplexor. */
static void check_encode(const struct database *db,
                         const struct mg_dbc_message *message, size_t i,
                         const uint8_t *data)
{
    const struct model *signal = &db->signals[i];
    wide value = value_of(signal, data, -EXPONENT_MIN);
    uint8_t before[64];
    uint8_t made[64];
    if (value > INT64_MAX || value < INT64_MIN) {
        return;
    }
    for (size_t k = 0; k < sizeof made; k++) {
        before[k] = made[k] = (uint8_t)next();
    }
    assert_int_equal(mg_dbc_encode(message, &message->signals[i],
                                   (int64_t)value, -EXPONENT_MIN, made,
                                   db->len),
                     MG_OK);
    assert_true(raw_of(signal, made) == raw_of(signal, data));
    assert_true(is_sent(db, i, made));
    for (unsigned k = 0; k < signal->length; k++) {
        unsigned bit = signal->bits[k];
        made[bit / 8] ^=
            (uint8_t)((made[bit / 8] ^ before[bit / 8]) & 1U << bit % 8);
    }
    for (unsigned k = 0; signal->mux >= 0 && k < db->signals[0].length; k++) {
        unsigned bit = db->signals[0].bits[k];
        made[bit / 8] ^=
            (uint8_t)((made[bit / 8] ^ before[bit / 8]) & 1U << bit % 8);
    }
    assert_memory_equal(made, before, sizeof made);
}

static void databases_round_trip(void **state)
{
    (void)state;
    struct database *db = malloc(sizeof *db);
    assert_non_null(db);
    for (int n = 0; n < N_DATABASES; n++) {
        make(db);
        struct mg_dbc *dbc = parse(db);
        const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
        assert_int_equal(message->n_signals, db->n);
        for (int frame = 0; frame < FRAMES_EACH; frame++) {
            uint8_t data[64];
            for (size_t k = 0; k < sizeof data; k++) {
                data[k] = (uint8_t)next();
            }
            if (db->n > 0 && below(2) == 0) { /* a page that is used */
                (void)mg_dbc_encode(message, &message->signals[0],
                                    db->signals[0].factor * below(3) +
                                        db->signals[0].offset,
                                    -EXPONENT_MIN, data, db->len);
            }
            for (size_t i = 0; i < db->n; i++) {
                check_decode(db, message, i, data, -EXPONENT_MIN);
                check_decode(db, message, i, data, (int)below(13) - 6);
                check_encode(db, message, i, data);
            }
        }
        mg_dbc_destroy(dbc);
    }
    free(db);
}

/* Two signals that share a bit are refused, wherever they lie. */
static void overlaps_are_refused(void **state)
{
    (void)state;
    struct database *db = malloc(sizeof *db);
    assert_non_null(db);
    for (int n = 0; n < 3000; n++) {
        memset(db, 0, sizeof *db);
        db->len = 8;
        (void)snprintf(db->text, TEXT_MAX, "BO_ 7 A: 8 N\n");
        while (db->n < 2) {
            struct model signal = any_signal(db);
            if (db->n > 0) {
                signal.mux = -1;
            }
            if (walk(&signal, 64)) {
                db->signals[db->n] = signal;
                print_signal(db, db->n++);
            }
        }
        struct mg_err err = {0};
        struct mg_dbc *dbc =
            mg_dbc_parse("random.dbc", db->text, strlen(db->text), &err);
        bool is_shared = shares_bit(&db->signals[0], &db->signals[1]);
        assert_int_equal(dbc == NULL, is_shared);
        mg_dbc_destroy(dbc);
    }
    free(db);
}

/* Any cut of a file is read or refused, never more than that. */
static void cuts_are_survived(void **state)
{
    (void)state;
    struct database *db = malloc(sizeof *db);
    assert_non_null(db);
    make(db);
    for (size_t len = strlen(db->text); len > 0; len--) {
        char *cut = malloc(len); /* of that size, for the sanitizer */
        assert_non_null(cut);
        memcpy(cut, db->text, len);
        struct mg_err err = {0};
        mg_dbc_destroy(mg_dbc_parse("cut.dbc", cut, len, &err));
        free(cut);
    }
    free(db);
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Against the conversion that the other buses use, and against the FPU. */
static void floats_agree(void **state)
{
    (void)state;
    static const char text[] = "BO_ 1 A: 4 N\n"
                               " SG_ S : 0|32@1- (1,0) [0|0] \"\" N\n"
                               "SIG_VALTYPE_ 1 S : 1;\n";
    struct mg_err err = {0};
    struct mg_dbc *dbc = mg_dbc_parse("f.dbc", text, sizeof text - 1, &err);
    assert_non_null(dbc);
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    for (int i = 0; i < 300000; i++) {
        uint32_t bits = (uint32_t)next();
        if (i % 2 == 0) { /* the exponents that meters send */
            bits = (bits & 0x807fffff) | (100 + below(60)) << 23;
        }
        unsigned decimals = below(10);
        int64_t want;
        int64_t want_resolution;
        int64_t value = UNTOUCHED;
        int64_t resolution = UNTOUCHED;
        uint8_t data[4] = {(uint8_t)bits, (uint8_t)(bits >> 8),
                           (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)};
        int rc = mg_dbc_decode(message, message->signals, data, 4,
                               (int)decimals, &value, &resolution);
        if (mg_fixed_from_f32(bits, decimals, &want, &want_resolution) ==
            MG_OK) {
            assert_int_equal(rc, MG_OK);
            assert_int_equal(value, want);
            assert_int_equal(resolution, want_resolution);
        }
        if (rc == MG_OK) {
            assert_int_equal(
                mg_dbc_encode(message, message->signals, value, 0, data, 4),
                MG_OK);
            uint32_t made = (uint32_t)data[0] | (uint32_t)data[1] << 8 |
                            (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
            assert_true(float_of(made) == (float)value);
        }
    }
    mg_dbc_destroy(dbc);
}

int main(void)
{
    const char *seed = getenv("MG_SEED");
    rng = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
    (void)printf("MG_SEED=%" PRIu64 "\n", rng);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(databases_round_trip),
        cmocka_unit_test(overlaps_are_refused),
        cmocka_unit_test(cuts_are_survived),
        cmocka_unit_test(floats_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
