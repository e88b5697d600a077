#include "config/yaml_doc.h"

#include <string.h>

#define ANCHOR_MAX 64

static struct mg_setup_place place_of(const yaml_mark_t *mark)
{
    return (struct mg_setup_place){.line = (uint32_t)mark->line + 1,
                                   .column = (uint32_t)mark->column + 1};
}

struct mg_setup_place mg_yaml_place(const yaml_node_t *node)
{
    static const yaml_mark_t start;
    return place_of(node == NULL ? &start : &node->start_mark);
}

/* Where byte `offset` is, for faults of the encoding. */
static struct mg_setup_place place_of_byte(const char *text, size_t len,
                                           size_t offset)
{
    struct mg_setup_place place = {1, 1};
    for (size_t i = 0; i < len && i < offset; i++) {
        if (text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

static bool is_tab(const struct mg_faults *faults, const yaml_mark_t *mark)
{
    return mark->index < faults->len && faults->text[mark->index] == '\t';
}

static void add_syntax_fault(const yaml_parser_t *parser,
                             struct mg_faults *faults)
{
    const yaml_mark_t *mark = &parser->problem_mark;
    const char *problem =
        parser->problem == NULL ? "out of memory" : parser->problem;
    if (parser->error == YAML_READER_ERROR) {
        mg_fault_add(
            faults,
            place_of_byte(faults->text, faults->len, parser->problem_offset),
            "%s; expected UTF-8 text", problem);
    } else if (is_tab(faults, mark)) {
        mg_fault_add(faults, place_of(mark),
                     "a tab; expected blanks, YAML is not indented with tabs");
    } else if (parser->context != NULL) {
        mg_fault_add(faults, place_of(mark),
                     "no valid YAML: %s %s that begins in line %zu", problem,
                     parser->context, parser->context_mark.line + 1);
    } else {
        mg_fault_add(faults, place_of(mark), "no valid YAML: %s", problem);
    }
}

/* The collections that are open where the scan is, and their anchors. */
struct scan {
    struct mg_faults *faults;
    size_t depth, n_anchors, n_documents;
    char anchors[MG_YAML_DEPTH_MAX + 1][ANCHOR_MAX];
    bool is_done, has_failed;
};

static void fail(struct scan *s, const yaml_mark_t *mark, const char *text)
{
    mg_fault_add(s->faults, place_of(mark), "%s", text);
    s->has_failed = true;
}

static void check_anchor(struct scan *s, const yaml_mark_t *mark,
                         const yaml_char_t *anchor)
{
    if (anchor == NULL) {
        return;
    }
    if (strlen((const char *)anchor) >= ANCHOR_MAX) {
        fail(s, mark, "anchor too long; expected at most 63 characters");
    } else if (++s->n_anchors > MG_YAML_ANCHORS_MAX) {
        fail(s, mark, "too many anchors; expected at most 1000");
    }
}

static void open_collection(struct scan *s, const yaml_mark_t *mark,
                            const yaml_char_t *anchor)
{
    check_anchor(s, mark, anchor);
    if (s->depth == MG_YAML_DEPTH_MAX) {
        fail(s, mark, "nested too deeply; expected at most 32 levels");
    }
    if (s->has_failed) {
        return;
    }
    char *name = s->anchors[s->depth++];
    (void)snprintf(name, ANCHOR_MAX, "%s",
                   anchor == NULL ? "" : (const char *)anchor);
}

static void check_alias(struct scan *s, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    for (size_t i = 0; i < s->depth; i++) {
        if (strcmp(s->anchors[i], name) == 0) {
            fail(s, &event->start_mark,
                 "this alias stands within what it names; expected an anchor "
                 "that is complete");
            return;
        }
    }
}

static void check_tag(struct scan *s, const yaml_mark_t *mark,
                      const yaml_char_t *tag)
{
    if (tag != NULL) {
        fail(s, mark, "a YAML tag; expected a value without one");
    }
}

static void scan_event(struct scan *s, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    switch (event->type) {
    case YAML_STREAM_END_EVENT:
        s->is_done = true;
        break;
    case YAML_DOCUMENT_START_EVENT:
        if (++s->n_documents > 1) {
            fail(s, mark, "a second document; expected one in a file");
        }
        break;
    case YAML_MAPPING_START_EVENT:
        check_tag(s, mark, event->data.mapping_start.tag);
        open_collection(s, mark, event->data.mapping_start.anchor);
        break;
    case YAML_SEQUENCE_START_EVENT:
        check_tag(s, mark, event->data.sequence_start.tag);
        open_collection(s, mark, event->data.sequence_start.anchor);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        s->depth--;
        break;
    case YAML_SCALAR_EVENT:
        check_tag(s, mark, event->data.scalar.tag);
        check_anchor(s, mark, event->data.scalar.anchor);
        break;
    case YAML_ALIAS_EVENT:
        check_alias(s, event);
        break;
    default:
        break;
    }
}

static void init_parser(yaml_parser_t *parser, const char *text, size_t len)
{
    /* With a given encoding the parser does not look for the mark that some
     * editors write before UTF-8. */
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    yaml_parser_set_input_string(parser, (const unsigned char *)text, len);
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
}

/* A first pass over the events, before anything is built: it keeps the second
 * from doing much work for a hostile file. */
static int scan(const char *text, size_t len, struct mg_faults *faults)
{
    yaml_parser_t parser;
    struct scan s = {.faults = faults};
    if (!yaml_parser_initialize(&parser)) {
        mg_fault_add(faults, (struct mg_setup_place){0, 0}, "out of memory");
        return MG_E_NOMEM;
    }
    init_parser(&parser, text, len);
    while (!s.is_done && !s.has_failed) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            add_syntax_fault(&parser, faults);
            s.has_failed = true;
            break;
        }
        scan_event(&s, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (!s.has_failed && s.n_documents == 0) {
        mg_fault_add(faults, mg_yaml_place(NULL),
                     "the file is empty; expected gateway, buses and meters");
        s.has_failed = true;
    }
    return s.has_failed ? MG_E_PROTO : MG_OK;
}

int mg_yaml_read(const char *text, size_t len, struct mg_faults *faults,
                 yaml_document_t *ret_doc)
{
    if (scan(text, len, faults) != MG_OK) {
        return MG_E_PROTO;
    }
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        mg_fault_add(faults, (struct mg_setup_place){0, 0}, "out of memory");
        return MG_E_PROTO;
    }
    init_parser(&parser, text, len);
    bool is_loaded = yaml_parser_load(&parser, ret_doc) != 0;
    if (!is_loaded) {
        add_syntax_fault(&parser, faults);
    }
    yaml_parser_delete(&parser);
    return is_loaded ? MG_OK : MG_E_PROTO;
}
