/* How much of a serial line's time the engine uses.
 *
 * A meter in a process of its own sits behind a pty and keeps the times of a
 * wire: 11 bits per character, 3.5 characters of silence (1.75 ms above 19200
 * baud) before it takes a request as ended, 2 ms of its own, the answer in
 * pieces of 8 bytes as a UART's FIFO gives them. The engine asks again and
 * again. Utilisation is the cycle in theory, two silences included, over the
 * median cycle. A violation is a request sent less than the silence after the
 * last byte of the answer before it, by one clock for both sides.
 *
 *   bench_rtu [--seconds N]     N seconds for each row, default 5
 *
 * Exit 1 when a row misses 98 % (95 % at 115200 baud with 2 registers) or a
 * silence was not kept. */
#include <errno.h>
#include <getopt.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "bus/modbus.h"
#include "wire/modbus_adu.h"

#define CYCLES_MAX    65536U
#define CHAR_BITS     11U
#define TURNAROUND_NS 2000000U
#define FIFO          8U
#define SECOND_NS     UINT64_C(1000000000)

/* Both sides write down what they do to cycle i. */
struct log {
    uint64_t sent_ns[CYCLES_MAX]; /* by the engine's side */
    uint64_t last_ns[CYCLES_MAX]; /* last byte of the answer, by the meter's */
    _Atomic uint64_t n_answered;
};

struct wire {
    uint32_t baud;
    uint16_t n_registers;
    uint64_t char_ns, gap_ns;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(2);
}

/* ---- The meter's process ---- */

static void sleep_until(uint64_t at_ns)
{
    struct timespec t = {.tv_sec = (time_t)(at_ns / SECOND_NS),
                         .tv_nsec = (long)(at_ns % SECOND_NS)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

static void receive_request(int master, uint8_t request[8])
{
    size_t len = 0;
    while (len < 8) {
        ssize_t n = read(master, request + len, 8 - len);
        if (n <= 0) {
            _exit(0); /* the engine's side has gone */
        }
        len += (size_t)n;
    }
}

static void answer(int master, const struct wire *wire, uint64_t begin_ns,
                   struct log *log, uint64_t cycle)
{
    uint8_t pdu[MG_PDU_MAX] = {3, (uint8_t)(wire->n_registers * 2)};
    uint8_t frame[MG_RTU_MAX];
    size_t len = mg_rtu_build(frame, 1, pdu, 2 + (size_t)wire->n_registers * 2);
    for (size_t done = 0; done < len;) {
        size_t n = len - done < FIFO ? len - done : FIFO;
        sleep_until(begin_ns + (done + n) * wire->char_ns);
        /* Before it is written, so that the engine cannot be first. */
        log->last_ns[cycle] = now_ns();
        if (write(master, frame + done, n) != (ssize_t)n) {
            _exit(1);
        }
        done += n;
    }
    atomic_store(&log->n_answered, cycle + 1);
}

static void be_meter(int master, const struct wire *wire, struct log *log)
{
    struct sched_param first = {.sched_priority = 1};
    /* A real UART is never late: as near to that as we are allowed. */
    (void)sched_setscheduler(0, SCHED_FIFO, &first);
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    (void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
    for (uint64_t i = 0; i < CYCLES_MAX; i++) {
        uint8_t request[8];
        receive_request(master, request);
        uint64_t begin_ns =
            log->sent_ns[i] + 8 * wire->char_ns + wire->gap_ns + TURNAROUND_NS;
        answer(master, wire, begin_ns, log, i);
    }
    _exit(0);
}

/* ---- The engine's process ---- */

struct bench {
    uv_loop_t loop;
    struct mg_clock *clock;
    struct mg_modbus *bus;
    struct mg_modbus_unit *unit;
    struct mg_modbus_request request;
    struct mg_transport *line;
    struct coat {
        struct mg_transport_ops ops; /* the line's, send apart; first */
        struct bench *bench;
    } coat;
    const struct mg_transport_ops *inner;
    struct log *log;
    uint64_t n_sent, end_ns;
    uint64_t n_ok, n_failed;
};

static int timed_send(struct mg_transport *t, const uint8_t *data, size_t len,
                      struct mg_err *err)
{
    struct bench *b = ((const struct coat *)t->ops)->bench;
    if (b->n_sent < CYCLES_MAX) {
        b->log->sent_ns[b->n_sent++] = now_ns();
    }
    return b->inner->send(t, data, len, err);
}

static void answered(struct mg_modbus_request *request,
                     const struct mg_modbus_result *result)
{
    struct bench *b =
        (struct bench *)((char *)request - offsetof(struct bench, request));
    b->n_ok += result->code == MG_OK;
    b->n_failed += result->code != MG_OK;
    if (result->code == MG_OK && now_ns() < b->end_ns &&
        b->n_sent < CYCLES_MAX) {
        (void)mg_modbus_submit(b->unit, request);
    } else {
        uv_stop(&b->loop);
    }
}

static void up(void *ctx)
{
    struct bench *b = ctx;
    (void)mg_modbus_submit(b->unit, &b->request);
}

static void down(void *ctx, const struct mg_err *err)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", err->text);
    exit(2);
}

static void run_engine(struct bench *b, const char *device,
                       const struct wire *wire)
{
    static const struct mg_modbus_events events = {.up = up, .down = down};
    struct mg_tty_settings tty = {.serial = {wire->baud, 'N', 1}};
    const struct mg_modbus_settings set = {
        .framing = MG_MODBUS_RTU, .baud = wire->baud, .char_bits = CHAR_BITS};
    const struct mg_modbus_unit_settings unit = {.unit = 1, .timeout_ms = 1000};
    const uint8_t pdu[5] = {3, 0, 0x30, 0, (uint8_t)wire->n_registers};
    struct mg_err err;
    (void)snprintf(tty.device, sizeof tty.device, "%s", device);
    memcpy(b->request.pdu, pdu, sizeof pdu);
    b->request.pdu_len = sizeof pdu;
    b->request.done = answered;
    if (uv_loop_init(&b->loop) != 0) {
        die("loop");
    }
    b->clock = mg_clock_create_real(&b->loop, &err);
    b->line = mg_transport_tty(&b->loop, &tty);
    b->inner = b->line->ops;
    b->coat.bench = b;
    b->coat.ops = *b->inner;
    b->coat.ops.send = timed_send;
    b->line->ops = &b->coat.ops;
    b->bus = mg_modbus_create(b->clock, b->line, &set, &events, b);
    b->unit = mg_modbus_add_unit(b->bus, &unit);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    mg_modbus_destroy(b->bus);
    mg_clock_destroy(b->clock);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&b->loop);
}

/* ---- A row ---- */

static uint64_t cpu_ns(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u); /* cannot fail */
    return ((uint64_t)u.ru_utime.tv_sec + (uint64_t)u.ru_stime.tv_sec) *
               SECOND_NS +
           ((uint64_t)u.ru_utime.tv_usec + (uint64_t)u.ru_stime.tv_usec) * 1000;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t median_cycle_ns(const struct log *log, uint64_t n)
{
    uint64_t *cycles = calloc(n, sizeof *cycles);
    if (cycles == NULL || n < 2) {
        free(cycles);
        return UINT64_MAX;
    }
    for (uint64_t i = 0; i + 1 < n; i++) {
        cycles[i] = log->sent_ns[i + 1] - log->sent_ns[i];
    }
    qsort(cycles, n - 1, sizeof *cycles, by_size);
    uint64_t median = cycles[(n - 1) / 2];
    free(cycles);
    return median;
}

static bool print_row(const struct wire *wire, const struct bench *b,
                      uint64_t wall_ns, uint64_t spent_ns)
{
    const struct log *log = b->log;
    uint64_t n = b->n_sent, n_violations = 0, least_ns = UINT64_MAX;
    for (uint64_t i = 0; i + 1 < n; i++) {
        uint64_t gap_ns = log->sent_ns[i + 1] - log->last_ns[i];
        least_ns = gap_ns < least_ns ? gap_ns : least_ns;
        n_violations += gap_ns < wire->gap_ns;
    }
    uint64_t theory_ns =
        (8 + 5 + 2 * (uint64_t)wire->n_registers) * wire->char_ns +
        2 * wire->gap_ns + TURNAROUND_NS;
    uint64_t cycle_ns = median_cycle_ns(log, n);
    uint64_t permille = theory_ns * 1000 / cycle_ns;
    uint64_t goal = wire->baud == 115200 && wire->n_registers == 2 ? 950 : 980;
    bool is_good = permille >= goal && n_violations == 0 && b->n_failed == 0;
    (void)printf(
        "rtu baud=%u registers=%u cycles=%ju theory_us=%ju cycle_us=%ju "
        "utilisation=%ju.%ju goal=%ju.%ju violations=%ju least_gap_us=%ju "
        "gap_us=%ju failed=%ju cpu_percent=%.2f %s\n",
        wire->baud, wire->n_registers, (uintmax_t)n,
        (uintmax_t)theory_ns / 1000, (uintmax_t)cycle_ns / 1000,
        (uintmax_t)permille / 10, (uintmax_t)permille % 10,
        (uintmax_t)goal / 10, (uintmax_t)goal % 10, (uintmax_t)n_violations,
        (uintmax_t)least_ns / 1000, (uintmax_t)wire->gap_ns / 1000,
        (uintmax_t)b->n_failed, (double)spent_ns * 100 / (double)wall_ns,
        is_good ? "ok" : "MISSED");
    (void)fflush(stdout);
    return is_good;
}

static bool run_row(const struct wire *wire, unsigned seconds)
{
    struct bench *b = calloc(1, sizeof *b);
    int master = -1, slave = -1;
    char device[64];
    struct termios t;
    struct log *log = mmap(NULL, sizeof *log, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (b == NULL || log == MAP_FAILED ||
        openpty(&master, &slave, NULL, NULL, NULL) != 0 ||
        tcgetattr(slave, &t) != 0 ||
        ptsname_r(master, device, sizeof device) != 0) {
        die("pty");
    }
    cfmakeraw(&t);
    (void)tcsetattr(slave, TCSANOW, &t); /* the engine does it again */
    pid_t meter = fork();
    if (meter < 0) {
        die("fork");
    }
    if (meter == 0) {
        (void)close(slave);
        be_meter(master, wire, log);
    }
    (void)close(master);
    b->log = log;
    uint64_t begin_ns = now_ns(), begin_cpu_ns = cpu_ns();
    b->end_ns = begin_ns + seconds * SECOND_NS;
    run_engine(b, device, wire);
    bool is_good =
        print_row(wire, b, now_ns() - begin_ns, cpu_ns() - begin_cpu_ns);
    (void)close(slave); /* hangs up: the meter's process ends */
    (void)kill(meter, SIGKILL);
    (void)waitpid(meter, NULL, 0);
    (void)munmap(log, sizeof *log);
    free(b);
    return is_good;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
    static const uint32_t bauds[] = {9600, 19200, 115200};
    static const uint16_t counts[] = {2, 20, 100};
    unsigned seconds = 5;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        seconds = c == 's' ? (unsigned)strtoul(optarg, NULL, 10) : 0;
        if (seconds == 0 || seconds > 600) {
            (void)fprintf(stderr, "usage: %s [--seconds 1..600]\n", argv[0]);
            return 2;
        }
    }
    bool is_good = true;
    for (size_t i = 0; i < 9; i++) {
        struct wire wire = {.baud = bauds[i / 3], .n_registers = counts[i % 3]};
        wire.char_ns = (uint64_t)CHAR_BITS * SECOND_NS / wire.baud;
        wire.gap_ns = wire.baud > 19200
                          ? 1750000
                          : (uint64_t)CHAR_BITS * 7 * SECOND_NS / 2 / wire.baud;
        is_good = run_row(&wire, seconds) && is_good;
    }
    return is_good ? 0 : 1;
}
