/* The summary of a session as its driver saw it on the station. */
#include <stdlib.h>

#include "cli/datasets.h"
#include "model/ocmf_summary.h"
#include "run/site_time.h"

static void print_rows(FILE *out, const struct mg_ocmf *ocmf)
{
    (void)fprintf(out, "%-22s  %16s  %12s\n", "time (local)", "meter reading",
                  "cable loss");
    for (size_t i = 0; i < ocmf->n_readings; i++) {
        const struct mg_ocmf_reading *r = &ocmf->readings[i];
        struct mg_ocmf_summary row;
        int16_t offset_min = 0;
        if (r->has_time) {
            offset_min = mg_site_offset_min(r->utc_ms);
        }
        mg_ocmf_summarise(r, offset_min, &row);
        (void)fprintf(out, "%-22s  %16s  %12s\n", row.time, row.energy,
                      row.loss);
    }
}

void datasets_print_summary(FILE *out, const struct mg_dataset *d)
{
    struct mg_ocmf *ocmf = malloc(sizeof *ocmf);
    struct mg_err err;
    if (ocmf != NULL && d->record_len > 0 &&
        mg_ocmf_parse(d->record, d->record_len, ocmf, &err) == MG_OK &&
        mg_ocmf_has_summary(ocmf)) {
        print_rows(out, ocmf);
    }
    free(ocmf);
}
