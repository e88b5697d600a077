/* What a driver is shown of a charging session: time, reading and cable loss
 * (Flex Series guide, "Display during the charging session"). Pure. */
#ifndef MG_MODEL_OCMF_SUMMARY_H
#define MG_MODEL_OCMF_SUMMARY_H

#include "model/ocmf.h"

#define MG_SUMMARY_TEXT 40

struct mg_ocmf_summary {
    char time[MG_SUMMARY_TEXT];   /* "2025-01-29 06:40:32", local */
    char energy[MG_SUMMARY_TEXT]; /* "9.7560 kWh", compensated */
    char loss[MG_SUMMARY_TEXT];   /* "-0.9 Wh" */
};

/** One row. The energy has the decimals of the record, at least four; the loss
 *  is rounded to 0.1 Wh. In place of the time of a clock that was not
 *  synchronised (U) stands "time not synchronised". EF is shown as the guide
 *  says: "E" behind the energy, "t" behind the time. What is not there, or is
 *  no energy, is "-".
 *  @param offset_min  local time - UTC at the reading */
void mg_ocmf_summarise(const struct mg_ocmf_reading *reading,
                       int16_t offset_min, struct mg_ocmf_summary *ret);

/** Whether there is anything of a driver's in it: a reading with CL. */
bool mg_ocmf_has_summary(const struct mg_ocmf *ocmf);

#endif
