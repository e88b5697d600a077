#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/ocmf_check.h"

static const struct mg_check_kind KINDS[] = {
#define X(constant, id, severity, meaning)                                     \
    {(id), MG_SEVERITY_##severity, (meaning)},
    MG_CHECKS(X)
#undef X
};

const struct mg_check_kind *mg_check_kind(enum mg_check check)
{
    return &KINDS[check];
}

const char *mg_severity_text(enum mg_severity severity)
{
    static const char *const TEXTS[] = {"note", "warning", "error"};
    return TEXTS[severity];
}

/* @return where to write the text; NULL: full */
static struct mg_finding *add(struct mg_findings *f, const char *id,
                              enum mg_severity severity, int reading)
{
    if (f->n == MG_FINDINGS_MAX) {
        f->is_cut = true;
        return NULL;
    }
    struct mg_finding *finding = &f->all[f->n++];
    finding->id = id;
    finding->severity = severity;
    finding->reading = reading;
    return finding;
}

void mg_findings_add(struct mg_findings *f, const char *id,
                     enum mg_severity severity, int reading, const char *format,
                     ...)
{
    struct mg_finding *finding = add(f, id, severity, reading);
    if (finding != NULL) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(finding->text, sizeof finding->text, format, args);
        va_end(args);
    }
}

void mg_findings_report(struct mg_findings *f, enum mg_check check, int reading,
                        const char *format, ...)
{
    struct mg_finding *finding =
        add(f, KINDS[check].id, KINDS[check].severity, reading);
    if (finding != NULL) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(finding->text, sizeof finding->text, format, args);
        va_end(args);
    }
}

void mg_findings_remove(struct mg_findings *f, enum mg_check check)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (f->all[i].id != KINDS[check].id) {
            f->all[n++] = f->all[i];
        }
    }
    f->n = n;
}

bool mg_findings_has(const struct mg_findings *f, enum mg_severity at_least)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->all[i].severity >= at_least) {
            return true;
        }
    }
    return false;
}
