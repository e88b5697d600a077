/* Meter models for tests of the configuration, so that these do not depend on
 * a real plugin: "kpm31" with the real one's options and commands, "tm1" with
 * an option of every type, "cpkm3000" on CAN with the DBC of the real one,
 * "wm3m4c" that signs its own records in variant A, "cpim1000" that is two
 * meters in one device on CAN. */
#ifndef MG_TEST_FAKE_PLUGINS_H
#define MG_TEST_FAKE_PLUGINS_H

#include "run/plugins.h"

struct fake_kpm31_options {
    int64_t variant;
};

struct fake_tm1_options {
    int64_t channels, fast, speed;
    char label[8];
};

struct fake_cpim1000_options {
    int64_t side, region, seal, period;
    char key[8];
};

/** The five models; nothing to free. */
void fake_plugins(struct mg_plugins *ret_plugins);

#endif
