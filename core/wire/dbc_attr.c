/* The sections that say more of messages and signals: comments, labels, types
 * and attributes. */
#include "dbc_priv.h"

#include <string.h>

#define CYCLE_MS_MAX 86400000 /* a day */
#define TYPE_FLOAT32 1
#define LABELS_MAX   100000 /* of a file */

static const char cycle_time[] = "GenMsgCycleTime";
static const char node_step[] = "NodeStep";

static bool is_text(struct dbc_token token, const char *text)
{
    return token.kind == DBC_STRING && token.len == strlen(text) &&
           memcmp(token.text, text, token.len) == 0;
}

/* The identifier of a message. */
static struct dbc_ref take_message(struct dbc_parse *p, const char *section)
{
    struct dbc_ref ref = {.section = section, .id_at = p->lex.token.at};
    ref.id = dbc_take_id(&p->lex);
    return ref;
}

/* The identifier and the name of a signal. */
static struct dbc_ref take_signal(struct dbc_parse *p, const char *section)
{
    struct dbc_ref ref = take_message(p, section);
    ref.signal = p->lex.token;
    char name[MG_DBC_NAME_MAX];
    dbc_take_name(&p->lex, "the name of a signal", name);
    return ref;
}

static void keep(struct dbc_parse *p, enum dbc_ref_kind kind,
                 struct dbc_ref ref)
{
    if (p->lex.failed || ref.id == DBC_NO_MESSAGE) {
        return;
    }
    ref.kind = kind;
    struct dbc_ref *kept = dbc_grow(p, &p->refs, sizeof *kept);
    if (kept != NULL) {
        *kept = ref;
    }
}

/* ---- CM_ ---- */

void dbc_read_comment(struct dbc_parse *p)
{
    struct dbc_lex *lex = &p->lex;
    char name[MG_DBC_NAME_MAX];
    if (dbc_is(&lex->token, "BO_")) {
        dbc_next(lex);
        (void)dbc_take_id(lex);
    } else if (dbc_is(&lex->token, "SG_")) {
        dbc_next(lex);
        (void)take_signal(p, "CM_");
    } else if (dbc_is(&lex->token, "BU_") || dbc_is(&lex->token, "EV_")) {
        dbc_next(lex);
        dbc_take_name(lex, "a name", name);
    }
    (void)dbc_take_string(lex, "the comment as \"text\"");
    dbc_expect(lex, ';');
}

/* ---- VAL_ ---- */

/* Without the \ of \". There is room: every text of the file is longer. */
static const char *keep_text(struct dbc_parse *p, struct dbc_token text)
{
    char *kept = &p->texts[p->texts_len];
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool is_escape =
            text.text[i] == '\\' && i + 1 < text.len && text.text[i + 1] == '"';
        if (!is_escape) {
            kept[n++] = text.text[i];
        }
    }
    kept[n] = '\0';
    p->texts_len += n + 1;
    return kept;
}

/* <value> "text" ... ; @return how many */
static size_t read_pairs(struct dbc_parse *p, bool are_kept)
{
    struct dbc_lex *lex = &p->lex;
    size_t n = 0;
    while (lex->token.kind == DBC_NUMBER) {
        struct dbc_pos at = lex->token.at;
        int64_t raw = dbc_take_int(lex, "the value", -INT64_MAX, INT64_MAX);
        struct dbc_token text =
            dbc_take_string(lex, "what the value means as \"text\"");
        if (lex->failed || !are_kept) {
            continue;
        }
        if (p->labels.n == LABELS_MAX) {
            dbc_fault(lex, at, "more than %d values in VAL_", LABELS_MAX);
            break;
        }
        struct mg_dbc_label *label = dbc_grow(p, &p->labels, sizeof *label);
        if (label == NULL) {
            break;
        }
        *label = (struct mg_dbc_label){raw, keep_text(p, text)};
        n++;
    }
    if (!dbc_accept(lex, ';')) {
        dbc_expected(lex, "a value, or ';'");
    }
    return n;
}

void dbc_read_labels(struct dbc_parse *p)
{
    if (p->lex.token.kind == DBC_NAME) { /* of an environment variable */
        dbc_next(&p->lex);
        (void)read_pairs(p, false);
        return;
    }
    struct dbc_ref ref = take_signal(p, "VAL_");
    ref.first = p->labels.n;
    ref.n = read_pairs(p, ref.id != DBC_NO_MESSAGE);
    keep(p, DBC_REF_LABELS, ref);
}

void dbc_read_value_table(struct dbc_parse *p)
{
    char name[MG_DBC_NAME_MAX];
    dbc_take_name(&p->lex, "the name of a table", name);
    (void)read_pairs(p, false);
}

/* ---- SIG_VALTYPE_ and multiplexing beyond M and m<n> ---- */

void dbc_read_value_type(struct dbc_parse *p)
{
    struct dbc_lex *lex = &p->lex;
    struct dbc_ref ref = take_signal(p, "SIG_VALTYPE_");
    (void)dbc_accept(lex, ':'); /* some tools leave it out */
    struct dbc_pos at = lex->token.at;
    ref.value = (uint32_t)dbc_take_int(lex, "the type", 0, 3);
    if (ref.value > TYPE_FLOAT32) {
        dbc_fault(lex, at,
                  "type %u is not supported; 0 (integer) or 1 (float32) would "
                  "be right",
                  (unsigned)ref.value);
    }
    dbc_expect(lex, ';');
    keep(p, DBC_REF_TYPE, ref);
}

void dbc_refuse_extended_mux(struct dbc_parse *p)
{
    dbc_fault(&p->lex, p->lex.token.at,
              "SG_MUL_VAL_: extended multiplexing is not supported; one "
              "multiplexor M and its m<n> would be right");
}

/* ---- BA_ ---- */

static void take_value(struct dbc_lex *lex)
{
    if (lex->token.kind != DBC_NUMBER && lex->token.kind != DBC_STRING) {
        dbc_expected(lex, "a number or a \"text\"");
    }
    dbc_next(lex);
}

/* BA_DEF_ [BU_|BO_|SG_|EV_] "name" type ... ; Only the form is looked at. */
void dbc_read_definition(struct dbc_parse *p)
{
    struct dbc_lex *lex = &p->lex;
    if (lex->token.kind == DBC_NAME) {
        dbc_next(lex);
    }
    (void)dbc_take_string(lex, "the name of an attribute as \"text\"");
    char type[MG_DBC_NAME_MAX];
    dbc_take_name(lex, "a type such as INT or ENUM", type);
    while (lex->token.kind == DBC_NUMBER || lex->token.kind == DBC_STRING) {
        dbc_next(lex);
        (void)dbc_accept(lex, ',');
    }
    dbc_expect(lex, ';');
}

static uint32_t take_cycle(struct dbc_lex *lex)
{
    return (uint32_t)dbc_take_int(lex, "the cycle time in ms", 0, CYCLE_MS_MAX);
}

static uint32_t take_node_step(struct dbc_lex *lex)
{
    return (uint32_t)dbc_take_int(lex, "the step of identifiers", 0,
                                  MG_CAN_EXTENDED_MAX);
}

void dbc_read_default(struct dbc_parse *p)
{
    struct dbc_lex *lex = &p->lex;
    struct dbc_token name =
        dbc_take_string(lex, "the name of an attribute as \"text\"");
    if (is_text(name, cycle_time)) {
        p->default_cycle_ms = take_cycle(lex);
    } else if (is_text(name, node_step)) {
        p->default_node_step = take_node_step(lex);
    } else {
        take_value(lex);
    }
    dbc_expect(lex, ';');
}

static void read_message_attribute(struct dbc_parse *p, struct dbc_token name)
{
    struct dbc_lex *lex = &p->lex;
    dbc_next(lex);
    struct dbc_ref ref = take_message(p, "BA_");
    if (is_text(name, cycle_time)) {
        ref.value = take_cycle(lex);
        keep(p, DBC_REF_CYCLE, ref);
        return;
    }
    take_value(lex);
    keep(p, DBC_REF_NONE, ref);
}

void dbc_read_attribute(struct dbc_parse *p)
{
    struct dbc_lex *lex = &p->lex;
    struct dbc_token name =
        dbc_take_string(lex, "the name of an attribute as \"text\"");
    char node[MG_DBC_NAME_MAX];
    if (dbc_is(&lex->token, "BO_")) {
        read_message_attribute(p, name);
    } else if (dbc_is(&lex->token, "SG_")) {
        dbc_next(lex);
        struct dbc_ref ref = take_signal(p, "BA_");
        take_value(lex);
        keep(p, DBC_REF_NONE, ref);
    } else if (dbc_is(&lex->token, "BU_") || dbc_is(&lex->token, "EV_")) {
        dbc_next(lex);
        dbc_take_name(lex, "a name", node);
        take_value(lex);
    } else if (is_text(name, node_step)) {
        p->node_step = take_node_step(lex);
        p->has_node_step = true;
    } else {
        take_value(lex);
    }
    dbc_expect(lex, ';');
}
