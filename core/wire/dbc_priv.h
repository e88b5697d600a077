/* Inside of the DBC reader: the lexer, the parser's state, and exact decimals.
 *
 * Reading is in two passes: dbc_parse.c and dbc_attr.c take the text apart and
 * keep what refers to a message or signal as a dbc_ref; dbc_check.c then looks
 * for double names, resolves the references and lays the signals out. So the
 * order of the sections does not matter, and nothing is searched for twice.
 *
 * The first fault is kept; after it the lexer gives DBC_END for ever, so that
 * every loop ends and the code between may go on without looking. */
#ifndef MG_WIRE_DBC_PRIV_H
#define MG_WIRE_DBC_PRIV_H

#include "wire/dbc.h"

/* 128 bits are enough: a raw value of 64 bits times a factor of 50. */
__extension__ typedef __int128 dbc_wide;
__extension__ typedef unsigned __int128 dbc_uwide;

#define DBC_MANTISSA_MAX INT64_C(1000000000000000) /* 10^15 */
#define DBC_EXP10_MAX    18
#define DBC_EXTENDED     0x80000000U /* in the number of a BO_ */
/* VECTOR__INDEPENDENT_SIG_MSG: signals of no message. */
#define DBC_NO_MESSAGE 0xc0000000U
#define DBC_BITS_MAX   (8 * MG_CAN_FD_MAX)

/* ---- Text to tokens: dbc_lex.c ---- */

enum dbc_kind {
    DBC_END,
    DBC_NAME,   /* a C identifier */
    DBC_NUMBER, /* decimal, with sign, point and exponent */
    DBC_STRING, /* text is what lies between the quotes */
    DBC_MARK    /* one of : ; , | @ + - ( ) [ ] */
};

struct dbc_pos {
    uint32_t line, column; /* from 1; columns are bytes */
};

struct dbc_token {
    enum dbc_kind kind;
    const char *text; /* borrowed from the file's text, not terminated */
    size_t len;
    struct dbc_pos at;
};

struct dbc_lex {
    const char *name; /* of the file */
    const char *text;
    size_t len, pos, line_start;
    uint32_t line;
    struct dbc_token token; /* the current one */
    uint32_t last_line;     /* of the token before */
    struct mg_err *err;
    bool failed;
};

/** Starts at the first token. */
void dbc_lex_init(struct dbc_lex *lex, const char *name, const char *text,
                  size_t len, struct mg_err *err);
void dbc_next(struct dbc_lex *lex);
/** Keeps "name:line:column: ..." if it is the first fault. */
void dbc_fault(struct dbc_lex *lex, struct dbc_pos at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Fault at the current token: "expected <what>, found <token>". */
void dbc_expected(struct dbc_lex *lex, const char *what);
bool dbc_is(const struct dbc_token *token, const char *word);
bool dbc_is_mark(const struct dbc_token *token, char mark);
/** Take a mark if it is the current token. */
bool dbc_accept(struct dbc_lex *lex, char mark);
void dbc_expect(struct dbc_lex *lex, char mark);
/** Take an identifier. @param what  for the fault: "the name of a signal" */
void dbc_take_name(struct dbc_lex *lex, const char *what,
                   char ret[MG_DBC_NAME_MAX]);
/** Take a string of any length; its token is returned. */
struct dbc_token dbc_take_string(struct dbc_lex *lex, const char *what);

/* ---- Numbers: dbc_number.c ---- */

enum dbc_rounding { DBC_EXACT, DBC_DOWN, DBC_UP };

/** Take an integer of min..max; min on a fault. */
int64_t dbc_take_int(struct dbc_lex *lex, const char *what, int64_t min,
                     int64_t max);
/** Take a decimal. What has more digits than a mg_decimal holds is refused, or
 *  rounded (limits: outwards). */
struct mg_decimal dbc_take_decimal(struct dbc_lex *lex, const char *what,
                                   enum dbc_rounding rounding);

/* ---- The parser: dbc_parse.c, dbc_attr.c ---- */

enum dbc_ref_kind { DBC_REF_NONE, DBC_REF_LABELS, DBC_REF_TYPE, DBC_REF_CYCLE };

struct dbc_ref { /* what a section says of a message or signal */
    enum dbc_ref_kind kind;
    uint32_t id; /* as in the file */
    struct dbc_pos id_at;
    struct dbc_token signal; /* DBC_END: the message itself */
    const char *section;     /* for faults: "VAL_" */
    uint32_t value;          /* TYPE, CYCLE */
    size_t first, n;         /* LABELS */
};

struct dbc_list { /* grows */
    void *items;  /* owned */
    size_t n, cap;
};

struct mg_dbc {
    struct mg_dbc_message *messages; /* owned, as all here */
    struct mg_dbc_signal *signals;
    struct mg_dbc_label *labels;
    char *texts; /* of the labels */
    size_t n_messages;
    uint32_t node_step;
};

struct dbc_message_extra { /* of a message while it is read */
    struct dbc_pos id_at, name_at;
    size_t first; /* signal */
};

struct dbc_parse {
    struct dbc_lex lex;
    struct dbc_list messages;   /* struct mg_dbc_message */
    struct dbc_list extras;     /* struct dbc_message_extra, one per message */
    struct dbc_list signals;    /* struct mg_dbc_signal */
    struct dbc_list signals_at; /* struct dbc_pos of the name, one per signal */
    struct dbc_list refs;       /* struct dbc_ref */
    struct dbc_list labels;     /* struct mg_dbc_label */
    char *texts;                /* owned; of labels, as large as the file */
    size_t texts_len;
    uint32_t default_cycle_ms;
    uint32_t default_node_step, node_step;
    bool has_node_step;
};

void dbc_out_of_memory(struct dbc_parse *p);
/** Room for one more, zeroed; NULL with a fault. */
void *dbc_grow(struct dbc_parse *p, struct dbc_list *list, size_t size);
bool dbc_is_keyword(const struct dbc_token *token);
/** Take the number of a BO_. */
uint32_t dbc_take_id(struct dbc_lex *lex);
/** All sections. */
void dbc_read_file(struct dbc_parse *p);

/* Sections, from behind their keyword. */
void dbc_read_comment(struct dbc_parse *p);        /* CM_ */
void dbc_read_labels(struct dbc_parse *p);         /* VAL_ */
void dbc_read_value_table(struct dbc_parse *p);    /* VAL_TABLE_ */
void dbc_read_value_type(struct dbc_parse *p);     /* SIG_VALTYPE_ */
void dbc_read_definition(struct dbc_parse *p);     /* BA_DEF_ */
void dbc_read_default(struct dbc_parse *p);        /* BA_DEF_DEF_ */
void dbc_read_attribute(struct dbc_parse *p);      /* BA_ */
void dbc_refuse_extended_mux(struct dbc_parse *p); /* SG_MUL_VAL_ */

/* ---- The second pass: dbc_check.c, dbc_layout.c ---- */

/** Resolve everything and check it. */
void dbc_check(struct dbc_parse *p);
/** Signals of one message must not share a bit. */
void dbc_check_layout(struct dbc_parse *p, size_t message);

/* ---- Bits of a frame: dbc_bits.c ---- */

/** Is every bit within a frame of this many bytes? */
bool dbc_bits_fit(const struct mg_dbc_signal *signal, size_t len);
/** Bit i of the signal, 0 the lowest, as byte * 8 + bit. */
unsigned dbc_bit_number(const struct mg_dbc_signal *signal, unsigned i);
/** The raw bits, not sign-extended. The caller has checked the length. */
uint64_t dbc_bits_get(const struct mg_dbc_signal *signal, const uint8_t *data);
void dbc_bits_put(const struct mg_dbc_signal *signal, uint64_t raw,
                  uint8_t *data);

/* ---- Exact arithmetic: dbc_decimal.c ---- */

struct dbc_value { /* n * 10^exp10, |n| < 2^126 */
    dbc_wide n;
    int exp10;
};

/** *v times 10^n; false: beyond 2^126, *v is undefined. */
bool dbc_wide_scale(dbc_wide *v, unsigned n);
/** a + b exactly; false: does not fit */
bool dbc_value_add(struct dbc_value a, struct dbc_value b,
                   struct dbc_value *ret);
/** <0, 0, >0 as a is less than, equal to, greater than b. */
int dbc_value_compare(struct dbc_value a, struct dbc_value b);
/** num / den, rounded half to even. @param den  not 0 */
dbc_wide dbc_wide_divide(dbc_wide num, dbc_wide den);
/** num / den, rounded up. @param num  >= 0 @param den  > 0 */
dbc_wide dbc_wide_divide_up(dbc_wide num, dbc_wide den);
/** v * 10^exp10 as an integer, rounded half to even.
 *  @return MG_OK or MG_E_RANGE */
int dbc_value_round(struct dbc_value v, int exp10, int64_t *ret);
struct dbc_value dbc_value_of(struct mg_decimal decimal);

/* ---- float32: dbc_float.c ---- */

/** The float of these bits times factor * 10^exp10.
 *  @return MG_OK, MG_E_INVAL, MG_E_RANGE */
int dbc_float_decode(uint32_t bits, struct mg_decimal factor, int exp10,
                     int64_t *ret, int64_t *ret_resolution);
/** The inverse: the nearest float, ties to even. */
int dbc_float_encode(int64_t value, struct mg_decimal factor, int exp10,
                     uint32_t *ret);

#endif
