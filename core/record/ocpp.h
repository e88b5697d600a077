/* The signed value as OCPP carries it (OCA application note "Signed Meter
 * Values in OCPP" 1.0). */
#ifndef MG_RECORD_OCPP_H
#define MG_RECORD_OCPP_H

#include "model/json.h"

/** Append the members of an open object: "1.6": the SampledValue whose `value`
 *  is the SignedData JSON as text (format "SignedData", context
 *  "Transaction.End"...), "2.0.1": {signedMeterData, signingMethod,
 *  encodingMethod "OCMF", publicKey}. signedMeterData is base64 of the record;
 *  with is_plain the record as it is. publicKey is base64 of
 *  "oca:base16:asn1:<hex>"; key_hex "" gives "".
 *  @param context  "Transaction.Begin", "Transaction.End", "Sample.Periodic"*/
void mg_ocpp_members(struct mg_json *j, const char *record, size_t record_len,
                     const char *key_hex, const char *context, bool is_plain);

#endif
