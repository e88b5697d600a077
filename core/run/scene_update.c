/* Somebody tries to give a meter another firmware, as its own driver would, but
 * with an image that nobody has signed. Beside the wire: a tool at the meter.
 */
#include <stdlib.h>
#include <string.h>

#include "run/scene_priv.h"

#define IMAGE_LEN   1024
#define STEPS_MAX   200
#define STATE_ALIGN 16

static const struct mg_procedure *find_update(const struct mg_driver *driver)
{
    for (size_t i = 0; i < driver->n_procedures; i++) {
        if ((driver->procedures[i].flags & MG_PROC_UPDATE) != 0) {
            return &driver->procedures[i];
        }
    }
    return NULL;
}

/* What comes of a step. @return false: it is over */
static bool ask(struct mg_sim_device *d, const struct mg_step_out *out,
                uint8_t answer[MG_PDU_MAX], struct mg_step_in *in)
{
    if (out->action != MG_STEP_SEND && out->action != MG_STEP_WAIT) {
        return false;
    }
    in->event = MG_STEP_WOKE;
    if (out->action == MG_STEP_SEND) {
        in->pdu = answer;
        in->pdu_len =
            mg_sim_device_pdu(d, in->unit, out->pdu, out->pdu_len, answer);
        in->event = in->pdu_len > 0 ? MG_STEP_REPLY : MG_STEP_TIMEOUT;
    }
    return true;
}

const char *mg_scene_update(struct mg_scene *scene, size_t meter)
{
    const struct mg_setup_meter *m = &scene->settings.setup->meters[meter];
    struct mg_sim_device *d =
        mg_simulation_device(scene->settings.simulation, meter);
    const struct mg_procedure *p = find_update(m->plugin->driver);
    _Alignas(STATE_ALIGN) uint8_t state[MG_STEP_STATE_MAX] = {0};
    char image[IMAGE_LEN];
    uint8_t answer[MG_PDU_MAX];
    struct mg_step_out out = {0};
    if (p == NULL) {
        return "this model takes no firmware";
    }
    void *args = calloc(1, p->args_size + 1);
    if (args == NULL) {
        return "out of memory";
    }
    memset(image, 'x', sizeof image);
    struct mg_step_in in = {.event = MG_STEP_START,
                            .now_ms = mg_scene_now_ms(scene),
                            .utc_ms = mg_clock_utc_ms(scene->settings.clock),
                            .options = m->options,
                            .args = args,
                            .text = image,
                            .text_len = sizeof image,
                            .unit = mg_scene_unit(m)};
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        memset(&out, 0, sizeof out);
        p->step(state, &in, &out);
        if (!ask(d, &out, answer, &in)) {
            break;
        }
    }
    free(args);
    return out.action == MG_STEP_DONE ? "the meter has taken it" : NULL;
}
