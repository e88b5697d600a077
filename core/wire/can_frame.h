/* A CAN frame, classic or FD, as every bus and codec here passes it on. */
#ifndef MG_WIRE_CAN_FRAME_H
#define MG_WIRE_CAN_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define MG_CAN_STANDARD_MAX 0x7ffU      /* 11 bits */
#define MG_CAN_EXTENDED_MAX 0x1fffffffU /* 29 bits */
#define MG_CAN_CLASSIC_MAX  8
#define MG_CAN_FD_MAX       64

struct mg_can_frame {
    uint32_t id;      /* 11 or 29 bits, without flags */
    bool is_extended; /* 29 bits */
    bool is_remote;   /* a request for data; has none itself */
    bool is_fd;       /* up to 64 bytes: 0..8, 12, 16, 20, 24, 32, 48, 64 */
    bool is_brs;      /* FD: the data go at the faster rate */
    uint8_t len;
    uint8_t data[MG_CAN_FD_MAX];
};

#endif
