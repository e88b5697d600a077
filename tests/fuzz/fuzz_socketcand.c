/* Whatever comes over a socketcand connection: cut into elements as the client
 * and the server do it. What is understood is a frame, and is the same when it
 * is written and read again. */
#include <stdlib.h>
#include <string.h>

#include "wire/socketcand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_right)
{
    if (!is_right) {
        abort();
    }
}

static void check_same(const struct mg_can_frame *a,
                       const struct mg_can_frame *b)
{
    check(a->id == b->id && a->is_extended == b->is_extended);
    check(a->len == b->len && !a->is_fd && !a->is_remote);
    check(memcmp(a->data, b->data, sizeof a->data) == 0);
}

static void check_frame(const struct mg_can_frame *f)
{
    char text[MG_SOCKETCAND_MAX];
    struct mg_socketcand_element again;
    check(!f->is_fd && !f->is_remote && f->len <= MG_CAN_CLASSIC_MAX);
    size_t len = mg_socketcand_put_send(f, text);
    check(len > 0 && len < sizeof text && text[len] == '\0');
    check(mg_socketcand_parse(text, len, &again) == MG_OK);
    check(again.kind == MG_SOCKETCAND_SEND);
    check_same(&again.frame, f);
    len = mg_socketcand_put_frame(f, INT64_MAX, text);
    check(len > 0 && len < sizeof text && text[len] == '\0');
    check(mg_socketcand_parse(text, len, &again) == MG_OK);
    check(again.kind == MG_SOCKETCAND_FRAME);
    check_same(&again.frame, f);
}

static void check_element(const char *element, size_t len)
{
    struct mg_socketcand_element e;
    int code = mg_socketcand_parse(element, len, &e);
    check(code == MG_OK || code == MG_E_PROTO);
    check(memchr(e.bus, '\0', sizeof e.bus) != NULL);
    check(memchr(e.text, '\0', sizeof e.text) != NULL);
    if (code == MG_OK &&
        (e.kind == MG_SOCKETCAND_FRAME || e.kind == MG_SOCKETCAND_SEND)) {
        check_frame(&e.frame);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    int code = MG_OK;
    for (size_t at = 0; code == MG_OK;) {
        const char *element = NULL;
        size_t len = 0;
        size_t used = 0;
        code = mg_socketcand_cut(text + at, size - at, &element, &len, &used);
        check(used <= size - at);
        if (code == MG_OK) {
            check(element >= text + at && len <= MG_SOCKETCAND_MAX);
            check(element + len == text + at + used);
            check_element(element, len);
        }
        at += used;
        check(code != MG_E_BUSY || size - at < MG_SOCKETCAND_MAX);
    }
    return 0;
}
