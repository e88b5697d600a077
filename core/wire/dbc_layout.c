/* Which bit of a message belongs to which signal. */
#include "dbc_priv.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY UINT16_MAX

struct owners {
    uint16_t of[DBC_BITS_MAX]; /* index of the signal */
};

static bool claim(struct dbc_parse *p, size_t message_index, size_t index,
                  struct owners *owners)
{
    const struct mg_dbc_message *message =
        (const struct mg_dbc_message *)p->messages.items + message_index;
    const struct dbc_message_extra *extra =
        (const struct dbc_message_extra *)p->extras.items + message_index;
    const struct dbc_pos *at = p->signals_at.items;
    const struct mg_dbc_signal *signal = &message->signals[index];
    for (unsigned i = 0; i < signal->length; i++) {
        unsigned bit = dbc_bit_number(signal, i);
        uint16_t *owner = &owners->of[bit];
        if (*owner != NOBODY) {
            const struct mg_dbc_signal *other = &message->signals[*owner];
            dbc_fault(&p->lex, at[extra->first + index],
                      "%s overlaps %s (line %u) at bit %u", signal->name,
                      other->name, (unsigned)other->line, bit);
            return false;
        }
        *owner = (uint16_t)index;
    }
    return true;
}

struct slot { /* a multiplexed signal */
    uint32_t mux_value;
    uint16_t index;
};

static int compare_slots(const void *a, const void *b)
{
    const struct slot *left = a;
    const struct slot *right = b;
    if (left->mux_value != right->mux_value) {
        return left->mux_value < right->mux_value ? -1 : 1;
    }
    return left->index - right->index;
}

void dbc_check_layout(struct dbc_parse *p, size_t message_index)
{
    const struct mg_dbc_message *message =
        (const struct mg_dbc_message *)p->messages.items + message_index;
    struct owners always; /* of the signals in every frame */
    memset(&always, 0xff, sizeof always);
    struct slot slots[MG_DBC_SIGNALS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < message->n_signals; i++) {
        const struct mg_dbc_signal *signal = &message->signals[i];
        if (signal->mux == MG_DBC_MULTIPLEXED) {
            slots[n++] = (struct slot){signal->mux_value, (uint16_t)i};
        } else if (!claim(p, message_index, i, &always)) {
            return;
        }
    }
    qsort(slots, n, sizeof *slots, compare_slots);
    struct owners owners = always;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && slots[i].mux_value != slots[i - 1].mux_value) {
            owners = always;
        }
        if (!claim(p, message_index, slots[i].index, &owners)) {
            return;
        }
    }
}
