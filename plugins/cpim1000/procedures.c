/* The commands of the CPIM1000, each about one side, and the update of the
 * whole unit in update.c. What acts is sent once: whether it was carried out
 * when no answer came is seen in the readings, and whoever wants it asks
 * again. */
#include <string.h>

#include "cpim1000.h"
#include "messages.h"
#include "update.h"

static const uint8_t TRIP[4] = {'T', 'R', 'I', 'P'};

/* All events but a start and an answer. */
static void end_without_answer(const struct mg_step_in *in, const char *what,
                               struct mg_step_out *out)
{
    switch (in->event) {
    case MG_STEP_RESUME:
        /* Hours may have gone by. */
        cpim1000__fail(out, MG_E_CANCELED, what,
                       ": the gateway was restarted before it was answered");
        break;
    case MG_STEP_EXCEPTION:
        cpim1000__fail(out, MG_E_EXCEPTION, what, ": refused");
        break;
    default:
        cpim1000__fail(out, MG_E_TIMEOUT, what, ": the unit does not answer");
        break;
    }
}

static void send_once(struct mg_step_out *out, enum cpim1000_service service,
                      const uint8_t *data, size_t len)
{
    out->action = MG_STEP_SEND;
    out->has_effect = true;
    out->pdu[0] = (uint8_t)service;
    memcpy(out->pdu + 1, data, len);
    out->pdu_len = 1 + len;
}

/* ---- relay ---- */

struct relay_args {
    int64_t closed; /* 0 or 1 */
};

static void relay_answered(const struct mg_step_in *in, uint8_t wanted,
                           struct mg_step_out *out)
{
    if (!cpim1000__is_answer(in, CPIM1000_RELAY, 1)) {
        cpim1000__refused(in, "relay", out);
        return;
    }
    if (in->pdu[1] != wanted) {
        cpim1000__fail(out, MG_E_MISMATCH, "the relay still reads ",
                       in->pdu[1] != 0 ? "closed" : "open");
        return;
    }
    out->action = MG_STEP_DONE;
    out->values[out->n_values++] =
        (struct mg_value){.channel = MG_CH(RELAY_CLOSED, TOTAL),
                          .quality = MG_QUALITY_GOOD,
                          .value = wanted,
                          .resolution = 1};
}

static void relay_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    const struct relay_args *args = in->args;
    uint8_t wanted = args->closed != 0;
    (void)state;
    if (in->event == MG_STEP_START) {
        send_once(out, CPIM1000_RELAY, &wanted, 1);
    } else if (in->event == MG_STEP_REPLY) {
        relay_answered(in, wanted, out);
    } else {
        end_without_answer(in, "relay", out);
    }
}

static const struct mg_option RELAY_ARGS[] = {
    {.name = "closed",
     .type = MG_OPTION_BOOL,
     .is_required = true,
     .max = 1,
     .offset = offsetof(struct relay_args, closed),
     .size = sizeof(int64_t),
     .help = "true closes the side's relays, false opens them."},
};

/* ---- shunt-trip ---- */

static void trip_step(void *state, const struct mg_step_in *in,
                      struct mg_step_out *out)
{
    (void)state;
    if (in->event == MG_STEP_START) {
        send_once(out, CPIM1000_SHUNT_TRIP, TRIP, sizeof TRIP);
    } else if (in->event != MG_STEP_REPLY) {
        end_without_answer(in, "shunt-trip", out);
    } else if (cpim1000__is_answer(in, CPIM1000_SHUNT_TRIP, 0)) {
        out->action = MG_STEP_DONE;
    } else {
        cpim1000__refused(in, "shunt-trip", out);
    }
}

/* ---- clear-fault: the gateway does it, the unit is not asked ---- */

struct clear_args {
    char fault[64];
};

static void clear_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    (void)state;
    (void)in;
    out->action = MG_STEP_DONE;
}

static const struct mg_option CLEAR_ARGS[] = {
    {.name = "fault",
     .type = MG_OPTION_TEXT,
     .is_required = true,
     .offset = offsetof(struct clear_args, fault),
     .size = sizeof(((struct clear_args *)NULL)->fault),
     .help = "Id of a fault that service has removed, urn:fault:..."},
};

/* ---- */

static const struct mg_option UPDATE_ARGS[] = {
    {.name = "file",
     .type = MG_OPTION_TEXT,
     .is_required = true,
     .offset = offsetof(struct cpim1000_update_args, file),
     .size = sizeof(((struct cpim1000_update_args *)NULL)->file),
     .help = "Image in the gateway's update folder, with its signature."},
};

const struct mg_procedure cpim1000_procedures[CPIM1000_N_PROCEDURES] = {
    {.verb = "relay",
     .help = "Close or open the side's relays; a fault at the start keeps them "
             "open.",
     .flags = MG_PROC_SWITCHES,
     .args = RELAY_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct relay_args),
     .step = relay_step,
     .source = "README.md, 13h (invented)"},
    {.verb = "shunt-trip",
     .help = "Trip the RCCB before the side; somebody must switch it on again.",
     .flags = MG_PROC_SWITCHES,
     .step = trip_step,
     .source = "README.md, 14h (invented); guide, pins S14 to S17"},
    {.verb = "firmware-update",
     .help = "Give the unit another firmware; it takes a signed one only, and "
             "none while it is sealed.",
     .flags = MG_PROC_UPDATE,
     .args = UPDATE_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct cpim1000_update_args),
     .state_size = sizeof(struct cpim1000_update_state),
     .step = cpim1000__update_step,
     .source = "README.md, 20h to 24h (invented); guide, \"Data Protection\""},
    {.verb = "clear-fault",
     .help = "Forget a latched fault, as a welded contact, after service.",
     .flags = MG_PROC_SERVICE,
     .args = CLEAR_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct clear_args),
     .step = clear_step,
     .source = "Flex Series guide, annex B"},
};
