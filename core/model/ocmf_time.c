#include "model/civil.h"
#include "model/ocmf_priv.h"

struct scan {
    const char *at, *end;
    bool failed;
};

static unsigned take_digits(struct scan *s, unsigned n)
{
    unsigned value = 0;
    for (; n > 0; n--, s->at++) {
        if (s->at == s->end || *s->at < '0' || *s->at > '9') {
            s->failed = true;
            return 0;
        }
        value = value * 10 + (unsigned)(*s->at - '0');
    }
    return value;
}

static void need(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c) {
        s->failed = true;
        return;
    }
    s->at++;
}

static int take_offset_min(struct scan *s)
{
    bool is_west = s->at < s->end && *s->at == '-';
    need(s, is_west ? '-' : '+');
    unsigned hours = take_digits(s, 2);
    unsigned minutes = take_digits(s, 2);
    s->failed = s->failed || hours > 23 || minutes > 59;
    int offset = (int)(hours * 60 + minutes);
    return is_west ? -offset : offset;
}

void ocmf_time_parse(struct mg_span text, struct mg_ocmf_reading *r)
{
    struct scan s = {text.text, text.text + text.len, false};
    struct mg_civil c;
    r->time = text;
    c.year = take_digits(&s, 4);
    need(&s, '-');
    c.month = take_digits(&s, 2);
    need(&s, '-');
    c.day = take_digits(&s, 2);
    need(&s, 'T');
    c.hour = take_digits(&s, 2);
    need(&s, ':');
    c.minute = take_digits(&s, 2);
    need(&s, ':');
    c.second = take_digits(&s, 2);
    need(&s, ',');
    unsigned ms = take_digits(&s, 3);
    int offset_min = take_offset_min(&s);
    need(&s, ' ');
    char clock = '\0';
    if (s.at < s.end) {
        clock = *s.at++;
    }
    r->has_time = !s.failed && s.at == s.end && mg_civil_exists(&c) &&
                  clock != '\0' && strchr("UISR", clock) != NULL;
    r->clock = '\0';
    if (r->has_time) {
        r->utc_ms =
            (mg_civil_unix_s(&c) - (int64_t)offset_min * 60) * 1000 + ms;
        r->offset_min = (int16_t)offset_min;
        r->clock = clock;
    }
}
