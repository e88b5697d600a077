#include "typetest/limits.h"

#define EN        "EN 50470-3:2006, limits of percentage error, class B"
#define EN_CHANGE "EN 50470-3:2006, influence quantities, class B"
#define MID       "2014/32/EU annex V, table 2, class B"
#define I21       "IEC 62053-21:2003, table 6, class 1"
#define I21_ONE   "IEC 62053-21:2003, table 7, class 1"
#define I21_TEXT  "IEC 62053-21:2003, 8.1, class 1"
#define I21_CHG   "IEC 62053-21:2003, table 8, class 1"
#define I22       "IEC 62053-22:2003, table 4, class 0,5S"
#define I22_ONE   "IEC 62053-22:2003, table 5, class 0,5S"
#define I22_TEXT  "IEC 62053-22:2003, 8.1, class 0,5S"
#define I22_CHG   "IEC 62053-22:2003, table 6, class 0,5S"
#define I23       "IEC 62053-23:2003, table 6, class 2"
#define I23_ONE   "IEC 62053-23:2003, table 7, class 2"
#define I23_CHG   "IEC 62053-23:2003, table 8, class 2"

#define PERCENT INT64_C(10000000) /* ppb */
#define LIMIT(hundredths, source_, confidence_)                                \
    {                                                                          \
        .limit = (hundredths) * (PERCENT / 100), .source = (source_),          \
        .confidence = (confidence_)                                            \
    }

#define MASK(factor) (1U << MG_FACTOR_##factor)
#define MIN                                                                    \
    {                                                                          \
        MG_I_MIN, 1000                                                         \
    }
#define TR                                                                     \
    {                                                                          \
        MG_I_TR, 1000                                                          \
    }
#define MAX                                                                    \
    {                                                                          \
        MG_I_MAX, 1000                                                         \
    }
#define REF(permille)                                                          \
    {                                                                          \
        MG_I_REF, (permille)                                                   \
    }

struct row {
    uint32_t mg_class;
    uint8_t load;    /* enum mg_load */
    uint8_t factors; /* MASK() */
    bool is_closed;  /* `to` belongs to it */
    struct mg_current_point from, to;
    struct mg_limit limit;
};

/* The first row that holds a point is the one that counts. */
static const struct row rows[] = {
    {MG_CLASS_B, MG_LOAD_BALANCED, MASK(1), false, MIN, TR,
     LIMIT(150, EN, "M/H")},
    {MG_CLASS_B, MG_LOAD_BALANCED, MASK(1) | MASK(05_IND) | MASK(08_CAP), true,
     TR, MAX, LIMIT(100, EN, "M/H")},
    {MG_CLASS_B, MG_LOAD_SINGLE, MASK(1) | MASK(05_IND), true, TR, MAX,
     LIMIT(200, EN, "M/H")},

    {MG_CLASS_1, MG_LOAD_BALANCED, MASK(1), false, REF(50), REF(100),
     LIMIT(150, I21, "M/H")},
    {MG_CLASS_1, MG_LOAD_BALANCED, MASK(1), true, REF(100), MAX,
     LIMIT(100, I21, "M/H")},
    {MG_CLASS_1, MG_LOAD_BALANCED, MASK(05_IND) | MASK(08_CAP), false, REF(100),
     REF(200), LIMIT(150, I21, "M/H")},
    {MG_CLASS_1, MG_LOAD_BALANCED, MASK(05_IND) | MASK(08_CAP), true, REF(200),
     MAX, LIMIT(100, I21, "M/H")},
    {MG_CLASS_1, MG_LOAD_BALANCED, MASK(025_IND), true, REF(200), REF(1000),
     LIMIT(350, I21, "M/H")},
    {MG_CLASS_1, MG_LOAD_BALANCED, MASK(05_CAP), true, REF(200), REF(1000),
     LIMIT(250, I21, "M/H")},
    {MG_CLASS_1, MG_LOAD_SINGLE, MASK(1), true, REF(100), MAX,
     LIMIT(200, I21_ONE, "H")},
    {MG_CLASS_1, MG_LOAD_SINGLE, MASK(05_IND), true, REF(200), MAX,
     LIMIT(200, I21_ONE, "H")},

    {MG_CLASS_05S, MG_LOAD_BALANCED, MASK(1), false, REF(10), REF(50),
     LIMIT(100, I22, "M/H")},
    {MG_CLASS_05S, MG_LOAD_BALANCED, MASK(1), true, REF(50), MAX,
     LIMIT(50, I22, "M/H")},
    {MG_CLASS_05S, MG_LOAD_BALANCED, MASK(05_IND) | MASK(08_CAP), false,
     REF(20), REF(100), LIMIT(100, I22, "M/H")},
    {MG_CLASS_05S, MG_LOAD_BALANCED, MASK(05_IND) | MASK(08_CAP), true,
     REF(100), MAX, LIMIT(60, I22, "M/H")},
    {MG_CLASS_05S, MG_LOAD_BALANCED, MASK(025_IND) | MASK(05_CAP), true,
     REF(100), MAX, LIMIT(100, I22, "M/H")},
    {MG_CLASS_05S, MG_LOAD_SINGLE, MASK(1), true, REF(50), MAX,
     LIMIT(60, I22_ONE, "M/H")},
    {MG_CLASS_05S, MG_LOAD_SINGLE, MASK(05_IND), true, REF(100), MAX,
     LIMIT(100, I22_ONE, "M/H")},

    {MG_CLASS_2_REACTIVE, MG_LOAD_BALANCED, MASK(1), false, REF(50), REF(100),
     LIMIT(250, I23, "M")},
    {MG_CLASS_2_REACTIVE, MG_LOAD_BALANCED, MASK(1), true, REF(100), MAX,
     LIMIT(200, I23, "M")},
    {MG_CLASS_2_REACTIVE, MG_LOAD_BALANCED, MASK(05_IND) | MASK(05_CAP), false,
     REF(100), REF(200), LIMIT(250, I23, "M")},
    {MG_CLASS_2_REACTIVE, MG_LOAD_BALANCED, MASK(05_IND) | MASK(05_CAP), true,
     REF(200), MAX, LIMIT(200, I23, "M")},
    {MG_CLASS_2_REACTIVE, MG_LOAD_BALANCED, MASK(025_IND), true, REF(200), MAX,
     LIMIT(250, I23, "M")},
    {MG_CLASS_2_REACTIVE, MG_LOAD_SINGLE, MASK(1), true, REF(100), MAX,
     LIMIT(300, I23_ONE, "M")},
    {MG_CLASS_2_REACTIVE, MG_LOAD_SINGLE, MASK(05_IND) | MASK(05_CAP), true,
     REF(200), MAX, LIMIT(300, I23_ONE, "M")},
};

int64_t mg_current_ma(const struct mg_rating *rating,
                      const struct mg_current_point *point)
{
    const uint32_t currents[] = {rating->min_ma, rating->tr_ma, rating->ref_ma,
                                 rating->max_ma};
    return (int64_t)currents[point->of] * point->permille / 1000;
}

const struct mg_current_point *mg_test_currents(uint32_t mg_class,
                                                size_t *ret_n)
{
    static const struct mg_current_point of_b[] = {
        MIN, {MG_I_TR, 750}, TR, REF(400), REF(1000), {MG_I_MAX, 500}, MAX};
    static const struct mg_current_point of_1[] = {
        REF(50), REF(100), REF(200), REF(500), REF(1000), {MG_I_MAX, 500}, MAX};
    static const struct mg_current_point of_05s[] = {
        REF(10),  REF(20),   REF(50),         REF(100),
        REF(500), REF(1000), {MG_I_MAX, 500}, MAX};
    static const struct mg_current_point of_reactive[] = {
        REF(50), REF(100), REF(200), REF(1000), {MG_I_MAX, 500}, MAX};
    switch (mg_class) {
    case MG_CLASS_B:
        *ret_n = sizeof of_b / sizeof *of_b;
        return of_b;
    case MG_CLASS_1:
        *ret_n = sizeof of_1 / sizeof *of_1;
        return of_1;
    case MG_CLASS_05S:
        *ret_n = sizeof of_05s / sizeof *of_05s;
        return of_05s;
    default:
        *ret_n = sizeof of_reactive / sizeof *of_reactive;
        return of_reactive;
    }
}

const struct mg_limit *mg_limit_intrinsic(uint32_t mg_class,
                                          const struct mg_rating *rating,
                                          enum mg_load load, int64_t current_ma,
                                          enum mg_factor factor)
{
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const struct row *r = &rows[k];
        int64_t from = mg_current_ma(rating, &r->from);
        int64_t to = mg_current_ma(rating, &r->to);
        if (r->mg_class == mg_class && r->load == load &&
            (r->factors >> factor & 1) != 0 && current_ma >= from &&
            (current_ma < to || (r->is_closed && current_ma == to))) {
            return &r->limit;
        }
    }
    return NULL;
}

/* ---- Influences ---- */

struct influence {
    uint32_t mg_class;
    uint8_t influence; /* enum mg_influence */
    uint8_t factor;    /* enum mg_factor */
    struct mg_limit limit;
};

#define AT(class_, influence_, factor_, hundredths, source, confidence)        \
    {                                                                          \
        MG_CLASS_##class_, MG_INFLUENCE_##influence_, MG_FACTOR_##factor_,     \
            LIMIT(hundredths, source, confidence)                              \
    }

static const struct influence influences[] = {
    AT(B, VOLTAGE, 1, 70, EN_CHANGE, "M/H"),
    AT(B, VOLTAGE, 05_IND, 100, EN_CHANGE, "M/H"),
    AT(B, FREQUENCY, 1, 50, EN_CHANGE, "M/H"),
    AT(B, FREQUENCY, 05_IND, 70, EN_CHANGE, "M/H"),
    AT(B, TEMPERATURE, 1, 5, EN_CHANGE, "M/H"),
    AT(B, TEMPERATURE, 05_IND, 7, EN_CHANGE, "M/H"),
    AT(B, SEQUENCE, 1, 150, EN_CHANGE, "M/H"),
    AT(B, UNBALANCE, 1, 200, EN_CHANGE, "M/H"),
    AT(B, HARMONIC_5, 1, 80, EN_CHANGE, "M/H"),
    AT(B, DC_EVEN, 1, 300, EN_CHANGE, "M/H"),
    AT(B, ODD, 1, 300, EN_CHANGE, "M/H"),
    AT(B, SUB, 1, 300, EN_CHANGE, "M/H"),

    AT(1, VOLTAGE, 1, 70, I21_CHG, "H"),
    AT(1, VOLTAGE, 05_IND, 100, I21_CHG, "H"),
    AT(1, FREQUENCY, 1, 50, I21_CHG, "H"),
    AT(1, FREQUENCY, 05_IND, 70, I21_CHG, "H"),
    AT(1, TEMPERATURE, 1, 5, I21_CHG, "H"),
    AT(1, TEMPERATURE, 05_IND, 7, I21_CHG, "H"),
    AT(1, SEQUENCE, 1, 150, I21_CHG, "H"),
    AT(1, UNBALANCE, 1, 200, I21_CHG, "H"),
    AT(1, HARMONIC_5, 1, 80, I21_CHG, "H"),
    AT(1, DC_EVEN, 1, 300, I21_CHG, "H"),
    AT(1, ODD, 1, 300, I21_CHG, "H"),
    AT(1, SUB, 1, 300, I21_CHG, "H"),

    AT(05S, VOLTAGE, 1, 20, I22_CHG, "M/H"),
    AT(05S, VOLTAGE, 05_IND, 40, I22_CHG, "M/H"),
    AT(05S, FREQUENCY, 1, 20, I22_CHG, "M/H"),
    AT(05S, FREQUENCY, 05_IND, 20, I22_CHG, "M/H"),
    AT(05S, TEMPERATURE, 1, 3, I22_CHG, "M/H"),
    AT(05S, TEMPERATURE, 05_IND, 5, I22_CHG, "M/H"),
    AT(05S, SEQUENCE, 1, 10, I22_CHG, "M/H"),
    AT(05S, UNBALANCE, 1, 100, I22_CHG, "M/H"),
    AT(05S, HARMONIC_5, 1, 50, I22_CHG, "M/H"),
    AT(05S, SUB, 1, 150, I22_CHG, "M/H"),

    AT(2_REACTIVE, VOLTAGE, 1, 100, I23_CHG, "M"),
    AT(2_REACTIVE, VOLTAGE, 05_IND, 150, I23_CHG, "M"),
    AT(2_REACTIVE, FREQUENCY, 1, 250, I23_CHG, "M"),
    AT(2_REACTIVE, FREQUENCY, 05_IND, 250, I23_CHG, "M"),
    AT(2_REACTIVE, TEMPERATURE, 1, 10, I23_CHG, "M"),
    AT(2_REACTIVE, TEMPERATURE, 05_IND, 15, I23_CHG, "M"),
};

const struct mg_limit *mg_limit_influence(uint32_t mg_class,
                                          enum mg_influence influence,
                                          enum mg_factor factor)
{
    for (size_t k = 0; k < sizeof influences / sizeof *influences; k++) {
        const struct influence *i = &influences[k];
        if (i->mg_class == mg_class && i->influence == influence &&
            i->factor == factor) {
            return &i->limit;
        }
    }
    return NULL;
}

/* ---- The rest ---- */

const struct mg_limit *mg_limit_composite(enum mg_load load, unsigned band,
                                          bool is_low)
{
    static const struct mg_limit low[MG_N_BANDS] = {
        LIMIT(200, MID, "H"), LIMIT(250, MID, "H"), LIMIT(350, MID, "H"),
        LIMIT(400, MID, "H")};
    static const struct mg_limit single[MG_N_BANDS] = {
        LIMIT(250, MID, "M/H"), LIMIT(300, MID, "M/H"), LIMIT(400, MID, "M/H"),
        LIMIT(450, MID, "M/H")};
    if (band >= MG_N_BANDS || (load == MG_LOAD_SINGLE && is_low)) {
        return NULL;
    }
    /* Class B has the same limits below and above Itr. */
    return load == MG_LOAD_SINGLE ? &single[band] : &low[band];
}

const struct mg_limit *mg_limit_difference(uint32_t mg_class)
{
    static const struct mg_limit of_1 = LIMIT(150, I21_TEXT, "H");
    static const struct mg_limit of_05s = LIMIT(100, I22_TEXT, "M/H");
    return mg_class == MG_CLASS_1     ? &of_1
           : mg_class == MG_CLASS_05S ? &of_05s
                                      : NULL;
}

int64_t mg_class_base_ppb(uint32_t mg_class)
{
    return mg_class == MG_CLASS_05S          ? PERCENT / 2
           : mg_class == MG_CLASS_2_REACTIVE ? 2 * PERCENT
                                             : PERCENT;
}

const char *mg_class_name(uint32_t mg_class)
{
    switch (mg_class) {
    case MG_CLASS_B:
        return "B";
    case MG_CLASS_1:
        return "1";
    case MG_CLASS_05S:
        return "0.5S";
    default:
        return "2 (reactive)";
    }
}
