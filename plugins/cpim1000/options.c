/* The table of the CPIM1000's options. */
#include "options.h"

#include "cpim1000.h"

#define OFFSET(member)  offsetof(struct cpim1000_options, member)
#define SIZE_OF(member) sizeof(((struct cpim1000_options *)NULL)->member)

static const char *const SIDES[] = {"right", "left", NULL};
static const char *const PHASES[] = {"one", "three", NULL};
static const char *const REGIONS[] = {"none", "eu", "na", "both", NULL};

const struct mg_option cpim1000_options[CPIM1000_N_OPTIONS] = {
    {.name = "side",
     .type = MG_OPTION_ENUM,
     .is_required = true,
     .def = CPIM1000_RIGHT,
     .max = CPIM1000_LEFT,
     .choices = SIDES,
     .offset = OFFSET(side),
     .size = SIZE_OF(side),
     .help = "Which of the unit's two meters: right or left; each is a meter "
             "of its own in the configuration."},
    {.name = "phases",
     .type = MG_OPTION_ENUM,
     .def = CPIM1000_THREE_PHASE,
     .max = CPIM1000_THREE_PHASE,
     .choices = PHASES,
     .offset = OFFSET(phases),
     .size = SIZE_OF(phases),
     .help = "three, or one: on L1; the same on both sides.",
     .is_device = true},
    {.name = "region",
     .type = MG_OPTION_ENUM,
     .def = CPIM1000_REGION_EU,
     .max = CPIM1000_REGION_BOTH,
     .choices = REGIONS,
     .offset = OFFSET(region),
     .size = SIZE_OF(region),
     .help = "Simulated unit: straps, eu (50 Hz) or na (60 Hz); none or both "
             "is a fault.",
     .is_device = true},
    {.name = "seal",
     .type = MG_OPTION_BOOL,
     .def = 1,
     .max = 1,
     .offset = OFFSET(has_seal),
     .size = SIZE_OF(has_seal),
     .help = "Simulated unit: its seal is in place, so that no update is "
             "taken.",
     .is_device = true},
    {.name = "display-period",
     .type = MG_OPTION_INT,
     .def = 3,
     .min = 1,
     .max = 10,
     .offset = OFFSET(display_s),
     .size = SIZE_OF(display_s),
     .help = "Simulated unit: seconds that a readout stays in the one line "
             "that is shown of the display.",
     .is_device = true},
    {.name = "update-key",
     .type = MG_OPTION_TEXT,
     .def_text = "",
     .offset = OFFSET(update_key),
     .size = SIZE_OF(update_key),
     .help = "Simulated unit: the manufacturer's key for updates, X and Y in "
             "128 hex digits; without it all updates are refused.",
     .is_device = true},
};
