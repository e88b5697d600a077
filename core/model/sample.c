#include "model/sample.h"

#include <string.h>

#include "model/channel.h"

int mg_sample_add(struct mg_sample *sample, const struct mg_value *value)
{
    if (sample->n_values >= MG_SAMPLE_VALUES_MAX) {
        return MG_E_NOSPC;
    }
    sample->values[sample->n_values++] = *value;
    return MG_OK;
}

int mg_sample_add_text(struct mg_sample *sample, mg_channel channel,
                       const uint8_t *text, size_t len)
{
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\0')) {
        len--;
    }
    size_t offset = sample->text_len;
    if (len > MG_SAMPLE_TEXT_MAX || offset > MG_SAMPLE_TEXT_MAX - len) {
        return MG_E_NOSPC;
    }
    struct mg_value value = {.channel = channel,
                             .quality = MG_QUALITY_GOOD,
                             .value = (int64_t)(offset << 16 | len)};
    int rc = mg_sample_add(sample, &value);
    if (rc != MG_OK) {
        return rc;
    }
    for (size_t i = 0; i < len; i++) {
        char c = '?';
        if (text[i] >= 0x20 && text[i] < 0x7f) {
            c = (char)text[i];
        }
        sample->text[offset + i] = c;
    }
    sample->text_len = (uint16_t)(offset + len);
    return MG_OK;
}

const struct mg_value *mg_sample_find(const struct mg_sample *sample,
                                      mg_channel channel)
{
    for (size_t i = 0; i < sample->n_values; i++) {
        if (sample->values[i].channel == channel) {
            return &sample->values[i];
        }
    }
    return NULL;
}

const char *mg_sample_text(const struct mg_sample *sample,
                           const struct mg_value *value, size_t *ret_len)
{
    uint64_t place = (uint64_t)value->value;
    size_t len = place & 0xffff;
    uint64_t offset = place >> 16;
    if (mg_channel_unit(value->channel) != MG_UNIT_TEXT ||
        sample->text_len > MG_SAMPLE_TEXT_MAX || offset > sample->text_len ||
        len > sample->text_len - offset) {
        *ret_len = 0;
        return "";
    }
    *ret_len = len;
    return sample->text + offset;
}
