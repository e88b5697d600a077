#include "model/reading_json.h"

#include <string.h>

#include "model/channel.h"

static void member_uint(struct mg_json *j, const char *key, uint64_t v)
{
    mg_json_member_int(j, key, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

static void member_clock(struct mg_json *j, uint8_t clock)
{
    bool is_known = clock == MG_CLOCK_INFORMATIVE || clock == MG_CLOCK_SYNCED ||
                    clock == MG_CLOCK_RELATIVE;
    char letter = 'U';
    if (is_known) {
        letter = (char)clock;
    }
    mg_json_key(j, "clk");
    mg_json_str(j, &letter, 1);
}

static size_t count_good(const struct mg_sample *sample)
{
    size_t n = 0;
    for (size_t i = 0; i < sample->n_values; i++) {
        n += sample->values[i].quality == MG_QUALITY_GOOD;
    }
    return n;
}

static const char *quality_of(const struct mg_sample *sample, size_t n_good)
{
    if (n_good == 0) {
        return "bad";
    }
    return n_good == sample->n_values ? "good" : "partial";
}

static void member_value(struct mg_json *j, const struct mg_sample *sample,
                         const struct mg_value *v)
{
    char key[MG_CHANNEL_KEY_MAX];
    if (mg_channel_key(v->channel, key) != MG_OK) {
        return; /* no plan has such a channel */
    }
    mg_json_key(j, key);
    enum mg_unit unit = mg_channel_unit(v->channel);
    if (unit == MG_UNIT_TEXT) {
        size_t len;
        const char *text = mg_sample_text(sample, v, &len);
        mg_json_str(j, text, len);
    } else if (unit == MG_UNIT_BOOL) {
        mg_json_bool(j, v->value != 0);
    } else {
        mg_json_decimal(j, v->value, mg_unit_decimals(unit), v->resolution);
    }
}

/* Append "key:reason" when the whole of it fits. */
static size_t list_missing(char *list, size_t len, const struct mg_value *v)
{
    char item[1 + MG_CHANNEL_KEY_MAX + MG_CHANNEL_KEY_MAX] = ",";
    if (mg_channel_key(v->channel, item + 1) != MG_OK) {
        return len;
    }
    size_t n = strlen(item);
    item[n++] = ':';
    const char *reason = mg_quality_text((enum mg_quality)v->quality);
    while (*reason != '\0') {
        item[n++] = *reason++;
    }
    size_t begin = len == 0; /* without the comma */
    if (len + n - begin > MG_READING_MISSING_MAX) {
        return len;
    }
    for (size_t i = begin; i < n; i++) {
        list[len++] = item[i];
    }
    return len;
}

static void member_missing(struct mg_json *j, const struct mg_sample *sample)
{
    char list[MG_READING_MISSING_MAX];
    size_t len = 0;
    for (size_t i = 0; i < sample->n_values; i++) {
        if (sample->values[i].quality != MG_QUALITY_GOOD) {
            len = list_missing(list, len, &sample->values[i]);
        }
    }
    mg_json_key(j, "missing");
    mg_json_str(j, list, len);
}

static bool has_time(const struct mg_sample *sample)
{
    char text[MG_TIME_TEXT];
    return mg_time_format(sample->utc_ms, text) == MG_OK;
}

static void write_members(const struct mg_sample *sample, const char *epoch,
                          struct mg_json *j)
{
    size_t n_good = count_good(sample);
    mg_json_member_time(j, "ts", sample->utc_ms);
    mg_json_member_int(j, "ts_ms", sample->utc_ms);
    member_clock(j, sample->clock);
    if (sample->seq != 0) {
        member_uint(j, "seq", sample->seq);
    }
    if (epoch[0] != '\0') {
        mg_json_member_str(j, "epoch", epoch);
    }
    member_uint(j, "reg_epoch", sample->epoch);
    mg_json_member_str(j, "quality", quality_of(sample, n_good));
    for (size_t i = 0; i < sample->n_values; i++) {
        if (sample->values[i].quality == MG_QUALITY_GOOD) {
            member_value(j, sample, &sample->values[i]);
        }
    }
    if (n_good < sample->n_values) {
        member_missing(j, sample);
    }
}

int mg_reading_json_members(const struct mg_sample *sample, const char *epoch,
                            struct mg_json *j)
{
    if (!has_time(sample)) {
        return MG_E_RANGE;
    }
    write_members(sample, epoch, j);
    return j->failed ? MG_E_NOSPC : MG_OK;
}

int mg_reading_json(const struct mg_sample *sample, const char *epoch,
                    struct mg_json *j)
{
    if (!has_time(sample)) {
        return MG_E_RANGE;
    }
    mg_json_open(j, '{');
    write_members(sample, epoch, j);
    mg_json_close(j, '}');
    return j->failed ? MG_E_NOSPC : MG_OK;
}
