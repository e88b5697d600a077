/* The commands of the KPM31. The meter knows FC05 and FC16, not FC06. */
#include "procedures.h"

#include "commands.h"
#include "flow.h"

static const struct mg_option RELAY_ARGS[] = {
    {.name = "closed",
     .type = MG_OPTION_BOOL,
     .is_required = true,
     .max = 1,
     .offset = offsetof(struct kpm31_relay_args, closed),
     .size = sizeof(int64_t),
     .help = "true closes the relay, false opens it."},
};

static const struct mg_option ADDRESS_ARGS[] = {
    {.name = "address",
     .type = MG_OPTION_INT,
     .is_required = true,
     .def = 1,
     .min = 1,
     .max = 247,
     .offset = offsetof(struct kpm31_address_args, address),
     .size = sizeof(int64_t),
     .help = "The new bus address, 1 to 247."},
};

static const char *const BAUD_CHOICES[] = {"1200", "2400", "4800", "9600",
                                           NULL};

static const struct mg_option BAUD_ARGS[] = {
    {.name = "baud",
     .type = MG_OPTION_ENUM,
     .is_required = true,
     .def = 3,
     .max = 3,
     .choices = BAUD_CHOICES,
     .offset = offsetof(struct kpm31_baud_args, baud),
     .size = sizeof(int64_t),
     .help = "The new line speed in baud."},
};

const struct mg_procedure kpm31_procedures[KPM31_N_PROCEDURES] = {
    {.verb = "relay",
     .help = "Close or open the relay and read it back.",
     .flags = MG_PROC_SWITCHES,
     .variants = KPM31_WITH_RELAY,
     .args = RELAY_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct kpm31_relay_args),
     .state_size = sizeof(struct kpm31_relay_state),
     .step = kpm31__relay_step,
     .source = "KPM31 manual V2.0, 6.1; FC05 address: KPM33B manual V3.4 "
               "(confidence B)"},
    {.verb = "clear-energy",
     .help = "Set the energy registers to zero.",
     .flags = MG_PROC_NEW_EPOCH,
     .state_size = sizeof(struct kpm31_clear_state),
     .step = kpm31__clear_step,
     .source = "KPM31 manual V2.0, 6.2"},
    {.verb = "set-address",
     .help = "Give the meter another bus address.",
     .flags = MG_PROC_NEW_ADDRESS,
     .args = ADDRESS_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct kpm31_address_args),
     .state_size = sizeof(struct kpm31_place_state),
     .step = kpm31__address_step,
     .source = "KPM31 manual V2.0, 6.2"},
    {.verb = "set-baud",
     .help = "Give the meter another line speed.",
     .flags = MG_PROC_LINE_SPEED,
     .args = BAUD_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct kpm31_baud_args),
     .state_size = sizeof(struct kpm31_place_state),
     .step = kpm31__baud_step,
     .source = "KPM31 manual V2.0, 6.2"},
    {.verb = "set-clock",
     .help = "Set the meter's clock to UTC.",
     .state_size = sizeof(struct kpm31_clock_state),
     .step = kpm31__clock_step,
     .source = "KPM33B manual V3.4 (confidence C)"},
};
