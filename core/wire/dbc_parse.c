/* The sections of a file, its messages and signals. */
#include "dbc_priv.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

void dbc_out_of_memory(struct dbc_parse *p)
{
    dbc_fault(&p->lex, p->lex.token.at, "out of memory");
    p->lex.err->code = MG_E_NOMEM;
}

void *dbc_grow(struct dbc_parse *p, struct dbc_list *list, size_t size)
{
    if (list->n == list->cap) {
        size_t cap = list->cap == 0 ? FIRST_CAP : 2 * list->cap;
        void *items = realloc(list->items, cap * size);
        if (items == NULL) {
            dbc_out_of_memory(p);
            return NULL;
        }
        list->items = items;
        list->cap = cap;
    }
    char *item = (char *)list->items + size * list->n++;
    memset(item, 0, size);
    return item;
}

/* ---- SG_ ---- */

/* M or m<n> */
static void read_mux(struct dbc_lex *lex, struct mg_dbc_signal *signal)
{
    const struct dbc_token token = lex->token;
    if (dbc_is(&token, "M")) {
        signal->mux = MG_DBC_MULTIPLEXOR;
        dbc_next(lex);
        return;
    }
    uint64_t value = 0;
    bool is_good = token.len > 1 && token.text[0] == 'm';
    for (size_t i = 1; is_good && i < token.len; i++) {
        char c = token.text[i];
        if (c == 'M' && i + 1 == token.len) {
            dbc_fault(lex, token.at,
                      "'%.*s' is extended multiplexing, which is not "
                      "supported; M or m<n> would be right",
                      (int)(token.len < 20 ? token.len : 20), token.text);
            return;
        }
        is_good = c >= '0' && c <= '9';
        value = value * 10 + (uint64_t)(c - '0');
        is_good = is_good && value <= UINT32_MAX;
    }
    if (!is_good) {
        dbc_expected(lex, "':', M or m<n> of 32 bits");
        return;
    }
    signal->mux = MG_DBC_MULTIPLEXED;
    signal->mux_value = (uint32_t)value;
    dbc_next(lex);
}

/* start|length@order sign */
static void read_place(struct dbc_parse *p,
                       const struct mg_dbc_message *message,
                       struct mg_dbc_signal *signal)
{
    struct dbc_lex *lex = &p->lex;
    struct dbc_pos at = lex->token.at;
    signal->start =
        (uint16_t)dbc_take_int(lex, "the start bit", 0, DBC_BITS_MAX - 1);
    dbc_expect(lex, '|');
    signal->length = (uint8_t)dbc_take_int(lex, "the length in bits", 1, 64);
    dbc_expect(lex, '@');
    signal->is_big_endian =
        dbc_take_int(lex, "the byte order (0 Motorola, 1 Intel)", 0, 1) == 0;
    if (dbc_accept(lex, '-')) {
        signal->type = MG_DBC_SIGNED;
    } else if (!dbc_accept(lex, '+')) {
        dbc_expected(lex, "'+' (unsigned) or '-' (signed)");
    }
    if (!lex->failed && !dbc_bits_fit(signal, message->len)) {
        dbc_fault(lex, at,
                  "%s: %u bits from bit %u reach beyond the %u bytes of %s",
                  signal->name, signal->length, signal->start, message->len,
                  message->name);
    }
}

/* (factor,offset) [min|max] "unit" */
static void read_scale(struct dbc_parse *p, struct mg_dbc_signal *signal)
{
    struct dbc_lex *lex = &p->lex;
    dbc_expect(lex, '(');
    struct dbc_pos at = lex->token.at;
    signal->factor = dbc_take_decimal(lex, "the factor", DBC_EXACT);
    if (!lex->failed && signal->factor.mantissa == 0) {
        dbc_fault(lex, at, "the factor of %s is 0; 1 would be right",
                  signal->name);
    }
    dbc_expect(lex, ',');
    signal->offset = dbc_take_decimal(lex, "the offset", DBC_EXACT);
    dbc_expect(lex, ')');
    dbc_expect(lex, '[');
    at = lex->token.at;
    signal->min = dbc_take_decimal(lex, "the minimum", DBC_DOWN);
    dbc_expect(lex, '|');
    signal->max = dbc_take_decimal(lex, "the maximum", DBC_UP);
    dbc_expect(lex, ']');
    if (dbc_value_compare(dbc_value_of(signal->min),
                          dbc_value_of(signal->max)) > 0) {
        dbc_fault(lex, at,
                  "the minimum of %s is above its maximum; [0|0] would be "
                  "without limits",
                  signal->name);
    }
    struct dbc_token unit = dbc_take_string(lex, "the unit as \"text\"");
    if (unit.len >= MG_DBC_UNIT_MAX) {
        dbc_fault(lex, unit.at,
                  "the unit is %zu bytes long; at most %d would be right",
                  unit.len, MG_DBC_UNIT_MAX - 1);
        return;
    }
    memcpy(signal->unit, unit.text, unit.len);
}

/* Nodes behind a signal: separated by commas or spaces, within its line. */
static void skip_receivers(struct dbc_lex *lex)
{
    bool has_comma = false;
    while (lex->token.kind == DBC_NAME && !dbc_is_keyword(&lex->token) &&
           (has_comma || lex->token.at.line == lex->last_line)) {
        dbc_next(lex);
        has_comma = dbc_accept(lex, ',');
    }
    if (has_comma) {
        dbc_expected(lex, "the name of a receiver");
    }
}

static void read_signal(struct dbc_parse *p, struct mg_dbc_message *message,
                        bool is_kept)
{
    struct dbc_lex *lex = &p->lex;
    struct mg_dbc_signal signal = {.line = lex->token.at.line};
    dbc_next(lex);
    struct dbc_pos at = lex->token.at;
    dbc_take_name(lex, "the name of a signal", signal.name);
    if (lex->token.kind == DBC_NAME) {
        read_mux(lex, &signal);
    }
    dbc_expect(lex, ':');
    read_place(p, message, &signal);
    read_scale(p, &signal);
    skip_receivers(lex);
    if (lex->failed || !is_kept) {
        return;
    }
    if (message->n_signals++ == MG_DBC_SIGNALS_MAX) {
        dbc_fault(lex, at, "%s has more than %d signals", message->name,
                  MG_DBC_SIGNALS_MAX);
        return;
    }
    struct mg_dbc_signal *kept = dbc_grow(p, &p->signals, sizeof *kept);
    struct dbc_pos *kept_at = dbc_grow(p, &p->signals_at, sizeof *kept_at);
    if (kept != NULL && kept_at != NULL) {
        *kept = signal;
        *kept_at = at;
    }
}

/* ---- BO_ ---- */

uint32_t dbc_take_id(struct dbc_lex *lex)
{
    struct dbc_pos at = lex->token.at;
    uint32_t id = (uint32_t)dbc_take_int(lex, "the identifier", 0, UINT32_MAX);
    uint32_t limit = (id & DBC_EXTENDED) != 0
                         ? DBC_EXTENDED | MG_CAN_EXTENDED_MAX
                         : MG_CAN_STANDARD_MAX;
    if (id > limit && id != DBC_NO_MESSAGE) {
        dbc_fault(lex, at,
                  "the identifier is %u; at most 2047, or with bit 31 "
                  "2147483648 to 2684354559, would be right",
                  (unsigned)id);
    }
    return id;
}

static void read_message(struct dbc_parse *p)
{
    struct dbc_lex *lex = &p->lex;
    struct mg_dbc_message message = {.line = lex->token.at.line};
    struct dbc_message_extra extra = {.id_at = lex->token.at,
                                      .first = p->signals.n};
    uint32_t id = dbc_take_id(lex);
    bool is_kept = id != DBC_NO_MESSAGE;
    message.id = id & MG_CAN_EXTENDED_MAX;
    message.is_extended = (id & DBC_EXTENDED) != 0;
    extra.name_at = lex->token.at;
    dbc_take_name(lex, "the name of a message", message.name);
    dbc_expect(lex, ':');
    message.len =
        (uint8_t)dbc_take_int(lex, "the length in bytes", 0, MG_CAN_FD_MAX);
    dbc_take_name(lex, "the name of the transmitter", message.transmitter);
    if (!is_kept) { /* its signals lie nowhere: any place will do */
        message.len = MG_CAN_FD_MAX;
    }
    while (dbc_is(&lex->token, "SG_")) {
        read_signal(p, &message, is_kept);
    }
    if (lex->failed || !is_kept) {
        return;
    }
    if (p->messages.n == MG_DBC_MESSAGES_MAX) {
        dbc_fault(lex, extra.id_at, "more than %d messages",
                  MG_DBC_MESSAGES_MAX);
        return;
    }
    struct mg_dbc_message *kept = dbc_grow(p, &p->messages, sizeof *kept);
    struct dbc_message_extra *kept_extra =
        dbc_grow(p, &p->extras, sizeof *kept_extra);
    if (kept != NULL && kept_extra != NULL) {
        *kept = message;
        *kept_extra = extra;
    }
}

/* ---- The other sections ---- */

static void read_stray_signal(struct dbc_parse *p)
{
    dbc_fault(&p->lex, p->lex.token.at,
              "SG_ without a message; right behind its BO_ would be right");
}

static void read_version(struct dbc_parse *p)
{
    (void)dbc_take_string(&p->lex, "the version as \"text\"");
}

/* Keywords, indented: the next section starts at the left. */
static void read_symbols(struct dbc_parse *p)
{
    dbc_expect(&p->lex, ':');
    while (p->lex.token.kind == DBC_NAME && p->lex.token.at.column > 1 &&
           !dbc_is(&p->lex.token, "BS_")) {
        dbc_next(&p->lex);
    }
}

static void read_bit_timing(struct dbc_parse *p)
{
    dbc_expect(&p->lex, ':');
    while (p->lex.token.kind == DBC_NUMBER) { /* 500000 : 1,2 */
        dbc_next(&p->lex);
        (void)(dbc_accept(&p->lex, ':') || dbc_accept(&p->lex, ','));
    }
}

static void read_nodes(struct dbc_parse *p)
{
    dbc_expect(&p->lex, ':');
    while (p->lex.token.kind == DBC_NAME && !dbc_is_keyword(&p->lex.token)) {
        dbc_next(&p->lex);
    }
}

/* To the ';'. A keyword at the left of a line says that it is missing. */
static void skip_section(struct dbc_parse *p)
{
    struct dbc_lex *lex = &p->lex;
    while (!dbc_accept(lex, ';')) {
        if (lex->token.kind == DBC_END ||
            (lex->token.at.column == 1 && dbc_is_keyword(&lex->token))) {
            dbc_expected(lex, "';' at the end of the section");
            return;
        }
        dbc_next(lex);
    }
}

static const struct section {
    const char *keyword;
    void (*read)(struct dbc_parse *p);
} sections[] = {
    {"VERSION", read_version},
    {"NS_", read_symbols},
    {"BS_", read_bit_timing},
    {"BU_", read_nodes},
    {"BO_", read_message},
    {"SG_", read_stray_signal},
    {"CM_", dbc_read_comment},
    {"VAL_", dbc_read_labels},
    {"VAL_TABLE_", dbc_read_value_table},
    {"SIG_VALTYPE_", dbc_read_value_type},
    {"BA_DEF_", dbc_read_definition},
    {"BA_DEF_DEF_", dbc_read_default},
    {"BA_", dbc_read_attribute},
    {"SG_MUL_VAL_", dbc_refuse_extended_mux},
    {"BO_TX_BU_", skip_section},
    {"EV_", skip_section},
    {"EV_DATA_", skip_section},
    {"ENVVAR_DATA_", skip_section},
    {"SGTYPE_", skip_section},
    {"SGTYPE_VAL_", skip_section},
    {"SIGTYPE_VALTYPE_", skip_section},
    {"SIG_TYPE_REF_", skip_section},
    {"SIG_GROUP_", skip_section},
    {"CAT_DEF_", skip_section},
    {"CAT_", skip_section},
    {"FILTER", skip_section},
    {"NS_DESC_", skip_section},
    {"BA_DEF_SGTYPE_", skip_section},
    {"BA_SGTYPE_", skip_section},
    {"BA_DEF_REL_", skip_section},
    {"BA_DEF_DEF_REL_", skip_section},
    {"BA_REL_", skip_section},
    {"BU_SG_REL_", skip_section},
    {"BU_EV_REL_", skip_section},
    {"BU_BO_REL_", skip_section},
};

static const struct section *find_section(const struct dbc_token *token)
{
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (dbc_is(token, sections[i].keyword)) {
            return &sections[i];
        }
    }
    return NULL;
}

bool dbc_is_keyword(const struct dbc_token *token)
{
    return find_section(token) != NULL;
}

void dbc_read_file(struct dbc_parse *p)
{
    struct dbc_lex *lex = &p->lex;
    while (lex->token.kind != DBC_END) {
        const struct section *section = find_section(&lex->token);
        if (section == NULL) {
            dbc_expected(lex, "a section such as BO_ or VAL_");
            return;
        }
        if (section->read != read_stray_signal) {
            dbc_next(lex);
        }
        section->read(p);
    }
}
