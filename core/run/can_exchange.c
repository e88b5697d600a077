/* Questions to a meter over ISO-TP, one at a time. The request and its answer
 * have the form of Modbus PDUs, so that a driver's procedures run on both. */
#include <string.h>

#include "run/can_priv.h"

#define WAITING_MAX 8

static struct mg_gateway *gateway_of(const struct can_meter *cm)
{
    return cm->meter->gateway;
}

static void send_next(struct can_meter *cm);

static void finish(struct can_meter *cm, const struct mg_modbus_result *result)
{
    struct mg_modbus_request *request = cm->current;
    mg_timer_stop(&cm->answer_timer);
    cm->current = NULL;
    request->done(request, result);
    if (cm->current == NULL) {
        send_next(cm);
    }
}

static void no_answer(struct mg_timer *timer)
{
    struct can_meter *cm =
        (struct can_meter *)((char *)timer -
                             offsetof(struct can_meter, answer_timer));
    struct mg_modbus_result result = {.code = MG_E_TIMEOUT};
    finish(cm, &result);
}

static void start_timer(struct can_meter *cm, uint32_t ms)
{
    struct mg_clock *clock = gateway_of(cm)->clock;
    mg_timer_start(clock, &cm->answer_timer,
                   mg_clock_now_ns(clock) + ms * UINT64_C(1000000), no_answer);
}

static uint32_t timeout_of(const struct can_meter *cm,
                           const struct mg_modbus_request *request)
{
    uint32_t ms = request->timeout_ms != 0 ? request->timeout_ms
                                           : cm->meter->setup->timeout_ms;
    return ms == 0 ? CAN_ANSWER_MS : ms;
}

static void send_next(struct can_meter *cm)
{
    struct mg_modbus_request *request = cm->waiting;
    if (request == NULL || cm->channel == NULL) {
        return;
    }
    cm->waiting = request->next;
    cm->current = request;
    start_timer(cm, timeout_of(cm, request));
    int rc = mg_can_channel_send(cm->channel, request->pdu, request->pdu_len);
    if (rc != MG_OK) {
        /* Told by the timer: never from within submit. */
        start_timer(cm, 1);
    }
}

int mg_can_submit(struct can_meter *cm, struct mg_modbus_request *request)
{
    size_t n = 0;
    struct mg_modbus_request **end = &cm->waiting;
    if (cm->channel == NULL || !mg_can_is_up(cm->meter->line->can)) {
        return MG_E_IO;
    }
    if (request->pdu_len == 0 || request->pdu_len > MG_PDU_MAX) {
        return MG_E_INVAL;
    }
    for (; *end != NULL; end = &(*end)->next) {
        n++;
    }
    if (n == WAITING_MAX) {
        return MG_E_BUSY;
    }
    request->next = NULL;
    *end = request;
    if (cm->current == NULL) {
        send_next(cm);
    }
    return MG_OK;
}

void mg_can_exchange_message(struct can_meter *cm, const uint8_t *message,
                             size_t len)
{
    if (cm->current == NULL || len == 0) {
        return; /* late: its time-out was told */
    }
    struct mg_modbus_result result = {
        .code = MG_OK,
        .pdu = message,
        .pdu_len = len,
        .answered_ns = mg_clock_now_ns(gateway_of(cm)->clock)};
    finish(cm, &result);
}

void mg_can_exchange_sent(struct can_meter *cm, int code)
{
    if (cm->current != NULL && code != MG_OK) {
        start_timer(cm, 1);
    }
}

void mg_can_exchange_stop(struct can_meter *cm)
{
    const struct mg_modbus_result result = {.code = MG_E_CANCELED};
    mg_timer_stop(&cm->answer_timer);
    struct mg_modbus_request *request = cm->current;
    struct mg_modbus_request *next = cm->waiting;
    cm->current = cm->waiting = NULL;
    if (request != NULL) {
        request->done(request, &result);
    }
    while (next != NULL) {
        request = next;
        next = request->next;
        request->done(request, &result);
    }
}
