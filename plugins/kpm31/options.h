/* Options of the KPM31, common to its driver and its simulated meter. */
#ifndef KPM31_OPTIONS_H
#define KPM31_OPTIONS_H

#include <stdint.h>

/* KPM31 manual V2.0, 4.5 and 4.6. */
enum kpm31_variant {
    KPM31_A, /* no relay */
    KPM31_B, /* relay */
    KPM31_BK /* relay, digital input, dual-source metering */
};

struct kpm31_options {
    int64_t variant; /* enum kpm31_variant */
};

#endif
