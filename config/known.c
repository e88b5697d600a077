#include "config/known.h"

#include <string.h>

struct mg_known mg_known_init(const yaml_node_t *written)
{
    return (struct mg_known){
        .near = {.word = (const char *)written->data.scalar.value,
                 .len = written->data.scalar.length}};
}

void mg_known_add(struct mg_known *known, const char *name)
{
    mg_speller_try(&known->near, name);
    size_t room = sizeof known->text - known->used;
    if (known->is_cut || strlen(name) + sizeof ", , ..." > room) {
        known->is_cut = true;
        return;
    }
    known->used += (size_t)snprintf(known->text + known->used, room, "%s%s",
                                    known->used == 0 ? "" : ", ", name);
}

void mg_known_report(struct mg_reader *reader, const yaml_node_t *written,
                     const char *what, const struct mg_known *known)
{
    char quoted[MG_QUOTE_MAX];
    struct mg_setup_place place = mg_yaml_place(written);
    (void)mg_node_quote(written, quoted);
    if (known->near.best != NULL) {
        mg_fault_add(reader->faults, place,
                     "unknown %s %s; did you mean \"%s\"?", what, quoted,
                     known->near.best);
    } else if (known->used == 0) {
        mg_fault_add(reader->faults, place, "unknown %s %s; there is none",
                     what, quoted);
    } else {
        mg_fault_add(reader->faults, place,
                     "unknown %s %s; expected one of %s%s", what, quoted,
                     known->text, known->is_cut ? ", ..." : "");
    }
}
