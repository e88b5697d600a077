/* Who is the meter? Asked after each start and whenever it was away. */
#include <stdio.h>
#include <string.h>

#include "run/can_priv.h"
#include "run/seal.h"

#define ASK_AGAIN_NS (5000 * 1000000ULL)

static void add_text(struct mg_sample *s, mg_channel channel, const char *text)
{
    (void)mg_sample_add_text(s, channel, (const uint8_t *)text, strlen(text));
}

static void hex(const uint8_t *bytes, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    }
}

static void publish(struct can_meter *cm)
{
    struct meter *m = cm->meter;
    struct mg_gateway *g = m->gateway;
    const struct mg_identity *id = &cm->identity;
    struct mg_sample sample = {.group = MG_GROUP_INFO,
                               .utc_ms = mg_clock_utc_ms(g->clock),
                               .mono_ns = mg_clock_now_ns(g->clock),
                               .clock = (uint8_t)mg_clock_sync(g->clock)};
    char lrs_hash[65];
    hex(id->lrs_hash, sizeof id->lrs_hash, lrs_hash);
    add_text(&sample, MG_CH(SERIAL, TOTAL), id->serial);
    add_text(&sample, MG_CH(PART_NUMBER, TOTAL), id->part_number);
    add_text(&sample, MG_CH(UDID, TOTAL), m->udid);
    add_text(&sample, MG_CH(VERSION, TOTAL), id->version);
    add_text(&sample, MG_CH(LRS_VERSION, TOTAL), id->lrs_version);
    add_text(&sample, MG_CH(LRS_HASH, TOTAL), lrs_hash);
    if (id->has_software_hash) {
        char hash[65];
        hex(id->software_hash, sizeof id->software_hash, hash);
        add_text(&sample, MG_CH(SOFTWARE_HASH, TOTAL), hash);
    }
    mg_pipeline_sample(m, &sample);
}

/* Another DBC may have turned the two round: then nothing is billed. */
static bool is_other_circuit(struct can_meter *cm,
                             const struct mg_identity *identity)
{
    struct meter *m = cm->meter;
    bool was_other = cm->is_other_circuit;
    cm->is_other_circuit = identity->circuit != mg_setup_circuit(m->setup);
    if (cm->is_other_circuit && !was_other) {
        mg_event(
            m->gateway, m, MG_LOG_ERROR, "wrong-circuit", NULL,
            "the other one of the device's two meters answers; expected "
            "this meter's messages as `request` and `answer` in `signals`");
    }
    return cm->is_other_circuit;
}

static void answered(struct mg_modbus_request *request,
                     const struct mg_modbus_result *result)
{
    struct can_meter *cm =
        (struct can_meter *)((char *)request -
                             offsetof(struct can_meter, identify));
    struct meter *m = cm->meter;
    const struct mg_can_driver *driver = m->setup->plugin->driver->can;
    struct mg_identity identity = {0};
    cm->is_identifying = false;
    if (result->code != MG_OK || !m->gateway->is_running ||
        driver->identity(result->pdu, result->pdu_len, &identity) != MG_OK) {
        return; /* asked again with a later poll */
    }
    if (is_other_circuit(cm, &identity)) {
        return;
    }
    cm->identity = identity;
    cm->has_identity = true;
    m->has_info = true;
    mg_seal_identity(m, &identity);
    mg_telegram_learn_key(cm);
    publish(cm);
    mg_seal_check(m);
}

void mg_can_identify(struct can_meter *cm)
{
    struct meter *m = cm->meter;
    const struct mg_can_driver *driver = m->setup->plugin->driver->can;
    uint64_t now_ns = mg_clock_now_ns(m->gateway->clock);
    if (cm->channel == NULL || driver->identify == NULL) {
        m->has_info = true; /* all that can be known */
        return;
    }
    if (cm->is_identifying || now_ns < cm->identify_again_ns) {
        return;
    }
    cm->identify_again_ns = now_ns + ASK_AGAIN_NS;
    memset(&cm->identify, 0, sizeof cm->identify);
    cm->identify.pdu_len = driver->identify(cm->identify.pdu);
    cm->identify.done = answered;
    cm->is_identifying = mg_can_submit(cm, &cm->identify) == MG_OK;
}
