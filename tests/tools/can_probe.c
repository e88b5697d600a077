/* The CAN engine by hand, for tests: what happens is a line on stdout, what to
 * do comes as lines on stdin.
 *
 *   can_probe INTERFACE [OPTIONS]
 *     --listen ID        hexadecimal; an `x` after it: 29 bits
 *     --many N           listen to N more identifiers, extended ones from 0
 *     --managed RATE     bring the interface up at this bit rate
 *     --sample-point N   with it, in thousandths
 *     --restart-ms N     with it
 *     --fd               the interface takes CAN FD frames
 *     --isotp RX,TX      identifiers of an ISO-TP channel
 *     --count            count frames instead of printing them: their data are
 *                        a counter, little-endian (cangen -D i)
 *
 *   send ID#DATA   ID##DATA: CAN FD;  isotp DATA;  listen ID;  stats;  quit */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bus/can.h"
#include "wire/isotp.h"

#define LISTENERS_MAX 1024U
#define LINE_LEN      9000U

struct probe {
    uv_loop_t loop;
    struct mg_clock *clock;
    struct mg_can *can;
    struct mg_can_channel *channel;
    struct mg_socketcan_settings set;
    struct listening {
        struct mg_can_listener listener; /* first */
        struct probe *probe;
    } listeners[LISTENERS_MAX];
    size_t n_listeners, n_many;
    uint32_t isotp_rx, isotp_tx;
    bool has_isotp, is_counting;
    uint64_t n_counted, n_missing, next_count;
    uv_poll_t input;
    char line[LINE_LEN];
    size_t line_len;
};

static void print_data(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        (void)printf("%02X", data[i]);
    }
    (void)printf("\n");
}

/* ---- Events ---- */

static void on_up(void *ctx)
{
    (void)ctx;
    (void)printf("up\n");
}

static void on_down(void *ctx, const struct mg_err *err)
{
    (void)ctx;
    (void)printf("down: %s\n", err->text);
}

static void on_state(void *ctx, const struct mg_can_status *status)
{
    (void)ctx;
    (void)printf("state %s", mg_can_state_text(status->state));
    if (status->has_counters) {
        (void)printf(" tx %u rx %u", status->tx_errors, status->rx_errors);
    }
    (void)printf("\n");
}

static void on_overrun(void *ctx, uint64_t n_lost)
{
    const struct probe *p = ctx;
    if (!p->is_counting) {
        (void)printf("overrun %" PRIu64 "\n", n_lost);
    }
}

static void count(struct probe *p, const struct mg_can_frame *frame)
{
    uint64_t number = 0;
    memcpy(&number, frame->data, sizeof number);
    if (number < p->next_count) {
        (void)printf("out of order: %" PRIu64 " after %" PRIu64 "\n", number,
                     p->next_count - 1);
    } else {
        p->n_missing += number - p->next_count;
    }
    p->next_count = number + 1;
    p->n_counted++;
}

static void on_frame(struct mg_can_listener *listener,
                     const struct mg_can_frame *frame, uint64_t arrived_ns)
{
    struct listening *l = (struct listening *)listener;
    (void)arrived_ns;
    if (l->probe->is_counting) {
        count(l->probe, frame);
        return;
    }
    (void)printf("frame %X%s%s%s ", frame->id, frame->is_extended ? "x" : "",
                 frame->is_fd ? " fd" : "", frame->is_brs ? " brs" : "");
    print_data(frame->data, frame->len);
}

static void on_done(void *ctx, int code)
{
    (void)ctx;
    (void)printf("sent: %s\n", mg_code_text(code));
}

static void on_message(void *ctx, const uint8_t *data, size_t len)
{
    (void)ctx;
    (void)printf("message %zu ", len);
    print_data(data, len);
}

static void on_message_sent(void *ctx, int code, const char *reason)
{
    (void)ctx;
    (void)printf("message sent: %s\n", code == MG_OK ? "ok" : reason);
}

static void on_message_failed(void *ctx, int code, const char *reason)
{
    (void)ctx;
    (void)printf("message failed: %s: %s\n", mg_code_text(code), reason);
}

/* ---- Reading what a person writes ---- */

/* @return the rest of the text; NULL: no identifier */
static const char *read_id(const char *text, uint32_t *ret_id,
                           bool *ret_is_extended)
{
    char *end = NULL;
    unsigned long id = strtoul(text, &end, 16);
    if (end == text || id > MG_CAN_EXTENDED_MAX) {
        return NULL;
    }
    *ret_id = (uint32_t)id;
    *ret_is_extended = *end == 'x';
    return *end == 'x' ? end + 1 : end;
}

static bool read_data(const char *text, uint8_t *ret, size_t cap,
                      size_t *ret_len)
{
    size_t len = 0;
    unsigned byte = 0;
    while (sscanf(text, "%2x", &byte) == 1) {
        if (len == cap || text[1] == '\0') {
            return false;
        }
        ret[len++] = (uint8_t)byte;
        text += 2;
    }
    *ret_len = len;
    return *text == '\0';
}

static bool listen_to(struct probe *p, const char *text)
{
    uint32_t id = 0;
    bool is_extended = false;
    const char *rest = read_id(text, &id, &is_extended);
    if (rest == NULL || *rest != '\0' || p->n_listeners == LISTENERS_MAX) {
        return false;
    }
    struct listening *l = &p->listeners[p->n_listeners++];
    l->listener.id = id;
    l->listener.is_extended = is_extended;
    l->listener.frame = on_frame;
    l->probe = p;
    return p->can == NULL || mg_can_listen(p->can, &l->listener) == MG_OK;
}

static bool send_frame(struct probe *p, const char *text)
{
    struct mg_can_frame frame = {.len = 0};
    size_t len = 0;
    const char *rest = read_id(text, &frame.id, &frame.is_extended);
    if (rest == NULL || *rest != '#') {
        return false;
    }
    frame.is_fd = rest[1] == '#';
    if (!read_data(rest + (frame.is_fd ? 2 : 1), frame.data, sizeof frame.data,
                   &len)) {
        return false;
    }
    frame.len = (uint8_t)len;
    int code = mg_can_send(p->can, &frame, on_done, p);
    if (code != MG_OK) {
        (void)printf("not sent: %s\n", mg_code_text(code));
    }
    return true;
}

static bool send_message(struct probe *p, const char *text)
{
    uint8_t data[MG_ISOTP_MAX];
    size_t len = 0;
    if (p->channel == NULL || !read_data(text, data, sizeof data, &len)) {
        return false;
    }
    int code = mg_can_channel_send(p->channel, data, len);
    if (code != MG_OK) {
        (void)printf("message not sent: %s\n", mg_code_text(code));
    }
    return true;
}

static void print_stats(const struct probe *p)
{
    const struct mg_can_stats *s = mg_can_stats(p->can);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("stats received=%" PRIu64 " foreign=%" PRIu64 " sent=%" PRIu64
                 " dropped=%" PRIu64 " overrun=%" PRIu64 " changes=%" PRIu64
                 " opens=%" PRIu64 " counted=%" PRIu64 " missing=%" PRIu64
                 " cpu_ms=%ld\n",
                 s->n_received, s->n_foreign, s->n_sent, s->n_dropped,
                 s->n_overrun, s->n_state_changes, s->n_opens, p->n_counted,
                 p->n_missing,
                 (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                     (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
}

static void stop(struct probe *p)
{
    mg_can_destroy(p->can);
    mg_can_channel_destroy(p->channel);
    mg_clock_destroy(p->clock);
    uv_close((uv_handle_t *)&p->input, NULL);
}

static void obey(struct probe *p, char *line)
{
    bool is_known = true;
    if (strncmp(line, "send ", 5) == 0) {
        is_known = send_frame(p, line + 5);
    } else if (strncmp(line, "isotp ", 6) == 0) {
        is_known = send_message(p, line + 6);
    } else if (strncmp(line, "listen ", 7) == 0) {
        is_known = listen_to(p, line + 7);
    } else if (strcmp(line, "stats") == 0) {
        print_stats(p);
    } else if (strcmp(line, "quit") == 0) {
        stop(p);
    } else {
        is_known = false;
    }
    if (!is_known) {
        (void)printf("what? %s\n", line);
    }
}

static void input_came(uv_poll_t *poll, int status, int events)
{
    struct probe *p = poll->data;
    (void)events;
    size_t room = sizeof p->line - 1 - p->line_len;
    ssize_t n = status < 0 || room == 0
                    ? 0
                    : read(STDIN_FILENO, p->line + p->line_len, room);
    if (n <= 0) {
        stop(p);
        return;
    }
    p->line_len += (size_t)n;
    p->line[p->line_len] = '\0';
    char *end = NULL;
    while (!uv_is_closing((uv_handle_t *)poll) &&
           (end = strchr(p->line, '\n')) != NULL) {
        *end = '\0';
        obey(p, p->line);
        p->line_len -= (size_t)(end + 1 - p->line);
        memmove(p->line, end + 1, p->line_len + 1);
    }
}

/* ---- Starting ---- */

static bool open_channel(struct probe *p)
{
    static const struct mg_can_channel_events events = {.message = on_message,
                                                        .sent = on_message_sent,
                                                        .failed =
                                                            on_message_failed};
    const struct mg_isotp_settings settings = {
        .tx_dl = p->set.is_fd ? MG_CAN_FD_MAX : MG_CAN_CLASSIC_MAX,
        .is_padded = true,
        .pad = 0xcc,
        .block_size = 8,
        .wait_max = 10,
        .max_len = MG_ISOTP_MAX};
    const struct mg_can_frame rx = {.id = p->isotp_rx};
    const struct mg_can_frame tx = {.id = p->isotp_tx};
    p->channel = mg_can_channel_create(p->can, &rx, &tx, &settings, &events, p);
    return p->channel != NULL;
}

static bool start(struct probe *p)
{
    static const struct mg_can_events events = {
        .up = on_up, .down = on_down, .state = on_state, .overrun = on_overrun};
    struct mg_err err;
    if (uv_loop_init(&p->loop) != 0) {
        return false;
    }
    p->clock = mg_clock_create_real(&p->loop, &err);
    if (p->clock == NULL) {
        return false;
    }
    p->can = mg_can_create(
        p->clock, mg_can_transport_socketcan(&p->loop, p->clock, &p->set),
        &events, p);
    if (p->can == NULL || (p->has_isotp && !open_channel(p))) {
        return false;
    }
    for (size_t i = 0; i < p->n_listeners; i++) {
        if (mg_can_listen(p->can, &p->listeners[i].listener) != MG_OK) {
            return false;
        }
    }
    p->input.data = p;
    return uv_poll_init(&p->loop, &p->input, STDIN_FILENO) == 0 &&
           uv_poll_start(&p->input, UV_READABLE, input_came) == 0;
}

static uint32_t number_of(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

static bool take_option(struct probe *p, int option, const char *value)
{
    char id[16];
    switch (option) {
    case 'l':
        return listen_to(p, value);
    case 'n':
        for (uint32_t i = 0; i < number_of(value); i++) {
            (void)snprintf(id, sizeof id, "%Xx", i);
            if (!listen_to(p, id)) {
                return false;
            }
        }
        return true;
    case 'm':
        p->set.is_managed = true;
        p->set.bitrate = number_of(value);
        return true;
    case 's':
        p->set.sample_point = number_of(value);
        return true;
    case 'r':
        p->set.restart_ms = number_of(value);
        return true;
    case 'f':
        p->set.is_fd = true;
        return true;
    case 'i':
        p->has_isotp = true;
        return sscanf(value, "%" SCNx32 ",%" SCNx32, &p->isotp_rx,
                      &p->isotp_tx) == 2;
    case 'c':
        p->is_counting = true;
        return true;
    default:
        return false;
    }
}

static bool take_options(struct probe *p, int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"many", required_argument, NULL, 'n'},
        {"managed", required_argument, NULL, 'm'},
        {"sample-point", required_argument, NULL, 's'},
        {"restart-ms", required_argument, NULL, 'r'},
        {"fd", no_argument, NULL, 'f'},
        {"isotp", required_argument, NULL, 'i'},
        {"count", no_argument, NULL, 'c'},
        {NULL, 0, NULL, 0}};
    int option = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!take_option(p, option, optarg)) {
            return false;
        }
    }
    if (optind != argc - 1) {
        return false;
    }
    (void)snprintf(p->set.interface, sizeof p->set.interface, "%s",
                   argv[optind]);
    return true;
}

int main(int argc, char **argv)
{
    struct probe *p = calloc(1, sizeof *p);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (p == NULL || !take_options(p, argc, argv) || !start(p)) {
        (void)fprintf(stderr, "can_probe: see the head of its source\n");
        free(p);
        return 2;
    }
    (void)uv_run(&p->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&p->loop);
    (void)printf("closed: %s\n", rc == 0 ? "ok" : uv_strerror(rc));
    free(p);
    return rc == 0 ? 0 : 1;
}
