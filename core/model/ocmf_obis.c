#include "model/ocmf_check.h"
#include "model/ocmf_priv.h"

struct scan {
    const char *at, *end;
};

static bool take(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c) {
        return false;
    }
    s->at++;
    return true;
}

static int hex_digit(const struct scan *s)
{
    if (s->at == s->end) {
        return -1;
    }
    char c = *s->at;
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One to three digits. */
static bool take_part(struct scan *s, unsigned *ret)
{
    unsigned value = 0;
    unsigned n = 0;
    for (int digit = hex_digit(s); digit >= 0; digit = hex_digit(s)) {
        value = value * 16 + (unsigned)digit;
        s->at++;
        if (++n > 3) {
            return false;
        }
    }
    *ret = value;
    return n > 0;
}

bool mg_obis_parse(struct mg_span text, struct mg_obis_parts *ret)
{
    struct scan s = {text.text, text.text + text.len};
    struct mg_obis_parts obis = {0};
    unsigned unused;
    if (text.text == NULL || !take_part(&s, &obis.a) || !take(&s, '-') ||
        !take_part(&s, &unused) || !take(&s, ':') || !take_part(&s, &obis.c) ||
        !take(&s, '.') || !take_part(&s, &obis.d) || !take(&s, '.') ||
        !take_part(&s, &unused)) {
        return false;
    }
    /* '*' in OCMF, '&' in OBIS, '.' as DZG writes it */
    if (take(&s, '*') || take(&s, '.') || take(&s, '&')) {
        obis.has_f = take_part(&s, &obis.f);
        if (!obis.has_f) {
            return false;
        }
    }
    if (s.at != s.end) {
        return false;
    }
    *ret = obis;
    return true;
}

bool mg_obis_is_law_relevant(const struct mg_obis_parts *obis)
{
    bool is_energy = obis->c == 0x01 || obis->c == 0x98 || obis->c == 0x9e ||
                     (obis->c >= 0xb0 && obis->c <= 0xc7);
    bool is_total = !obis->has_f || obis->f == 0 || obis->f == 0x200 ||
                    obis->f == 0x255 || obis->f == 0xff;
    return obis->a == 1 && obis->d == 8 && is_energy && is_total;
}
