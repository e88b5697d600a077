/* The texts of ChargePoint's form of a record: who the meter is, and the number
 * of a session. Source: Flex Series guide, "Verify signed charging data
 * records" and its example. */
#ifndef MG_RECORD_CHARGEPOINT_H
#define MG_RECORD_CHARGEPOINT_H

#include "model/ocmf.h"

#define MG_CHARGEPOINT_SERIAL_MAX 32 /* serial and part number, with NUL */
#define MG_CHARGEPOINT_MS_MAX     89 /* with NUL */
#define MG_CHARGEPOINT_MF_MAX     45
#define MG_CHARGEPOINT_GV_MAX     128
#define MG_CHARGEPOINT_PG_MAX     48

/** MS: base64 of the serial number in a field of 16 bytes, filled up with NUL,
 *  "|" and the part number. A longer serial makes the field longer.
 *  "251362B00001", "31-002700-04-01":
 *  "MjUxMzYyQjAwMDAxAAAAAHwzMS0wMDI3MDAtMDQtMDE=".
 *  @param serial, part  cut to MG_CHARGEPOINT_SERIAL_MAX - 1 bytes each */
void mg_chargepoint_ms(const char *serial, const char *part,
                       char ret[MG_CHARGEPOINT_MS_MAX]);

/** The serial number in such an MS.
 *  @return false: it has not this form; ret untouched */
bool mg_chargepoint_serial(const char *ms, char ret[MG_CHARGEPOINT_SERIAL_MAX]);

/** MF: base64 of the hash of the legally relevant software. */
void mg_chargepoint_mf(const uint8_t hash[32], char ret[MG_CHARGEPOINT_MF_MAX]);

/** GV: "lrs_ver: 1.0.0, sw_rel: 2024.05.00.423-alpha"; without the first part
 *  when lrs_version is "". Too long a text is cut. */
void mg_chargepoint_gv(const char *lrs_version, const char *software,
                       char ret[MG_CHARGEPOINT_GV_MAX]);

/** PG: "T15-4193206880799101095"; without transaction (NULL or "") "F3". */
void mg_chargepoint_pg(char context, uint64_t pagination,
                       const char *transaction,
                       char ret[MG_CHARGEPOINT_PG_MAX]);

/** The number of a session: its transaction, where that is a decimal number
 *  without leading zeros up to 2^63 - 1; else the first 62 bits of its SHA-256.
 *  The same in PG and as transactionId of the container, which is a Java long.
 */
uint64_t mg_chargepoint_session(const char *transaction);

/** Whether the session of the record's PG is this transaction's; true also for
 *  a record whose PG names none. */
bool mg_chargepoint_is_session(const struct mg_ocmf *ocmf,
                               const char *transaction);

#endif
