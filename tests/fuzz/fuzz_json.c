/* Any bytes as a command's JSON, and as a time. */
#include <stdlib.h>
#include <string.h>

#include "model/json.h"

#define MEMBERS_MAX 16

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

/* What was unescaped must survive being written and read again. */
static void check_string(const struct mg_json_member *member)
{
    char text[256];
    size_t len = 0;
    if (mg_json_string(member, text, sizeof text, &len) != MG_OK) {
        return;
    }
    require(len < sizeof text && text[len] == '\0');
    char json[8 * sizeof text];
    struct mg_json j = mg_json_init(json, sizeof json);
    mg_json_open(&j, '{');
    mg_json_key(&j, "k");
    mg_json_str(&j, text, len);
    mg_json_close(&j, '}');
    require(!j.failed);
    struct mg_json_member again;
    size_t n = 0;
    size_t error;
    require(mg_json_parse_flat(json, j.len, &again, 1, &n, &error) == MG_OK);
    char back[256];
    size_t back_len = 0;
    require(mg_json_string(&again, back, sizeof back, &back_len) == MG_OK);
    require(back_len == len && memcmp(back, text, len) == 0);
}

static void check_time(const char *text, size_t len)
{
    int64_t ms;
    if (mg_time_parse(text, len, &ms) != MG_OK) {
        return;
    }
    char again[MG_TIME_TEXT];
    int64_t back = -1;
    require(mg_time_format(ms, again) == MG_OK);
    require(mg_time_parse(again, MG_TIME_TEXT - 1, &back) == MG_OK);
    require(back == ms);
}

static void check_member(const struct mg_json_member *member)
{
    int64_t value;
    (void)mg_json_int64(member, &value); /* must not overflow */
    check_string(member);
    check_time(member->value, member->value_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct mg_json_member members[MEMBERS_MAX];
    size_t n = 0;
    size_t error = SIZE_MAX;
    check_time(text, size);
    int rc = mg_json_parse_flat(text, size, members, MEMBERS_MAX, &n, &error);
    if (rc != MG_OK) {
        require(error <= size);
        return 0;
    }
    require(n <= MEMBERS_MAX);
    for (size_t i = 0; i < n; i++) {
        check_member(&members[i]);
    }
    return 0;
}
