/* What EVerest's powermeter API is told, as JSON. Pure.
 *
 * EVerest types/powermeter.yaml (Powermeter, TransactionStartResponse,
 * TransactionStopResponse) and types/units_signed.yaml. */
#ifndef MG_MQTT_EVEREST_JSON_H
#define MG_MQTT_EVEREST_JSON_H

#include "model/sample.h"
#include "run/session.h"

#define MG_EVEREST_VALUES_MAX 2048

/** A Powermeter of a live reading. Values that are missing are left out; a
 *  meter without phases has its values as those of L1.
 *  @param meter_id  the meter's serial number, or its id
 *  @return length; 0: there is no imported energy, which EVerest requires */
size_t mg_everest_values(const struct mg_sample *sample, const char *meter_id,
                         char buf[MG_EVEREST_VALUES_MAX]);

/** TransactionStartResponse. @return length; 0: does not fit */
size_t mg_everest_started(const struct mg_session_result *result, char *buf,
                          size_t cap);

/** Bytes that suffice for mg_everest_stopped. */
size_t mg_everest_stopped_max(const struct mg_session_result *result);

/** TransactionStopResponse, with the record byte for byte.
 *  @param is_record_due  OK without a record is an error
 *  @return length; 0: does not fit */
size_t mg_everest_stopped(const struct mg_session_result *result,
                          bool is_record_due, char *buf, size_t cap);

#endif
