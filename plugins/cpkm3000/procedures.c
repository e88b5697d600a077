/* The commands of the CPKM3000: relay and seal, one exchange each; the update,
 * in update.c. What acts is sent once: whether it was carried out when no
 * answer came is seen in the readings, and whoever wants it asks again. */
#include <string.h>

#include "cpkm3000.h"
#include "messages.h"
#include "update.h"

#define SEAL_LEN 32

struct relay_args {
    int64_t closed; /* 0 or 1 */
};

static void put_value(struct mg_step_out *out, mg_channel channel,
                      int64_t value)
{
    out->values[out->n_values++] = (struct mg_value){.channel = channel,
                                                     .quality = MG_QUALITY_GOOD,
                                                     .value = value,
                                                     .resolution = 1};
}

/* Everything but a start and an answer. */
static void give_up(const struct mg_step_in *in, const char *what,
                    struct mg_step_out *out)
{
    if (in->event == MG_STEP_RESUME) {
        /* Hours may have gone by. */
        cpkm3000__fail(out, MG_E_CANCELED, what,
                       ": the gateway was restarted before it was answered");
    } else if (in->event == MG_STEP_EXCEPTION) {
        cpkm3000__fail(out, MG_E_EXCEPTION, what, ": refused");
    } else {
        cpkm3000__fail(out, MG_E_TIMEOUT, what, ": the meter does not answer");
    }
}

static void send_relay(const struct mg_step_in *in, struct mg_step_out *out)
{
    const struct relay_args *args = in->args;
    out->action = MG_STEP_SEND;
    out->has_effect = true;
    out->pdu[0] = CPKM3000_RELAY;
    out->pdu[1] = args->closed != 0;
    out->pdu_len = 2;
}

static void relay_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    const struct relay_args *args = in->args;
    (void)state;
    switch (in->event) {
    case MG_STEP_REPLY:
        if (!cpkm3000__is_answer(in, CPKM3000_RELAY, 1)) {
            cpkm3000__refused(in, "relay", out);
        } else if (in->pdu[1] != (uint8_t)args->closed) {
            cpkm3000__fail(out, MG_E_MISMATCH, "the relay still reads ",
                           in->pdu[1] != 0 ? "closed" : "open");
        } else {
            out->action = MG_STEP_DONE;
            put_value(out, MG_CH(RELAY_CLOSED, TOTAL), in->pdu[1]);
        }
        break;
    case MG_STEP_START:
        send_relay(in, out);
        break;
    default:
        give_up(in, "relay", out);
        break;
    }
}

static bool is_sealed_to_another(const struct mg_step_in *in)
{
    return in->pdu_len == 3 && in->pdu[0] == CPKM3000_REFUSAL &&
           in->pdu[2] == CPKM3000_BAD_VALUE;
}

static void seal_step(void *state, const struct mg_step_in *in,
                      struct mg_step_out *out)
{
    (void)state;
    switch (in->event) {
    case MG_STEP_REPLY:
        if (cpkm3000__is_answer(in, CPKM3000_SEAL, 0)) {
            out->action = MG_STEP_DONE;
        } else if (is_sealed_to_another(in)) {
            cpkm3000__fail(out, MG_E_EXCEPTION, "seal",
                           " refused: the meter is sealed to another station "
                           "for good");
        } else {
            cpkm3000__refused(in, "seal", out);
        }
        break;
    case MG_STEP_START:
        if (in->text_len != SEAL_LEN) {
            cpkm3000__fail(out, MG_E_STATE, "seal",
                           ": the station has no key now");
            break;
        }
        out->action = MG_STEP_SEND;
        out->has_effect = true;
        out->pdu[0] = CPKM3000_SEAL;
        memcpy(out->pdu + 1, in->text, SEAL_LEN);
        out->pdu_len = 1 + SEAL_LEN;
        break;
    default:
        give_up(in, "seal", out);
        break;
    }
}

/* The gateway does it; the meter is not asked. */
static void clear_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    (void)state;
    (void)in;
    out->action = MG_STEP_DONE;
}

struct clear_args {
    char fault[64];
};

static const struct mg_option CLEAR_ARGS[] = {
    {.name = "fault",
     .type = MG_OPTION_TEXT,
     .is_required = true,
     .offset = offsetof(struct clear_args, fault),
     .size = sizeof(((struct clear_args *)NULL)->fault),
     .help = "Id of a fault that service has removed, urn:fault:..."},
};

static const struct mg_option RELAY_ARGS[] = {
    {.name = "closed",
     .type = MG_OPTION_BOOL,
     .is_required = true,
     .max = 1,
     .offset = offsetof(struct relay_args, closed),
     .size = sizeof(int64_t),
     .help = "true closes the relays, false opens them."},
};

static const struct mg_option UPDATE_ARGS[] = {
    {.name = "file",
     .type = MG_OPTION_TEXT,
     .is_required = true,
     .offset = offsetof(struct cpkm3000_update_args, file),
     .size = sizeof(((struct cpkm3000_update_args *)NULL)->file),
     .help = "Image in the gateway's update folder, with its signature."},
};

const struct mg_procedure cpkm3000_procedures[CPKM3000_N_PROCEDURES] = {
    {.verb = "relay",
     .help = "Close or open the relays; an internal error keeps them open.",
     .flags = MG_PROC_SWITCHES,
     .args = RELAY_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct relay_args),
     .step = relay_step,
     .source = "README.md, 13h (invented)"},
    {.verb = "seal",
     .help = "Seal station and meter to each other, with key and cable.",
     .flags = MG_PROC_SEAL,
     .step = seal_step,
     .source = "README.md, 12h (invented); Flex Series guide, annex A"},
    {.verb = "firmware-update",
     .help = "Give the meter another firmware; it takes a signed one only.",
     .flags = MG_PROC_UPDATE,
     .args = UPDATE_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct cpkm3000_update_args),
     .state_size = sizeof(struct cpkm3000_update_state),
     .step = cpkm3000__update_step,
     .source = "README.md, 20h to 24h (invented); CPKM3000 guide, chapter 3"},
    {.verb = "clear-fault",
     .help = "Forget a latched fault, as a welded contact, after service.",
     .flags = MG_PROC_SERVICE,
     .args = CLEAR_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct clear_args),
     .step = clear_step,
     .source = "Flex Series guide, annex B"},
};
