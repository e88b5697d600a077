/* Any bytes as a configuration: a setup or a report, and no third. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "fake_plugins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mg_plugins plugins;
    struct mg_setup *setup = NULL;
    size_t n_faults = 0;
    char *report = NULL;
    size_t report_len = 0;
    FILE *out = open_memstream(&report, &report_len);
    if (out == NULL) {
        return 0;
    }
    fake_plugins(&plugins);
    int code = mg_config_parse("fuzz.yaml", (const char *)data, size, &plugins,
                               true, out, &setup, &n_faults);
    (void)fclose(out); /* in memory */
    bool is_good = code == MG_OK && setup != NULL && n_faults == 0;
    bool is_bad = code == MG_E_INVAL && setup == NULL && n_faults > 0;
    if (is_good ? report_len != 0 : !is_bad || report_len == 0) {
        abort();
    }
    mg_setup_destroy(setup);
    free(report);
    return 0;
}
