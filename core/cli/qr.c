#include "cli/qr.h"

#include <qrencode.h>
#include <stdbool.h>

#define QUIET 4

static bool is_dark(const QRcode *code, int x, int y)
{
    bool is_inside = x >= 0 && y >= 0 && x < code->width && y < code->width;
    return is_inside && (code->data[y * code->width + x] & 1) != 0;
}

/* Light modules are drawn, on a black ground: right whatever the colours of
 * the terminal are. */
static void print_line(FILE *out, const QRcode *code, int y)
{
    static const char *const halves[2][2] = {{"\xe2\x96\x88", "\xe2\x96\x80"},
                                             {"\xe2\x96\x84", " "}};
    (void)fputs("\033[40;97m", out);
    for (int x = -QUIET; x < code->width + QUIET; x++) {
        bool is_last = y + 1 >= code->width + QUIET;
        bool lower = is_last || is_dark(code, x, y + 1);
        (void)fputs(halves[is_dark(code, x, y)][lower], out);
    }
    (void)fputs("\033[0m\n", out);
}

int qr_print(FILE *out, const char *text)
{
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
    if (code == NULL) {
        return -1;
    }
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        print_line(out, code, y);
    }
    QRcode_free(code);
    return 0;
}
