/* What kind of interface it is, by one question to the kernel (RTM_GETLINK).
 * libsocketcan complains on stderr when it asks for what an interface does not
 * have, so this is asked before. */
#include <net/if.h> /* before the kernel's, which then leave out the same */

#include <errno.h>
#include <linux/can/netlink.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bus/socketcan_priv.h"

#define ANSWER_MAX 16384U /* the answer about one interface: about 1 KiB */

/* ---- Attributes: length and kind (16 bits each), value, padding to 4 ---- */

struct attributes {
    const uint8_t *at;
    size_t len;
};

struct attribute {
    unsigned kind;
    struct attributes value;
};

static bool next_attribute(struct attributes *list, struct attribute *ret)
{
    struct rtattr head;
    if (list->len < sizeof head) {
        return false;
    }
    memcpy(&head, list->at, sizeof head);
    if (head.rta_len < sizeof head || head.rta_len > list->len) {
        return false;
    }
    size_t padded = ((size_t)head.rta_len + 3) & ~(size_t)3;
    ret->kind = head.rta_type & (unsigned)NLA_TYPE_MASK;
    ret->value.at = list->at + sizeof head;
    ret->value.len = head.rta_len - sizeof head;
    padded = padded < list->len ? padded : list->len;
    list->at += padded;
    list->len -= padded;
    return true;
}

static void read_controller(struct attributes list, struct socketcan_link *link)
{
    struct attribute a;
    while (next_attribute(&list, &a)) {
        link->has_state |= a.kind == IFLA_CAN_STATE;
        link->has_counters |= a.kind == IFLA_CAN_BERR_COUNTER;
        link->has_bitrate |= a.kind == IFLA_CAN_BITTIMING;
        link->has_restart_ms |= a.kind == IFLA_CAN_RESTART_MS;
    }
}

static void read_info(struct attributes list, struct socketcan_link *link)
{
    struct attributes data = {NULL, 0};
    struct attribute a;
    while (next_attribute(&list, &a)) {
        if (a.kind == IFLA_INFO_DATA) {
            data = a.value;
        }
        if (a.kind == IFLA_INFO_KIND && a.value.len >= 3) {
            link->is_controller = memcmp(a.value.at, "can", 4) == 0;
        }
    }
    if (link->is_controller) {
        read_controller(data, link);
    }
}

static void read_link(struct attributes list, struct socketcan_link *link)
{
    struct attribute a;
    while (next_attribute(&list, &a)) {
        uint32_t mtu = 0;
        if (a.kind == IFLA_MTU && a.value.len == sizeof mtu) {
            memcpy(&mtu, a.value.at, sizeof mtu);
            link->is_fd = mtu >= CANFD_MTU;
        }
        if (a.kind == IFLA_LINKINFO) {
            read_info(a.value, link);
        }
    }
}

/* ---- Question and answer ---- */

static int ask(int fd, unsigned index)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg about;
    } question = {.head = {.nlmsg_len = sizeof question,
                           .nlmsg_type = RTM_GETLINK,
                           .nlmsg_flags = NLM_F_REQUEST},
                  .about = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index}};
    ssize_t n = send(fd, &question, sizeof question, 0);
    return n == (ssize_t)sizeof question ? MG_OK : MG_E_IO;
}

static int understand(const uint8_t *answer, size_t len,
                      struct socketcan_link *ret)
{
    struct nlmsghdr head;
    struct ifinfomsg about;
    if (len < sizeof head + sizeof about) {
        return MG_E_PROTO;
    }
    memcpy(&head, answer, sizeof head);
    memcpy(&about, answer + sizeof head, sizeof about);
    if (head.nlmsg_type != RTM_NEWLINK || head.nlmsg_len > len ||
        head.nlmsg_len < sizeof head + sizeof about) {
        return MG_E_NOTFOUND; /* an NLMSG_ERROR: gone meanwhile */
    }
    if (about.ifi_type != ARPHRD_CAN) {
        return MG_E_INVAL;
    }
    ret->is_up = (about.ifi_flags & IFF_UP) != 0;
    struct attributes list = {answer + sizeof head + sizeof about,
                              head.nlmsg_len - sizeof head - sizeof about};
    read_link(list, ret);
    return MG_OK;
}

static int exchange(unsigned index, struct socketcan_link *ret)
{
    uint8_t answer[ANSWER_MAX];
    const struct timeval limit = {.tv_sec = 1};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) {
        return MG_E_IO;
    }
    int code = MG_E_IO;
    ssize_t n = -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        ask(fd, index) == MG_OK) {
        n = recv(fd, answer, sizeof answer, 0);
    }
    if (n > 0) {
        code = understand(answer, (size_t)n, ret);
    }
    (void)close(fd);
    return code;
}

int mg_socketcan_link(const char *interface, struct socketcan_link *ret,
                      struct mg_err *err)
{
    struct socketcan_link link = {.index = if_nametoindex(interface)};
    int code = link.index == 0 ? MG_E_NOTFOUND : exchange(link.index, &link);
    switch (code) {
    case MG_OK:
        *ret = link;
        return MG_OK;
    case MG_E_NOTFOUND:
        return mg_err_set(err, code,
                          "%s: no such interface: is the adapter plugged in, "
                          "its driver loaded?",
                          interface);
    case MG_E_INVAL:
        return mg_err_set(err, code, "%s: this interface is not CAN",
                          interface);
    default:
        return mg_err_errno(err, errno, "%s: cannot ask the kernel about it",
                            interface);
    }
}
