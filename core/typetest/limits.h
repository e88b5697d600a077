/* What the standards allow, as data. */
#ifndef MG_TYPETEST_LIMITS_H
#define MG_TYPETEST_LIMITS_H

#include "metergate/rating.h"
#include "typetest/typetest.h"

/* Power factors of the tables, and for reactive energy sines: the current is
 * behind the voltage (ind) or ahead (cap). */
enum mg_factor {
    MG_FACTOR_1,
    MG_FACTOR_05_IND,
    MG_FACTOR_08_CAP,
    MG_FACTOR_025_IND,
    MG_FACTOR_05_CAP,
    MG_N_FACTORS
};

enum mg_load { MG_LOAD_BALANCED, MG_LOAD_SINGLE };

/** A current of a meter by its role. */
enum mg_current { MG_I_MIN, MG_I_TR, MG_I_REF, MG_I_MAX };

struct mg_current_point {
    uint8_t of;        /* enum mg_current */
    uint16_t permille; /* of it */
};

/** mA. */
int64_t mg_current_ma(const struct mg_rating *rating,
                      const struct mg_current_point *point);

/** The currents at which a class is tested, in order.
 *  @param mg_class  one of enum mg_class
 *  @return borrowed */
const struct mg_current_point *mg_test_currents(uint32_t mg_class,
                                                size_t *ret_n);

/** Limit of the intrinsic error, in ppb.
 *  @return NULL: the class has none there */
const struct mg_limit *mg_limit_intrinsic(uint32_t mg_class,
                                          const struct mg_rating *rating,
                                          enum mg_load load, int64_t current_ma,
                                          enum mg_factor factor);

enum mg_influence {
    MG_INFLUENCE_VOLTAGE,
    MG_INFLUENCE_FREQUENCY,
    MG_INFLUENCE_TEMPERATURE, /* ppb per K */
    MG_INFLUENCE_SEQUENCE,
    MG_INFLUENCE_UNBALANCE,
    MG_INFLUENCE_HARMONIC_5,
    MG_INFLUENCE_DC_EVEN,
    MG_INFLUENCE_ODD,
    MG_INFLUENCE_SUB,
    MG_N_INFLUENCES
};

/** Limit of the change of error, in ppb. @return NULL: the class has none */
const struct mg_limit *mg_limit_influence(uint32_t mg_class,
                                          enum mg_influence influence,
                                          enum mg_factor factor);

/** Composite error, MID annex V table 2. Bands 0..3: +5..+30 degC, -10..+5 and
 *  +30..+40, -25..-10 and +40..+55, -40..-25 and +55..+70.
 *  @param is_low  Imin <= I < Itr */
#define MG_N_BANDS 4
const struct mg_limit *mg_limit_composite(enum mg_load load, unsigned band,
                                          bool is_low);

/** Difference between a single phase's load and the balanced one at Ib. */
const struct mg_limit *mg_limit_difference(uint32_t mg_class);

/** What the base error of a class is called by: 1 % or 0.5 %, in ppb. */
int64_t mg_class_base_ppb(uint32_t mg_class);

#endif
