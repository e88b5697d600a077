#include "dbc_priv.h"

#include <stdlib.h>
#include <string.h>

/* What has been read, into a database. */
static struct mg_dbc *hand_over(struct dbc_parse *p)
{
    struct mg_dbc *dbc = calloc(1, sizeof *dbc);
    if (dbc == NULL) {
        dbc_out_of_memory(p);
        return NULL;
    }
    dbc->messages = p->messages.items;
    dbc->n_messages = p->messages.n;
    dbc->signals = p->signals.items;
    dbc->labels = p->labels.items;
    dbc->texts = p->texts;
    dbc->node_step = p->has_node_step ? p->node_step : p->default_node_step;
    p->messages.items = NULL;
    p->signals.items = NULL;
    p->labels.items = NULL;
    p->texts = NULL;
    return dbc;
}

static void fini(struct dbc_parse *p)
{
    free(p->messages.items);
    free(p->extras.items);
    free(p->signals.items);
    free(p->signals_at.items);
    free(p->refs.items);
    free(p->labels.items);
    free(p->texts);
}

struct mg_dbc *mg_dbc_parse(const char *name, const char *text, size_t len,
                            struct mg_err *err)
{
    if (len > MG_DBC_FILE_MAX) {
        (void)mg_err_set(err, MG_E_INVAL,
                         "%.100s: %zu bytes; at most %u would be right", name,
                         len, MG_DBC_FILE_MAX);
        return NULL;
    }
    struct dbc_parse p = {.default_node_step = 1};
    struct mg_dbc *dbc = NULL;
    p.texts = malloc(len + 1);
    dbc_lex_init(&p.lex, name, text, len, err);
    if (p.texts == NULL) {
        dbc_out_of_memory(&p);
    }
    dbc_read_file(&p);
    dbc_check(&p);
    if (!p.lex.failed) {
        dbc = hand_over(&p);
    }
    fini(&p);
    return dbc;
}

void mg_dbc_destroy(struct mg_dbc *dbc)
{
    if (dbc == NULL) {
        return;
    }
    free(dbc->messages);
    free(dbc->signals);
    free(dbc->labels);
    free(dbc->texts);
    free(dbc);
}

size_t mg_dbc_n_messages(const struct mg_dbc *dbc)
{
    return dbc->n_messages;
}

const struct mg_dbc_message *mg_dbc_message(const struct mg_dbc *dbc, size_t i)
{
    return i < dbc->n_messages ? &dbc->messages[i] : NULL;
}

const struct mg_dbc_message *mg_dbc_find(const struct mg_dbc *dbc,
                                         const char *message)
{
    for (size_t i = 0; i < dbc->n_messages; i++) {
        if (strcmp(dbc->messages[i].name, message) == 0) {
            return &dbc->messages[i];
        }
    }
    return NULL;
}

const struct mg_dbc_signal *
mg_dbc_find_signal(const struct mg_dbc_message *message, const char *signal)
{
    for (size_t i = 0; i < message->n_signals; i++) {
        if (strcmp(message->signals[i].name, signal) == 0) {
            return &message->signals[i];
        }
    }
    return NULL;
}

uint32_t mg_dbc_node_step(const struct mg_dbc *dbc)
{
    return dbc->node_step;
}
