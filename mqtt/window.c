#include "mqtt/window.h"

#include <assert.h>

void mg_window_reset(struct mg_window *window, uint32_t limit)
{
    *window = (struct mg_window){
        .limit = limit < MG_CLIENT_WINDOW_MAX ? limit : MG_CLIENT_WINDOW_MAX};
}

bool mg_window_has_room(const struct mg_window *window)
{
    return window->n < window->limit;
}

uint32_t mg_window_take(struct mg_window *window, enum mg_sent_kind kind,
                        int64_t id, uint64_t now_ms)
{
    uint32_t tag = 0;
    assert(mg_window_has_room(window));
    while (window->slots[tag].is_used) {
        tag++;
    }
    window->slots[tag] = (struct mg_sent){
        .is_used = true, .kind = kind, .id = id, .since_ms = now_ms};
    window->n++;
    return tag;
}

bool mg_window_release(struct mg_window *window, uint32_t tag,
                       struct mg_sent *ret)
{
    if (tag >= MG_CLIENT_WINDOW_MAX || !window->slots[tag].is_used) {
        return false;
    }
    *ret = window->slots[tag];
    window->slots[tag].is_used = false;
    window->n--;
    return true;
}

bool mg_window_has(const struct mg_window *window, enum mg_sent_kind kind)
{
    for (uint32_t i = 0; i < MG_CLIENT_WINDOW_MAX; i++) {
        if (window->slots[i].is_used && window->slots[i].kind == kind) {
            return true;
        }
    }
    return false;
}

uint64_t mg_window_oldest_ms(const struct mg_window *window)
{
    uint64_t oldest_ms = UINT64_MAX;
    for (uint32_t i = 0; i < MG_CLIENT_WINDOW_MAX; i++) {
        const struct mg_sent *s = &window->slots[i];
        if (s->is_used && s->since_ms < oldest_ms) {
            oldest_ms = s->since_ms;
        }
    }
    return oldest_ms;
}
