/* SocketCAN from inside, for its own files.
 *
 * transport_socketcan.c  opening, closing, sending
 * socketcan_receive.c    reading
 * socketcan_socket.c     the raw socket and its options
 * socketcan_errors.c     error frames of the kernel
 * socketcan_link.c       what kind of interface it is
 * socketcan_manage.c     bringing it up, asking the controller: libsocketcan */
#ifndef MG_BUS_SOCKETCAN_PRIV_H
#define MG_BUS_SOCKETCAN_PRIV_H

#include <linux/can.h>

#include "bus/can.h"

struct socketcan_link {
    unsigned index;
    bool is_up;
    bool is_fd;         /* takes CAN FD frames now */
    bool is_controller; /* has a bit rate; vcan and the like do not */
    bool has_state, has_counters, has_bitrate, has_restart_ms;
};

/** @return MG_OK; MG_E_NOTFOUND: no such interface; MG_E_INVAL: it is not CAN;
 *          MG_E_IO; with err */
int mg_socketcan_link(const char *interface, struct socketcan_link *ret,
                      struct mg_err *err);

/* What the kernel refused: it would refuse it again, and libsocketcan would
 * say so on stderr each time. */
struct socketcan_refusal {
    unsigned index; /* of the interface; a replugged one has another */
    struct mg_err err;
};

/** Bring the interface up where `set` asks for it, and look at it. Blocks for
 *  as long as the driver needs, milliseconds.
 *  @return MG_OK, or err says what a person can do */
int mg_socketcan_prepare(const struct mg_socketcan_settings *set,
                         struct socketcan_refusal *refusal,
                         struct socketcan_link *ret, struct mg_err *err);

/** Ask the controller. @return false: not known, status as before */
bool mg_socketcan_ask(const char *interface, const struct socketcan_link *link,
                      struct mg_can_status *status);

enum socketcan_news {
    SOCKETCAN_STATE = 1,   /* the status has been brought up to date */
    SOCKETCAN_OVERFLOW = 2 /* the controller lost at least one frame */
};

/** What an error frame says (linux/can/error.h).
 *  @param status  updated
 *  @return bits of enum socketcan_news */
unsigned mg_socketcan_error(const struct can_frame *frame,
                            struct mg_can_status *status);

/* What libuv holds; one for each opening. */
struct port {
    uv_poll_t poll;
    struct socketcan *owner; /* NULL: closed, only waiting for libuv */
    int fd;
};

struct socketcan {
    struct mg_can_transport base;
    uv_loop_t *loop;
    struct mg_clock *clock;
    struct mg_socketcan_settings set;
    struct socketcan_refusal refusal;
    struct socketcan_link link;
    struct port *port;     /* NULL: closed */
    struct mg_timer turn;  /* what is to be told later */
    struct mg_timer asker; /* of the controller */
    bool is_opening, has_failed;
    struct mg_err failure;
    size_t n_untold; /* sent */
    struct mg_can_status status;
    uint32_t n_dropped; /* as the kernel counts them */
    uint64_t n_lost;
};

/** Close and tell `lost`. */
void mg_socketcan_lose(struct socketcan *c, const struct mg_err *err);

/* socketcan_receive.c */
void mg_socketcan_readable(uv_poll_t *poll, int status, int events);

/* socketcan_socket.c */

/** @return MG_OK; MG_E_NOSUP with err: a kernel without CAN */
int mg_socketcan_check_kernel(const char *interface, struct mg_err *err);

/** @param index  of the interface */
int mg_socketcan_socket(const struct mg_socketcan_settings *set, unsigned index,
                        const struct mg_can_filter *filters, size_t n,
                        int *ret_fd, struct mg_err *err);

/** Fill err with an errno of a socket, in words. @return its code */
int mg_socketcan_errno(const char *interface, int number, const char *what,
                       struct mg_err *err);

#endif
