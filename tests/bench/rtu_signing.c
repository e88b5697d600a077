/* The meters of a line for signing.py: simulated WM3M4C, with their own
 * firmware, behind a pty that keeps the times of a wire: 10 bits per character
 * (8N1), 1.75 ms of silence before a request is taken as ended, 2 ms of the
 * meter's own, the answer in pieces of 8 bytes as a UART's FIFO gives them.
 *
 *   bench_rtu_signing METERS      units 1..METERS; plugins as metergate finds
 *                                 them ($METERGATE_PLUGINS)
 *
 * Prints the pty's path, then every half second a JSON line of counts since the
 * start: the time now, exchanges, and the time that these take in theory (both
 * silences included), in ns; requests that came earlier than the silence after
 * the answer before. Ends with standard input. */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "run/plugins.h"
#include "sim/device.h"
#include "wire/crc16.h"
#include "wire/modbus_adu.h"

#define BAUD          115200U
#define CHAR_NS       (10U * SECOND_NS / BAUD)
#define GAP_NS        1750000U
#define TURNAROUND_NS 2000000U
#define FIFO          8U
#define SECOND_NS     UINT64_C(1000000000)
#define REPORT_NS     (SECOND_NS / 2)
#define METERS_MAX    247U
/* A meter that nobody asks is run up to now in a pause as long as this. */
#define PAUSE_NS 1500000U

struct line {
    int master;
    size_t n_meters, next;
    struct mg_sim_device *meters[METERS_MAX];
    uint64_t begin_ns, last_ns, report_ns;
    uint64_t n_exchanges, theory_ns, n_violations, meters_late_ns;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec t = {.tv_sec = (time_t)(at_ns / SECOND_NS),
                         .tv_nsec = (long)(at_ns % SECOND_NS)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_rtu_signing: %s\n", what);
    exit(2);
}

/* ---- The meters ---- */

static void make_meters(struct line *l, const struct mg_plugin *plugin)
{
    const struct mg_sim_profile profile = {.is_fixed = true,
                                           .fixed = {230000, 16000, 50000, 0}};
    void *options = calloc(1, plugin->options_size);
    struct timespec t;
    if (options == NULL) {
        die("out of memory");
    }
    mg_options_default(plugin->options, plugin->n_options, options);
    (void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail */
    for (size_t i = 0; i < l->n_meters; i++) {
        l->meters[i] = mg_sim_device_create(
            plugin, options, &profile, i + 1, 26000001U + (uint32_t)i,
            (uint8_t)(i + 1), BAUD, (int64_t)t.tv_sec * 1000);
        if (l->meters[i] == NULL) {
            die("out of memory");
        }
    }
    free(options);
}

static void live(struct line *l, size_t meter)
{
    mg_sim_device_run(l->meters[meter], now_ns() - l->begin_ns);
}

/* One meter in turn, where there is time: none has much to catch up with when
 * it is asked. */
static void use_pause(struct line *l, uint64_t until_ns)
{
    if (now_ns() + PAUSE_NS < until_ns) {
        l->next = (l->next + 1) % l->n_meters;
        live(l, l->next);
    }
}

/* ---- The wire ---- */

static size_t request_len(const uint8_t *adu, size_t len)
{
    if (len < 8) {
        return 8;
    }
    return adu[1] == 0x10 ? 9U + adu[6] : 8U;
}

/* @return 0: standard input has ended */
static size_t receive(struct line *l, uint8_t adu[MG_RTU_MAX])
{
    struct pollfd fds[] = {{l->master, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    size_t len = 0;
    while (len < request_len(adu, len)) {
        (void)poll(fds, 2, -1);
        if (fds[1].revents != 0) {
            return 0;
        }
        ssize_t n = read(l->master, adu + len, MG_RTU_MAX - len);
        if (n > 0) {
            len += (size_t)n;
        } else if (errno != EAGAIN) {
            sleep_until(now_ns() + SECOND_NS / 100); /* nobody is there yet */
        }
    }
    return len;
}

static void answer(struct line *l, uint64_t begin_ns, const uint8_t *adu,
                   size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n = len - done < FIFO ? len - done : FIFO;
        uint64_t due_ns = begin_ns + (done + n) * CHAR_NS;
        use_pause(l, due_ns);
        sleep_until(due_ns);
        /* Before it is written, so that the gateway cannot be first. */
        l->last_ns = now_ns();
        if (write(l->master, adu + done, n) != (ssize_t)n) {
            die("the line is gone");
        }
        done += n;
    }
}

static void report(struct line *l)
{
    (void)printf("{\"now\":%ju,\"exchanges\":%ju,\"theory\":%ju,"
                 "\"violations\":%ju,\"meters_late\":%ju}\n",
                 (uintmax_t)now_ns(), (uintmax_t)l->n_exchanges,
                 (uintmax_t)l->theory_ns, (uintmax_t)l->n_violations,
                 (uintmax_t)l->meters_late_ns);
    (void)fflush(stdout); /* who reads it waits for it */
}

static void serve(struct line *l)
{
    uint8_t request[MG_RTU_MAX], adu[MG_RTU_MAX], pdu[MG_PDU_MAX];
    size_t len;
    while ((len = receive(l, request)) != 0) {
        uint64_t at_ns = now_ns();
        size_t meter = request[0] - 1U;
        if (mg_crc16(request, len) != 0 || meter >= l->n_meters) {
            continue;
        }
        l->n_violations += at_ns - l->last_ns < GAP_NS;
        live(l, meter);
        size_t n = mg_sim_device_pdu(l->meters[meter], request[0], request + 1,
                                     len - 3, pdu);
        if (n == 0) {
            continue;
        }
        n = mg_rtu_build(adu, request[0], pdu, n);
        answer(l, at_ns + len * CHAR_NS + GAP_NS + TURNAROUND_NS, adu, n);
        l->meters_late_ns +=
            l->last_ns - at_ns - (len + n) * CHAR_NS - GAP_NS - TURNAROUND_NS;
        l->n_exchanges++;
        l->theory_ns += (len + n) * CHAR_NS + 2 * GAP_NS + TURNAROUND_NS;
        if (l->last_ns >= l->report_ns) {
            l->report_ns = l->last_ns + REPORT_NS;
            report(l);
        }
    }
}

static void open_line(struct line *l)
{
    int slave;
    struct termios t;
    char path[64];
    if (openpty(&l->master, &slave, NULL, NULL, NULL) != 0 ||
        tcgetattr(slave, &t) != 0 ||
        ptsname_r(l->master, path, sizeof path) != 0) {
        die("no pty");
    }
    cfmakeraw(&t);
    (void)tcsetattr(slave, TCSANOW, &t); /* the gateway does it again */
    (void)printf("%s\n", path);
    (void)fflush(stdout); /* who reads it waits for it */
}

int main(int argc, char **argv)
{
    static struct line l;
    struct mg_plugins plugins = {0};
    struct mg_err err = {0};
    struct sched_param first = {.sched_priority = 1};
    char directory[4096];
    unsigned long n = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (n < 1 || n > METERS_MAX) {
        die("usage: bench_rtu_signing 1..247");
    }
    if (mg_plugins_directory(directory, sizeof directory, &err) != MG_OK ||
        mg_plugins_load(&plugins, directory, &err) != MG_OK) {
        die(err.text);
    }
    const struct mg_plugin *plugin = mg_plugins_find(&plugins, "wm3m4c");
    if (plugin == NULL || plugin->firmware == NULL) {
        die("no wm3m4c");
    }
    l.n_meters = n;
    l.begin_ns = now_ns();
    make_meters(&l, plugin);
    open_line(&l);
    /* A real UART is never late: as near to that as we are allowed. */
    (void)sched_setscheduler(0, SCHED_FIFO, &first);
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    serve(&l);
    for (size_t i = 0; i < l.n_meters; i++) {
        mg_sim_device_destroy(l.meters[i]);
    }
    mg_plugins_destroy(&plugins);
    return 0;
}
