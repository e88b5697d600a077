/* Making a raw socket, and what can be wrong with it in words. */
#include <errno.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/socketcan_priv.h"

#ifndef CAN_ERR_CNT /* kernels before 6.0 */
#define CAN_ERR_CNT 0x00000200U
#endif

#define RECEIVE_BUFFER (4 * 1024 * 1024)
#define ERRORS_WANTED                                                          \
    (CAN_ERR_CRTL | CAN_ERR_BUSOFF | CAN_ERR_RESTARTED | CAN_ERR_CNT)

int mg_socketcan_errno(const char *interface, int number, const char *what,
                       struct mg_err *err)
{
    switch (number) {
    case ENETDOWN:
        return mg_err_set(err, MG_E_IO,
                          "%s: the interface went down: `ip link set %s up`, "
                          "or `manage: true`",
                          interface, interface);
    case ENODEV:
    case ENXIO:
        return mg_err_set(err, MG_E_IO,
                          "%s: the interface has gone: was the adapter "
                          "unplugged?",
                          interface);
    case EAFNOSUPPORT:
        return mg_err_set(err, MG_E_NOSUP,
                          "%s: this kernel has no CAN (AF_CAN): load the "
                          "modules can and can_raw, or use socketcand",
                          interface);
    case EPROTONOSUPPORT:
        return mg_err_set(err, MG_E_NOSUP,
                          "%s: this kernel has no raw CAN sockets: load the "
                          "module can_raw",
                          interface);
    default:
        return mg_err_errno(err, number, "%s: %s", interface, what);
    }
}

int mg_socketcan_check_kernel(const char *interface, struct mg_err *err)
{
    int fd = socket(PF_CAN, SOCK_RAW | SOCK_CLOEXEC, CAN_RAW);
    if (fd < 0) {
        return mg_socketcan_errno(interface, errno, "a CAN socket", err);
    }
    (void)close(fd);
    return MG_OK;
}

/* Identifiers and kind must be the same; remote frames are left out, so that
 * the kernel can look filters up instead of trying all. */
static int set_filters(int fd, const struct mg_can_filter *filters, size_t n)
{
    struct can_filter raw[CAN_RAW_FILTER_MAX];
    if (filters == NULL || n > CAN_RAW_FILTER_MAX) {
        return 0; /* everything comes, and the engine sorts it out */
    }
    for (size_t i = 0; i < n; i++) {
        bool is_extended = filters[i].is_extended;
        raw[i].can_id = filters[i].id | (is_extended ? CAN_EFF_FLAG : 0);
        raw[i].can_mask = CAN_EFF_FLAG | CAN_RTR_FLAG |
                          (is_extended ? CAN_EFF_MASK : CAN_SFF_MASK);
    }
    return setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FILTER, raw,
                      (socklen_t)(n * sizeof raw[0]));
}

static int set_options(int fd, bool is_fd)
{
    const int on = 1;
    const int size = RECEIVE_BUFFER;
    const can_err_mask_t errors = ERRORS_WANTED;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
        /* As much as a program without rights may have. */
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) != 0 ||
        setsockopt(fd, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, &errors,
                   sizeof errors) != 0) {
        return -1;
    }
    return is_fd
               ? setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FD_FRAMES, &on, sizeof on)
               : 0;
}

int mg_socketcan_socket(const struct mg_socketcan_settings *set, unsigned index,
                        const struct mg_can_filter *filters, size_t n,
                        int *ret_fd, struct mg_err *err)
{
    const struct sockaddr_can address = {.can_family = AF_CAN,
                                         .can_ifindex = (int)index};
    int fd = socket(PF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW);
    if (fd < 0) {
        return mg_socketcan_errno(set->interface, errno, "a CAN socket", err);
    }
    if (set_options(fd, set->is_fd) != 0 || set_filters(fd, filters, n) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        (void)mg_socketcan_errno(set->interface, errno,
                                 "setting up the CAN socket", err);
        (void)close(fd);
        return err->code;
    }
    *ret_fd = fd;
    return MG_OK;
}
