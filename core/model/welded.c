#include "model/welded.h"

static bool is_flowing(const int64_t *current_ma, unsigned n_phases,
                       int64_t starting_ma)
{
    for (unsigned i = 0; i < n_phases; i++) {
        if (current_ma[i] > starting_ma || current_ma[i] < -starting_ma) {
            return true;
        }
    }
    return false;
}

bool mg_welded_sample(struct mg_welded *w, bool is_open,
                      const int64_t *current_ma, unsigned n_phases,
                      int64_t starting_ma)
{
    if (!is_open) {
        bool is_first = !w->had_session;
        w->had_session = true;
        w->n_over = 0;
        return is_first;
    }
    if (!w->had_session || w->is_latched ||
        !is_flowing(current_ma, n_phases, starting_ma)) {
        w->n_over = 0;
        return false;
    }
    w->n_over++;
    w->is_latched = w->n_over >= MG_WELDED_SAMPLES;
    return w->is_latched;
}

bool mg_welded_reset(struct mg_welded *w)
{
    bool was_latched = w->is_latched;
    w->is_latched = false;
    w->n_over = 0;
    return was_latched;
}
