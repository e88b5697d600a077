/* The schema: what each channel is called, its unit, kind and OBIS code. Pure.
 */
#ifndef MG_MODEL_CHANNEL_H
#define MG_MODEL_CHANNEL_H

#include "metergate/types.h"

#define MG_CHANNEL_KEY_MAX 64
#define MG_OBIS_MAX        24

/** Whether the schema has this channel: a known quantity, a phase it can have,
 *  tariff and billing period for energies only, within their ranges. */
bool mg_channel_exists(mg_channel channel);

/** MG_UNIT_COUNT for what is no quantity. */
enum mg_unit mg_channel_unit(mg_channel channel);

/** Energies of a billing period are MG_KIND_AMOUNT; MG_KIND_STATE for what is
 *  no quantity. */
enum mg_kind mg_channel_kind(mg_channel channel);

/** Decimals between base unit and printed unit: 3 for mWh printed in Wh,
 *  4 for PF, 2 for angle and THD, 0 for counts. */
unsigned mg_unit_decimals(enum mg_unit unit);

/** Suffix of the JSON member ("wh", "v", "hz", "" for counts and PF). */
const char *mg_unit_suffix(enum mg_unit unit);

/** The JSON member: key, phase, tariff, period, unit:
 *  "voltage_l1_v", "energy_active_t2_wh", "energy_active_t2_month_wh",
 *  "energy_active_m3_wh" (third settlement month back).
 *  @return MG_OK; MG_E_RANGE: no such channel */
int mg_channel_key(mg_channel channel, char ret_key[MG_CHANNEL_KEY_MAX]);

/** The channel of a key. @return MG_OK or MG_E_NOTFOUND */
int mg_channel_from_key(const char *key, mg_channel *ret_channel);

/** OBIS code "A-B:C.D.E*F" without the "*255" of the current period, e.g.
 *  "1-0:1.8.0", "1-0:15.9.2*3". Manufacturer-specific values (C 128..199) are
 *  used where the standard has no code and are listed in channel.c.
 *  @return MG_OK or MG_E_RANGE */
int mg_channel_obis(mg_channel channel, char ret_obis[MG_OBIS_MAX]);

/** "good", "missing", "invalid", "implausible", "stale". */
const char *mg_quality_text(enum mg_quality quality);

#endif
