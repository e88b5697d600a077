/* Bringing an interface up and asking its controller, through libsocketcan.
 * What it would complain about on stderr is looked for before. */
#include <errno.h>
#include <libsocketcan.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus/socketcan_priv.h"

/* ---- Asking ---- */

static enum mg_can_state state_of(int kernel_state)
{
    switch (kernel_state) {
    case CAN_STATE_ERROR_ACTIVE:
        return MG_CAN_ACTIVE;
    case CAN_STATE_ERROR_WARNING:
        return MG_CAN_WARNING;
    case CAN_STATE_ERROR_PASSIVE:
        return MG_CAN_PASSIVE;
    case CAN_STATE_BUS_OFF:
        return MG_CAN_BUS_OFF;
    default:
        return MG_CAN_STOPPED;
    }
}

bool mg_socketcan_ask(const char *interface, const struct socketcan_link *link,
                      struct mg_can_status *status)
{
    struct can_berr_counter counters;
    int state = 0;
    if (!link->has_state || can_get_state(interface, &state) != 0) {
        return false;
    }
    status->state = state_of(state);
    if (link->has_counters && can_get_berr_counter(interface, &counters) == 0) {
        status->tx_errors = counters.txerr;
        status->rx_errors = counters.rxerr;
        status->has_counters = true;
    }
    return true;
}

static bool is_bus_off(const char *interface, const struct socketcan_link *link)
{
    struct mg_can_status status;
    return link->is_up && mg_socketcan_ask(interface, link, &status) &&
           status.state == MG_CAN_BUS_OFF;
}

static uint32_t restart_ms_of(const char *interface,
                              const struct socketcan_link *link)
{
    uint32_t ms = 0;
    return link->has_restart_ms && can_get_restart_ms(interface, &ms) == 0 ? ms
                                                                           : 0;
}

/* ---- Bringing up ---- */

/* Up as asked for? The sample point is what the controller can do, near what
 * was asked: it is not compared. */
static bool is_as_asked(const struct mg_socketcan_settings *set,
                        const struct socketcan_link *link)
{
    struct can_bittiming timing;
    return link->is_up && link->has_bitrate &&
           can_get_bittiming(set->interface, &timing) == 0 &&
           timing.bitrate == set->bitrate &&
           restart_ms_of(set->interface, link) == set->restart_ms &&
           (set->restart_ms > 0 || !is_bus_off(set->interface, link));
}

static bool may_administrate(void)
{
    struct __user_cap_header_struct head = {.version =
                                                _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    memset(data, 0, sizeof data);
    return syscall(SYS_capget, &head, data) == 0 &&
           (data[0].effective & CAP_TO_MASK(CAP_NET_ADMIN)) != 0;
}

static int set_rate(const struct mg_socketcan_settings *set)
{
    return set->sample_point == 0
               ? can_set_bitrate(set->interface, set->bitrate)
               : can_set_bitrate_samplepoint(set->interface, set->bitrate,
                                             set->sample_point);
}

static int refused(const char *interface, const char *what, struct mg_err *err)
{
    if (errno == EPERM || errno == EACCES) {
        return mg_err_set(err, MG_E_DENIED,
                          "%s: `manage` needs the capability CAP_NET_ADMIN: "
                          "%s is not allowed",
                          interface, what);
    }
    int number = errno;
    (void)mg_err_errno(err, number, "%s: %s is refused", interface, what);
    return number == EINVAL || number == ERANGE || number == EOPNOTSUPP ||
                   number == EDOM
               ? err->code = MG_E_INVAL
               : MG_E_IO;
}

static int bring_up(const struct mg_socketcan_settings *set,
                    const struct socketcan_link *link, struct mg_err *err)
{
    const char *name = set->interface;
    errno = 0;
    if (link->is_up && can_do_stop(name) != 0) {
        return refused(name, "bringing it down", err);
    }
    if (set_rate(set) != 0) {
        return refused(name, "the bit rate or sample point", err);
    }
    if (link->has_restart_ms && restart_ms_of(name, link) != set->restart_ms &&
        can_set_restart_ms(name, set->restart_ms) != 0) {
        return refused(name, "restart-ms", err);
    }
    if (can_do_start(name) != 0) {
        return refused(name, "bringing it up", err);
    }
    return MG_OK;
}

static int check_manageable(const struct mg_socketcan_settings *set,
                            const struct socketcan_link *link,
                            struct mg_err *err)
{
    if (!link->is_controller) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s: a virtual interface has no bit rate: bring it "
                          "up with `ip link set %s up`, without `manage`",
                          set->interface, set->interface);
    }
    if (set->is_fd) {
        return mg_err_set(err, MG_E_NOSUP,
                          "%s: `manage` knows classic bit rates only: bring "
                          "CAN FD up with `ip link`, without `manage`",
                          set->interface);
    }
    if (!may_administrate()) {
        return mg_err_set(err, MG_E_DENIED,
                          "%s: `manage` needs the capability CAP_NET_ADMIN",
                          set->interface);
    }
    return MG_OK;
}

static int manage(const struct mg_socketcan_settings *set,
                  struct socketcan_refusal *refusal,
                  struct socketcan_link *link, struct mg_err *err)
{
    if (is_as_asked(set, link)) {
        return MG_OK;
    }
    if (refusal->index == link->index) {
        *err = refusal->err;
        return err->code;
    }
    int code = check_manageable(set, link, err);
    if (code == MG_OK) {
        code = bring_up(set, link, err);
    }
    if (code == MG_E_INVAL || code == MG_E_DENIED || code == MG_E_NOSUP) {
        refusal->index = link->index;
        refusal->err = *err;
    }
    return code == MG_OK ? mg_socketcan_link(set->interface, link, err) : code;
}

/* ---- Both ---- */

int mg_socketcan_prepare(const struct mg_socketcan_settings *set,
                         struct socketcan_refusal *refusal,
                         struct socketcan_link *ret, struct mg_err *err)
{
    const char *name = set->interface;
    int code = mg_socketcan_link(name, ret, err);
    if (code == MG_OK && set->is_managed) {
        code = manage(set, refusal, ret, err);
    }
    if (code != MG_OK) {
        return code;
    }
    if (!ret->is_up) {
        return mg_err_set(err, MG_E_STATE,
                          "%s: the interface is down: `ip link set %s up`, or "
                          "`manage: true`",
                          name, name);
    }
    if (set->is_fd && !ret->is_fd) {
        return mg_err_set(err, MG_E_NOSUP,
                          "%s: takes no CAN FD frames: bring it up with `fd "
                          "on`, or `mtu 72` where it is virtual",
                          name);
    }
    if (is_bus_off(name, ret) && restart_ms_of(name, ret) == 0) {
        return mg_err_set(err, MG_E_STATE,
                          "%s: bus-off, and nobody restarts it: `ip link set "
                          "%s down` and `up`, restart-ms, or `manage: true`",
                          name, name);
    }
    return MG_OK;
}
