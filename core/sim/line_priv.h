/* Inside of a line: what line*.c share.
 *
 * A port is one conversation with a client: the pty, one TCP connection, or
 * the memory line. It cuts requests out of the bytes that come, has the line
 * answer them, and lets the answers out when they are due. */
#ifndef MG_SIM_LINE_PRIV_H
#define MG_SIM_LINE_PRIV_H

#include "sim/fleet.h"
#include "sim/rng.h"

#define MG_PORT_ANSWERS 8   /* on their way at a time, per port */
#define MG_PORT_RX      512 /* at least one request of the longest kind */
#define MG_ADU_MAX      (MG_PDU_MAX + 7)
#define MG_NOISE_MAX    4 /* bytes before or after an answer */

#define MG_NS_PER_MS 1000000U

enum mg_sim_trouble {
    MG_TROUBLE_NONE,
    MG_TROUBLE_DROP,
    MG_TROUBLE_LATE,
    MG_TROUBLE_BAD_CRC,
    MG_TROUBLE_HALF_FRAME,
    MG_TROUBLE_WRONG_UNIT,
    MG_TROUBLE_NOISE,
    MG_TROUBLE_EXCEPTION,
    MG_TROUBLE_STALL
};

/* One whole request, and what the answer must refer to. */
struct mg_sim_request {
    uint8_t unit;
    uint16_t transaction; /* TCP */
    uint8_t pdu[MG_PDU_MAX];
    size_t len;
};

/* An answer on its way out; free when len is 0. */
struct mg_sim_answer {
    uint64_t due_ns;  /* when the next piece is out */
    uint64_t char_ns; /* pace; 0 = all at once */
    uint64_t order;   /* of equal dues, the first asked is first out */
    uint32_t pause_ms;
    uint16_t len, sent;
    uint16_t pause_at; /* where the pause is; 0 = nowhere */
    uint8_t adu[MG_ADU_MAX + MG_NOISE_MAX];
};

struct mg_sim_port;

struct mg_sim_port_ops {
    /** Put bytes on the wire, or lose them. The port may be closed then. */
    void (*write)(struct mg_sim_port *port, const uint8_t *data, size_t len);
    /** The client has sent nonsense; optional. */
    void (*close)(struct mg_sim_port *port);
    /** Stop and go on reading while all answers are in use; optional: what
     *  comes is lost then. */
    void (*pause)(struct mg_sim_port *port, bool is_paused);
    /** Line speed the client has set, 0 = not known; optional. */
    uint32_t (*baud)(struct mg_sim_port *port);
};

struct mg_sim_port {
    const struct mg_sim_port_ops *ops;
    struct mg_sim_line *line; /* NULL: the port is closed */
    size_t rx_len;
    uint64_t rx_since_ns; /* first byte of what is in rx */
    uint64_t busy_ns;     /* the last answer in turn is out */
    uint64_t wire_end_ns; /* last character on the wire, either way */
    uint64_t n_ordered;
    bool has_traffic, is_paused;
    struct mg_timer gap_timer, answer_timer;
    struct mg_sim_answer answers[MG_PORT_ANSWERS];
    uint8_t rx[MG_PORT_RX];
};

struct mg_sim_line_meter {
    struct mg_sim_device *device; /* owned, unless it is the optical port */
    bool is_optical;
    uint64_t added_ns, lived_ns; /* clock and its own time when added */
    uint32_t baud;               /* when added */
};

struct mg_sim_tty;
struct mg_sim_listener;
struct mg_sim_near;

struct mg_sim_line {
    uv_loop_t *loop; /* borrowed; NULL: memory only */
    struct mg_clock *clock;
    struct mg_sim_line_settings set;
    struct mg_sim_rng rng;
    char address[160];
    struct mg_sim_line_meter *meters; /* owned */
    size_t n_meters, next_meter;      /* to be brought up to date */
    struct mg_timer catch_up;
    uint64_t stalled_until_ns;
    uint64_t n_answered, n_gap_violations;
    /* The far end's kind; NULL when it is another. Each frees itself. */
    struct mg_sim_tty *tty;
    struct mg_sim_listener *listener;
    struct mg_sim_near *near;
};

/* line.c */

/** Have the meter answer; it lives up to now first.
 *  @return length of the answer, 0 = silence */
size_t mg_line_ask(struct mg_sim_line *line, size_t meter,
                   const struct mg_sim_request *request,
                   uint8_t ret[MG_PDU_MAX]);

/** The meter that listens to this address at this speed.
 *  @param baud      0 = not known
 *  @param ret_baud  the speed it answers at
 *  @return MG_OK or MG_E_NOTFOUND */
int mg_line_find(const struct mg_sim_line *line, uint8_t unit, uint32_t baud,
                 size_t *ret_meter, uint32_t *ret_baud);

/** Time of one character. */
uint64_t mg_line_char_ns(const struct mg_sim_line *line, uint32_t baud);

/** 3.5 characters, 1.75 ms above 19200 baud (Modbus over Serial Line V1.02,
 *  2.5.1.1). */
uint64_t mg_line_gap_ns(const struct mg_sim_line *line);

/** 1.5 characters, 0.75 ms above 19200 baud: a longer silence tears a frame. */
uint64_t mg_line_tear_ns(const struct mg_sim_line *line);

/* line_port.c */

void mg_port_init(struct mg_sim_port *port, struct mg_sim_line *line,
                  const struct mg_sim_port_ops *ops);

/** Forget everything; the port is closed. */
void mg_port_fini(struct mg_sim_port *port);

/** Room for bytes to come: at least 1. */
size_t mg_port_room(struct mg_sim_port *port, uint8_t **ret_at);

/** Bytes have been put there. The port may be closed then. */
void mg_port_received(struct mg_sim_port *port, size_t len);

/* line_answer.c */

/** Answer a request, if anybody does, when and how it shall be.
 *  @param arrived_ns  when its last character was on the wire */
void mg_port_answer(struct mg_sim_port *port,
                    const struct mg_sim_request *request, uint64_t arrived_ns);

bool mg_port_is_full(const struct mg_sim_port *port);

/* line_faults.c */

enum mg_sim_trouble mg_trouble_pick(const struct mg_sim_faults *faults,
                                    struct mg_sim_rng *rng);

/** Spoil a finished answer. */
void mg_trouble_apply(enum mg_sim_trouble trouble, enum mg_sim_framing framing,
                      struct mg_sim_rng *rng, struct mg_sim_answer *answer);

/* line_tty.c, line_tcp.c, line_memory.c */

int mg_line_tty_open(struct mg_sim_line *line, struct mg_err *err);
void mg_line_tty_close(struct mg_sim_line *line);
/** Now and then: throw away what no client has fetched. */
void mg_line_tty_tidy(struct mg_sim_line *line);
int mg_line_tcp_open(struct mg_sim_line *line, struct mg_err *err);
void mg_line_tcp_close(struct mg_sim_line *line);
void mg_line_memory_close(struct mg_sim_line *line);

#endif
