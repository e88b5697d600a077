/* The socketcand protocol, raw mode: CAN frames as text over TCP. Classic
 * frames only. Elements are "< word ... >"; what stands between them is
 * skipped.
 *
 *   server: < hi >   client: < open can0 >   server: < ok >
 *   client: < rawmode >   server: < ok >
 *   server: < frame 123 1700000000.123456 1122334455667788 >
 *   client: < send 123 8 11 22 33 44 55 66 77 88 >
 *
 * An identifier is written with three digits, an extended one with eight, as
 * socketcand does. Read, one of more than three digits or beyond 7ff is an
 * extended one: socketcand itself insists on eight, python-can writes fewer.
 * Pure. */
#ifndef MG_WIRE_SOCKETCAND_H
#define MG_WIRE_SOCKETCAND_H

#include "base/err.h"
#include "wire/can_frame.h"

#define MG_SOCKETCAND_MAX      128 /* bytes of an element, brackets included */
#define MG_SOCKETCAND_NAME_MAX 16  /* of a bus, NUL included */

enum mg_socketcand_kind {
    MG_SOCKETCAND_HI,
    MG_SOCKETCAND_OK,
    MG_SOCKETCAND_OPEN, /* bus */
    MG_SOCKETCAND_RAWMODE,
    MG_SOCKETCAND_ECHO,
    MG_SOCKETCAND_FRAME,       /* frame: received on the bus */
    MG_SOCKETCAND_SEND,        /* frame: to be sent */
    MG_SOCKETCAND_ERROR,       /* text: what was refused */
    MG_SOCKETCAND_ERROR_FRAME, /* error_class: trouble on the bus */
    MG_SOCKETCAND_OTHER        /* an element of another mode */
};

struct mg_socketcand_element {
    enum mg_socketcand_kind kind;
    char bus[MG_SOCKETCAND_NAME_MAX];
    struct mg_can_frame frame;
    char text[MG_SOCKETCAND_MAX]; /* printable */
    uint32_t error_class; /* as in linux/can/error.h; without its data */
};

/** Cut the next element off a stream.
 *  @param ret_element,ret_len  from '<' to '>', borrowed from data
 *  @param ret_used  bytes that are done with, also when it is not whole yet
 *  @return MG_OK; MG_E_BUSY: more must come; MG_E_PROTO: longer than
 *          MG_SOCKETCAND_MAX */
int mg_socketcand_cut(const char *data, size_t len, const char **ret_element,
                      size_t *ret_len, size_t *ret_used);

/** @return MG_OK; MG_E_PROTO: not an element, an empty one, or one of these
 *          with wrong arguments */
int mg_socketcand_parse(const char *element, size_t len,
                        struct mg_socketcand_element *ret);

/** "< frame ... >" with its time since 1970. @return length; 0: no classic data
 *  frame */
size_t mg_socketcand_put_frame(const struct mg_can_frame *frame, int64_t utc_us,
                               char ret[MG_SOCKETCAND_MAX]);
/** "< send ... >". */
size_t mg_socketcand_put_send(const struct mg_can_frame *frame,
                              char ret[MG_SOCKETCAND_MAX]);

#endif
