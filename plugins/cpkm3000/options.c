/* The table of the CPKM3000's options. */
#include "options.h"

#include "cpkm3000.h"

#define OFFSET(member)  offsetof(struct cpkm3000_options, member)
#define SIZE_OF(member) sizeof(((struct cpkm3000_options *)NULL)->member)

static const char *const VARIANTS[] = {"1ph", "3ph", NULL};
static const char *const WIRINGS[] = {"tn", "it", NULL};
static const char *const PHASE_MAPS[] = {"L1-L2-L3", "L1-L3-L2", NULL};

const struct mg_option cpkm3000_options[CPKM3000_N_OPTIONS] = {
    {.name = "variant",
     .type = MG_OPTION_ENUM,
     .def = CPKM3000_THREE_PHASE,
     .max = CPKM3000_THREE_PHASE,
     .choices = VARIANTS,
     .offset = OFFSET(variant),
     .size = SIZE_OF(variant),
     .help = "3ph, or 1ph: on L1 only, also of the three-phase meter."},
    {.name = "wiring",
     .type = MG_OPTION_ENUM,
     .def = CPKM3000_WIRING_TN,
     .max = CPKM3000_WIRING_IT,
     .choices = WIRINGS,
     .offset = OFFSET(wiring),
     .size = SIZE_OF(wiring),
     .help = "tn (also TT), or it: L2 is the neutral, 230 V; 1ph only."},
    {.name = "phase-map",
     .type = MG_OPTION_ENUM,
     .def = CPKM3000_L1_L2_L3,
     .max = CPKM3000_L1_L3_L2,
     .choices = PHASE_MAPS,
     .offset = OFFSET(phase_map),
     .size = SIZE_OF(phase_map),
     .help = "Lines that feed the meter's elements 1, 2 and 3; readings name "
             "the lines."},
    {.name = "display-period",
     .type = MG_OPTION_INT,
     .def = 4,
     .min = 3,
     .max = 10,
     .offset = OFFSET(display_s),
     .size = SIZE_OF(display_s),
     .help = "Simulated meter: seconds that a value stays on the display; 3 "
             "to 6, with 10 as the station's guide says."},
    {.name = "sw-page",
     .type = MG_OPTION_BOOL,
     .def = 1,
     .max = 1,
     .offset = OFFSET(has_sw_page),
     .size = SIZE_OF(has_sw_page),
     .help = "Simulated meter: the display's last page is the software."},
    {.name = "update-key",
     .type = MG_OPTION_TEXT,
     .def_text = "",
     .offset = OFFSET(update_key),
     .size = SIZE_OF(update_key),
     .help = "Simulated meter: the manufacturer's key for updates, X and Y in "
             "128 hex digits; without it all updates are refused."},
};
