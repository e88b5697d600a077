/* Writing a SAFE container. */
#include <inttypes.h>
#include <string.h>

#include "crypto/encode.h"
#include "model/utf8.h"
#include "record/chargepoint.h"
#include "record/safe_xml.h"

#define PIECE 384 /* bytes in base64 at once; a multiple of 3 */

void mg_safe_xml_begin(FILE *out)
{
    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<values>\n", out);
}

void mg_safe_xml_end(FILE *out)
{
    (void)fputs("</values>\n", out);
}

/* XML would turn a carriage return into a line break. */
static void write_char(FILE *out, char c)
{
    switch (c) {
    case '&':
        (void)fputs("&amp;", out);
        break;
    case '<':
        (void)fputs("&lt;", out);
        break;
    case '>':
        (void)fputs("&gt;", out);
        break;
    case '"':
        (void)fputs("&quot;", out);
        break;
    case '\r':
        (void)fputs("&#13;", out);
        break;
    default:
        (void)fputc(c, out);
    }
}

static void write_text(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        write_char(out, text[i]);
    }
}

/* Whether a text can stand in XML 1.0 and come back the same: characters that
 * XML has, no blanks around it that a reader takes for layout. */
static bool is_writable(const char *text, size_t len)
{
    size_t n;
    if (len == 0 || (uint8_t)text[0] <= ' ' || (uint8_t)text[len - 1] <= ' ') {
        return false;
    }
    for (size_t i = 0; i < len; i += n) {
        n = mg_utf8_len(text + i, len - i);
        uint8_t c = (uint8_t)text[i];
        bool is_control = c < 0x20 && c != '\t' && c != '\n' && c != '\r';
        /* U+FFFE and U+FFFF are none. */
        bool is_none = n == 3 && memcmp(text + i, "\xef\xbf", 2) == 0 &&
                       (uint8_t)text[i + 2] >= 0xbe;
        if (n == 0 || is_control || is_none) {
            return false;
        }
    }
    return true;
}

static void write_base64(FILE *out, const char *bytes, size_t len)
{
    char encoded[MG_BASE64_LEN(PIECE) + 1];
    for (size_t i = 0; i < len; i += PIECE) {
        size_t n = len - i < PIECE ? len - i : PIECE;
        mg_base64_write((const uint8_t *)bytes + i, n, encoded);
        (void)fputs(encoded, out);
    }
}

void mg_safe_xml_value(FILE *out, const char *transaction, const char *context,
                       const char *record, size_t record_len,
                       const char *key_hex)
{
    (void)fputs("  <value", out);
    if (transaction != NULL && transaction[0] != '\0') {
        (void)fprintf(out, " transactionId=\"%" PRIu64 "\"",
                      mg_chargepoint_session(transaction));
    }
    if (context != NULL && context[0] != '\0') {
        (void)fputs(" context=\"", out);
        write_text(out, context, strlen(context));
        (void)fputc('"', out);
    }
    (void)fputs(">\n", out);
    if (key_hex != NULL && key_hex[0] != '\0') {
        (void)fputs("    <publicKey encoding=\"hex\">", out);
        write_text(out, key_hex, strlen(key_hex));
        (void)fputs("</publicKey>\n", out);
    }
    bool is_plain = is_writable(record, record_len);
    (void)fprintf(out, "    <signedData format=\"OCMF\" encoding=\"%s\">",
                  is_plain ? "plain" : "base64");
    if (is_plain) {
        write_text(out, record, record_len);
    } else {
        write_base64(out, record, record_len);
    }
    (void)fputs("</signedData>\n  </value>\n", out);
}
