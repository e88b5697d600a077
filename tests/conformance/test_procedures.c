/* Commands against the simulated meter: each comes to its end, whatever is lost
 * at whatever step. */
#include <stdio.h>
#include <string.h>

#include "crypto/verify.h"
#include "device.h"

#define STEPS_MAX 200
#define ARGS_MAX  256
#define NOWHERE   1000

enum trouble {
    NO_TROUBLE,
    LOST_REQUEST, /* the meter never saw it */
    LOST_ANSWER,  /* the meter acted, nobody knows */
    EXCEPTION,    /* in place of the answer */
    CANCELED,
    RESTARTED, /* the gateway died after the meter had acted */
    NOT_SENT,  /* the gateway died before it sent */
    SILENCE,   /* no answer from here on */
    N_TROUBLES
};

static const char *const TROUBLES[] = {"nothing",
                                       "a lost request",
                                       "a lost answer",
                                       "an exception",
                                       "a cancel",
                                       "a restart",
                                       "a restart before sending",
                                       "silence"};

struct job {
    struct device *device;
    const struct mg_procedure *procedure;
    _Alignas(8) uint8_t state[MG_STEP_STATE_MAX];
    _Alignas(8) uint8_t args[ARGS_MAX];
    char label[96];
    struct mg_step_out out;
    struct mg_step_in in;
    uint8_t answer[MG_PDU_MAX];
    unsigned n_steps, n_effects;
};

static void deliver(struct job *j)
{
    uint8_t unit = j->out.unit != 0 ? j->out.unit : DEVICE_UNIT;
    uint32_t baud = j->out.baud != 0 ? j->out.baud : DEVICE_BAUD;
    size_t n = device_ask(j->device, unit, baud, j->out.pdu, j->out.pdu_len,
                          j->answer);
    j->in.pdu = NULL;
    j->in.pdu_len = 0;
    j->in.exception = 0;
    if (n == 0) {
        j->in.event = MG_STEP_TIMEOUT;
    } else if ((j->answer[0] & 0x80) != 0) {
        j->in.event = MG_STEP_EXCEPTION;
        j->in.exception = j->answer[1];
    } else {
        j->in.event = MG_STEP_REPLY;
        j->in.pdu = j->answer;
        j->in.pdu_len = n;
    }
}

static void upset(struct job *j, enum trouble trouble)
{
    static const enum mg_step_event EVENTS[] = {
        [LOST_REQUEST] = MG_STEP_TIMEOUT, [LOST_ANSWER] = MG_STEP_TIMEOUT,
        [EXCEPTION] = MG_STEP_EXCEPTION,  [CANCELED] = MG_STEP_CANCEL,
        [RESTARTED] = MG_STEP_RESUME,     [NOT_SENT] = MG_STEP_RESUME};
    if (trouble == LOST_ANSWER || trouble == CANCELED || trouble == RESTARTED) {
        deliver(j);
    }
    j->in.event = EVENTS[trouble];
    j->in.exception = 4;
    j->in.pdu = NULL;
    j->in.pdu_len = 0;
}

static void check_out(struct job *j)
{
    const struct mg_step_out *out = &j->out;
    const struct device *d = j->device;
    if (memchr(out->reason, 0, sizeof out->reason) == NULL) {
        fail(d, "%s: a reason without an end", j->label);
    }
    if (out->action == MG_STEP_SEND &&
        (out->pdu_len == 0 || out->pdu_len > MG_PDU_MAX)) {
        fail(d, "%s: sends %zu bytes", j->label, out->pdu_len);
    }
    if (out->action == MG_STEP_WAIT &&
        (out->wait_ms == 0 || out->wait_ms > 60000)) {
        fail(d, "%s: waits %u ms", j->label, out->wait_ms);
    }
    if (out->action == MG_STEP_FAIL &&
        (out->reason[0] == '\0' || out->code >= MG_OK)) {
        fail(d, "%s: fails with code %d and no reason", j->label, out->code);
    }
    if (out->n_values > MG_STEP_VALUES_MAX) {
        fail(d, "%s: %zu values", j->label, out->n_values);
    }
}

static void step(struct job *j)
{
    memset(&j->out, 0, sizeof j->out);
    j->in.utc_ms = j->device->utc_ms;
    j->procedure->step(j->state, &j->in, &j->out);
    j->n_steps++;
    j->n_effects += j->out.action == MG_STEP_SEND && j->out.has_effect;
    check_out(j);
}

static bool is_over(const struct job *j)
{
    return j->out.action == MG_STEP_DONE || j->out.action == MG_STEP_FAIL;
}

/* What the step function gets next: the answer, or trouble instead of it. */
static void go_on(struct job *j, unsigned at, enum trouble trouble)
{
    bool is_wait = j->out.action == MG_STEP_WAIT;
    bool is_now = j->n_steps == at && trouble != NO_TROUBLE;
    if (is_wait) {
        device_run(j->device, j->out.wait_ms);
        j->in.event = MG_STEP_WOKE;
        if (is_now && trouble == CANCELED) {
            j->in.event = MG_STEP_CANCEL;
        } else if (is_now && trouble == RESTARTED) {
            j->in.event = MG_STEP_RESUME;
        }
    } else if (trouble == SILENCE && j->n_steps >= at) {
        upset(j, LOST_REQUEST);
    } else if (is_now) {
        upset(j, trouble);
    } else {
        deliver(j);
    }
}

/* What the core gives with some procedures: a seal, or an image with its hash
 * in front and its signature behind. */
static void give_text(struct job *j)
{
    static const char seal[32] = "to this";
    static char image[32 + 600 + 64];
    uint32_t flags = j->procedure->flags;
    if ((flags & MG_PROC_SEAL) != 0) {
        j->in.text = seal;
        j->in.text_len = sizeof seal;
    } else if ((flags & MG_PROC_UPDATE) != 0) {
        memcpy(image + 32,
               j->device->plugin->driver->can == NULL ? "none"
                                                      : "MGCPKM012.0.0",
               13);
        mg_sha256(image + 32, 600, (uint8_t *)image);
        j->in.text = image;
        j->in.text_len = sizeof image;
    }
}

/* Run to the end, with trouble at one step. @return steps it took */
static unsigned play(struct job *j, unsigned at, enum trouble trouble)
{
    memset(j->state, 0, sizeof j->state);
    j->n_steps = 0;
    j->n_effects = 0;
    j->in = (struct mg_step_in){.event = MG_STEP_START,
                                .options = j->device->options,
                                .args = j->args,
                                .clock = MG_CLOCK_SYNCED,
                                .unit = DEVICE_UNIT};
    give_text(j);
    step(j);
    while (!is_over(j) && j->n_steps < STEPS_MAX) {
        go_on(j, at, trouble);
        device_run(j->device, 20);
        step(j);
    }
    if (!is_over(j)) {
        fail(j->device, "%s: comes to no end after %s at step %u", j->label,
             TROUBLES[trouble], at);
    }
    return j->n_steps;
}

/* Where the command says the meter is now, it must be. */
static void check_place(struct job *j)
{
    uint8_t pdu[MG_PDU_MAX];
    uint8_t answer[MG_PDU_MAX];
    struct device *d = j->device;
    if (d->dbc != NULL) {
        return; /* its node address is fixed */
    }
    size_t len = mg_plan_request(&d->plan.blocks[0], pdu);
    uint8_t unit = j->out.unit != 0 ? j->out.unit : DEVICE_UNIT;
    uint32_t baud = j->out.baud != 0 ? j->out.baud : DEVICE_BAUD;
    if (device_ask(d, unit, baud, pdu, len, answer) == 0) {
        fail(d, "%s: done, but nobody answers at unit %u, %u baud", j->label,
             unit, baud);
    }
}

static void play_with_trouble(struct job *j, unsigned n_steps)
{
    struct device *original = j->device;
    for (unsigned at = 1; at < n_steps; at++) {
        for (unsigned t = NO_TROUBLE + 1; t < N_TROUBLES; t++) {
            struct device fresh;
            device_init(&fresh, original->plugin, original->options,
                        original->label);
            j->device = &fresh;
            (void)play(j, at, (enum trouble)t);
            if (j->n_effects > 1) {
                fail(original, "%s: acts %u times after %s at step %u",
                     j->label, j->n_effects, TROUBLES[t], at);
            }
            if (j->out.action == MG_STEP_DONE) {
                check_place(j);
            }
            device_fini(&fresh);
        }
    }
    j->device = original;
}

static void run_with(struct device *d, const struct mg_procedure *p,
                     const struct job *args)
{
    struct device fresh;
    struct job j = *args;
    j.procedure = p;
    j.device = &fresh;
    device_init(&fresh, d->plugin, d->options, d->label);
    unsigned n_steps = play(&j, NOWHERE, NO_TROUBLE);
    /* Without the maker's key no image is the right one. */
    bool is_refused =
        (p->flags & MG_PROC_UPDATE) != 0 && j.out.code == MG_E_EXCEPTION;
    if (j.out.action != MG_STEP_DONE && !is_refused) {
        fail(d, "%s: %s", j.label, j.out.reason);
    } else if (!is_refused) {
        check_place(&j);
    }
    play_with_trouble(&j, n_steps);
    device_fini(&fresh);
}

/* Each argument at its least and its greatest, the others as by default. */
static void run_extremes(struct device *d, const struct mg_procedure *p)
{
    struct job base = {0};
    mg_options_default(p->args, p->n_args, base.args);
    (void)snprintf(base.label, sizeof base.label, "%s", p->verb);
    run_with(d, p, &base);
    for (size_t i = 0; i < p->n_args; i++) {
        const struct mg_option *o = &p->args[i];
        if (o->type == MG_OPTION_TEXT) {
            continue;
        }
        bool is_bool = o->type == MG_OPTION_BOOL;
        const int64_t ends[] = {is_bool ? 0 : o->min, is_bool ? 1 : o->max};
        for (unsigned k = 0; k < 2; k++) {
            struct job j = base;
            memcpy(j.args + o->offset, &ends[k], sizeof ends[k]);
            (void)snprintf(j.label, sizeof j.label, "%s %s=%lld", p->verb,
                           o->name, (long long)ends[k]);
            run_with(d, p, &j);
        }
    }
}

void test_procedures(struct device *d)
{
    const struct mg_driver *driver = d->plugin->driver;
    for (size_t i = 0; i < driver->n_procedures; i++) {
        const struct mg_procedure *p = &driver->procedures[i];
        if (p->variants == 0 || (p->variants >> d->variant & 1) != 0) {
            run_extremes(d, p);
        }
    }
}
