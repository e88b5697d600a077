/* A serial CAN adapter that exists in software only: a pty with the kernel's
 * slcan on it. Prints the name of the interface; lines of stdin go to the
 * kernel as the adapter's messages (ended by a carriage return); the end of
 * stdin pulls the plug. What the kernel tells the adapter is thrown away. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tty.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static int open_pty(int *ret_slave)
{
    struct termios raw;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        return -1;
    }
    *ret_slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (*ret_slave < 0 || tcgetattr(*ret_slave, &raw) != 0) {
        return -1;
    }
    cfmakeraw(&raw);
    return tcsetattr(*ret_slave, TCSANOW, &raw) == 0 ? master : -1;
}

/* @return false: the end of stdin */
static bool pass_on(int master)
{
    char text[256];
    ssize_t n = read(STDIN_FILENO, text, sizeof text);
    for (ssize_t i = 0; i < n; i++) {
        text[i] = text[i] == '\n' ? '\r' : text[i];
    }
    return n > 0 && write(master, text, (size_t)n) == n;
}

int main(void)
{
    struct ifreq request = {.ifr_flags = 0};
    char unread[256];
    int slave = -1;
    int discipline = N_SLCAN;
    int master = open_pty(&slave);
    if (master < 0 || ioctl(slave, TIOCSETD, &discipline) != 0 ||
        ioctl(slave, SIOCGIFNAME, &request) != 0) {
        (void)fprintf(stderr, "slcan_adapter: %s\n", strerror(errno));
        return 1;
    }
    (void)printf("%s\n", request.ifr_name);
    (void)fflush(stdout);
    struct pollfd waits[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = master, .events = POLLIN}};
    while (poll(waits, 2, -1) >= 0) {
        if (waits[0].revents != 0 && !pass_on(master)) {
            break;
        }
        if (waits[1].revents != 0 && read(master, unread, sizeof unread) <= 0) {
            break;
        }
    }
    return 0;
}
