#include "cli/virtual.h"

/* Virtual time passes in small steps, and for so much real time in one turn of
 * the loop, so that the store and signals are heard in between. */
#define STEP_NS      250000000ULL
#define TURN_REAL_NS 20000000ULL
#define PERIOD_MS    5

static uint64_t wanted_ns(const struct virtual_time *v)
{
    uint64_t now_ns = mg_clock_now_ns(v->clock);
    uint64_t until_ns = now_ns + STEP_NS;
    if (v->speed != 0) {
        uint64_t real_ms = uv_now(v->timer.loop) - v->real_start_ms;
        uint64_t due_ns = real_ms * v->speed * 1000000;
        until_ns = due_ns < until_ns ? due_ns : until_ns;
    }
    return until_ns < v->end_ns ? until_ns : v->end_ns;
}

static void turn(uv_timer_t *timer)
{
    struct virtual_time *v = timer->data;
    uint64_t end_real_ns = uv_hrtime() + TURN_REAL_NS;
    while (!mg_gateway_is_behind(v->gateway) && uv_hrtime() < end_real_ns) {
        uint64_t until_ns = wanted_ns(v);
        if (until_ns <= mg_clock_now_ns(v->clock)) {
            break;
        }
        mg_clock_advance(v->clock, until_ns);
    }
    if (mg_clock_now_ns(v->clock) >= v->end_ns) {
        (void)uv_timer_stop(timer);
        v->ended(v->ctx);
    }
}

int virtual_start(struct virtual_time *v, uv_loop_t *loop, struct mg_err *err)
{
    int rc = uv_timer_init(loop, &v->timer);
    if (rc != 0) {
        return mg_err_set(err, MG_E_IO, "timer: %s", uv_strerror(rc));
    }
    v->has_timer = true;
    v->timer.data = v;
    v->real_start_ms = uv_now(loop);
    uint64_t period_ms = v->speed == 0 ? 1 : PERIOD_MS;
    (void)uv_timer_start(&v->timer, turn, 0, period_ms);
    return MG_OK;
}

void virtual_stop(struct virtual_time *v)
{
    if (v->has_timer) {
        uv_close((uv_handle_t *)&v->timer, NULL);
        v->has_timer = false;
    }
}
