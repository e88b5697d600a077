/* metergate plugin SDK: what a meter's manual claims of its measuring. The
 * type test holds the simulated meter to it. */
#ifndef METERGATE_RATING_H
#define METERGATE_RATING_H

#include "metergate/types.h"

/* Accuracy classes of energy; a meter may claim several. */
enum mg_class {
    MG_CLASS_B = 1 << 0,         /* active: EN 50470-3 class B, MID */
    MG_CLASS_1 = 1 << 1,         /* active: IEC 62053-21 class 1 */
    MG_CLASS_05S = 1 << 2,       /* active: IEC 62053-22 class 0.5S */
    MG_CLASS_2_REACTIVE = 1 << 3 /* reactive: IEC 62053-23 class 2 */
};

/* What the permitted error of a value is counted from. */
enum mg_accuracy_rule {
    MG_ACCURACY_OF_VALUE, /* ppm of the true value */
    MG_ACCURACY_OF_RATED, /* ppm of the rated value: Un, Iref, Un * Iref (of the
                           * total: times the phases), 1, fn */
    MG_ACCURACY_OF_RATED_THEN_VALUE, /* of the rated value up to Iref, of the
                                      * true value above */
    MG_ACCURACY_ABSOLUTE             /* base units */
};

struct mg_accuracy {
    uint16_t quantity; /* enum mg_quantity */
    uint8_t rule;      /* enum mg_accuracy_rule */
    uint32_t limit;    /* ppm, or base units */
    const char *source;
};

/* Places in mg_rating.repeat_pulses. */
enum mg_repeat_at {
    MG_REPEAT_MIN,
    MG_REPEAT_TR,
    MG_REPEAT_REF,
    MG_REPEAT_MAX,
    MG_N_REPEATS
};

/* Currents are of EN 50470-3; for the IEC's classes Ib and In are `ref_ma`. */
struct mg_rating {
    uint32_t classes; /* enum mg_class, or-ed; one of the active at least */
    uint32_t voltage_mv, frequency_mhz; /* Un between phase and neutral; fn */
    uint32_t start_ma, min_ma, tr_ma, ref_ma, max_ma; /* Ist .. Imax */
    uint32_t impulses_per_kwh;
    uint8_t n_phases;       /* 1 or 3 */
    uint8_t one_phase_lane; /* lane of the circuit that a meter with one phase
                             * measures on, 0..2 */
    /** Optional: whether a meter with these options has one phase only. */
    bool (*is_one_phase)(const void *options);
    bool needs_l1;              /* without L1 it is dark, or opens its relays */
    bool has_export;            /* both directions of active energy */
    int16_t min_degc, max_degc; /* working temperature */
    uint32_t register_step_mwh; /* of the energies that the bus shows */
    /* Whole impulses that a repeatability test counts at Imin, Itr, Iref and
     * Imax; 0: no such point. */
    uint16_t repeat_pulses[MG_N_REPEATS];
    const struct mg_accuracy *accuracies;
    size_t n_accuracies;
    const char *source;        /* manual and section of the currents */
    const char *repeat_source; /* of the pulse counts */
    const char *note; /* what of it is odd, for the reader of a type test;
                       * optional */
};

#endif
