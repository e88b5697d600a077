/* The gateway's own structs, shared by the files of run/ only. */
#ifndef MG_RUN_GATEWAY_PRIV_H
#define MG_RUN_GATEWAY_PRIV_H

#include "base/log.h"
#include "model/check.h"
#include "model/json.h"
#include "model/points.h"
#include "run/gateway.h"
#include "run/latency.h"
#include "run/plugins.h"

#define READING_JSON_MAX 16384 /* a sample of 192 values takes 13.5 KB */
#define EVENT_JSON_MAX   4096  /* all of its texts escaped */
#define COMMAND_JSON_MAX 4096
/* Sequence numbers reserved on the disk ahead of the last stored reading; a
 * kill loses at most so many numbers, and the gap says so. */
#define SEQ_AHEAD_MIN 60

struct meter;
struct session;
struct station;
struct logbook;
struct can_meter;
struct duties;
struct seal_kept;

/* A plan is the same for all meters of one model, variant and limits. */
struct shared_plan {
    struct mg_plan plan;
    const struct mg_plugin *plugin;
    unsigned variant;
    uint16_t max_registers, max_gap;
    uint16_t probe_block; /* the cheapest live block */
};

struct line {
    struct mg_gateway *gateway;
    const struct mg_setup_bus *setup;
    struct mg_modbus *bus; /* or, of a CAN line, */
    struct mg_can *can;
    bool is_up;
    struct mg_complaint complaint, state_complaint, overrun_complaint;
    char reason[MG_ERR_TEXT];
};

/* Readings on their way into one outbox row. */
struct batch {
    char *buf; /* owned */
    size_t cap, len;
    uint32_t n;
    uint64_t first_ns; /* clock time of the oldest reading */
    uint64_t last_seq;
};

/* A sequence of numbers whose reserve is known to be on the disk. */
struct sequence {
    uint64_t last;     /* given */
    uint64_t stored;   /* newest in a row handed to the store */
    uint64_t reserved; /* asked for */
    uint64_t durable;  /* reserve known to be on the disk */
    uint64_t ticket;   /* of the reserve asked for */
};

#define TASK_ARGS_MAX   256
#define TASK_VALUES_MAX 16
#define TASK_ID_MAX     64

/* A command being carried out, see procedure.c; made when a meter gets its
 * first one. What `kept` holds survives a restart of the gateway. */
struct task {
    struct meter *meter;
    const struct mg_procedure *procedure; /* NULL: none */
    struct mg_modbus_request request;
    struct mg_timer wait;
    struct mg_timer deadline;
    enum mg_step_event next_event; /* when `wait` fires */
    struct mg_step_out out;
    struct mg_value values[TASK_VALUES_MAX];
    size_t n_values;
    uint64_t ticket; /* the SEND in `out` waits for this commit; 0 = none */
    bool is_stored, is_in_flight, is_canceled, must_resume;
    bool is_internal; /* the gateway's own: nobody is answered */
    uint8_t stage;    /* enum mg_step_stage: of an update */
    char *text;       /* owned: image of an update; NULL = none */
    size_t text_len;
    unsigned n_steps;
    struct task_kept {
        uint32_t version;
        char verb[32], id[TASK_ID_MAX];
        _Alignas(8) uint8_t state[MG_STEP_STATE_MAX];
        _Alignas(8) uint8_t args[TASK_ARGS_MAX];
        struct mg_reply_to reply_to;
        int64_t started_ms;
    } kept;
};

struct meter {
    struct mg_gateway *gateway;
    size_t index;
    const struct mg_setup_meter *setup;
    const struct shared_plan *plan;
    struct line *line;
    struct mg_modbus_unit *unit;
    uint8_t address;
    uint32_t baud; /* 0 = the line's */

    /* The poll that is going on. */
    struct mg_timer due_timer;
    uint64_t due_ns, cycle_due_ns, next_slow_ns;
    struct mg_modbus_request request;
    bool is_polling, is_probe, is_once, has_info;
    bool is_group_asked; /* the request went over the line */
    bool is_group_known; /* the meter has said what it has of the group */
    bool wants[MG_N_GROUPS];
    uint8_t group;
    uint16_t block;
    unsigned n_blocks_ok, n_blocks_bad;
    unsigned n_silent[MG_N_GROUPS]; /* tries in a row */
    char trouble[128];              /* first trouble of this poll */
    struct mg_sample sample;        /* being read */
    struct mg_sample *live; /* newest good live sample; owned, on demand */

    enum mg_meter_state state;
    char reason[128];
    unsigned n_failed, n_incomplete; /* polls in a row */
    struct mg_complaint complaint, quality_complaint, check_complaint;
    struct mg_check_state check;
    bool is_clear_expected; /* a command that clears was sent since the last
                             * counters */
    bool is_check_dirty;
    uint64_t next_save_ns; /* of `check` */
    struct sequence seq;
    struct batch batch;
    uint64_t n_polls, n_good, n_missed;
    char serial[32];
    struct task *task;       /* owned, on demand */
    struct session *session; /* owned; NULL: cannot have one */
    uint16_t ocmf_version;   /* major << 8 | minor; 0 = not known */

    /* Within a charging station. */
    struct can_meter *can;  /* owned; NULL: on Modbus */
    struct duties *duties;  /* owned; NULL: none */
    struct seal_kept *seal; /* owned; NULL: as on the disk */
    bool must_seal;         /* as soon as it can be asked */
    uint64_t seal_again_ns; /* not before */
    char udid[96];          /* base64 of serial and part number, or "" */
    char part_number[32], lrs_version[16];
    uint8_t lrs_hash[32]; /* of the meter's software */
    bool has_lrs_hash;
};

struct mg_gateway {
    uv_loop_t *loop;
    struct mg_clock *clock;
    const struct mg_setup *setup;
    struct mg_store *store;
    struct mg_sink *sink;
    struct mg_gateway_settings settings;
    size_t n_lines, n_meters, n_plans;
    struct line *lines;         /* owned */
    struct meter *meters;       /* owned */
    struct shared_plan **plans; /* owned */
    struct mg_timer flush_timer;
    uint64_t event_number;
    uint64_t last_ticket, durable_ticket; /* asked for; on the disk */
    bool is_loaded; /* what is kept on the disk was read and reserved */
    bool is_running, is_stopped, has_disk_trouble;
    uint64_t n_readings, n_unstored;
    struct mg_complaint disk_complaint, link_complaint;
    struct {
        uint64_t since_ms;
        unsigned n;
    } refusals; /* of this minute */
    struct mg_latency latency;
    char epoch[17];
    struct station *station;            /* owned; NULL: none configured */
    struct mg_clock_watch *clock_watch; /* owned; NULL: none */
    struct logbook *logbook;      /* owned; NULL: no store; run/logbook.h */
    struct mg_ocmf *ocmf;         /* owned; the record being looked at */
    struct mg_datasets *datasets; /* owned; opened on demand */
    const struct mg_gateway_observer *bridge; /* NULL: none */
    void *bridge_ctx;
};

/* poller.c */
void mg_poller_start(struct meter *meter, uint64_t first_ns);
void mg_poller_stop(struct meter *meter);
void mg_poller_once(struct meter *meter);
void mg_poller_now(struct meter *meter); /* a live poll out of turn */

/* meter_state.c */
void mg_meter_answered(struct meter *meter, bool is_complete,
                       const char *reason);
void mg_meter_failed(struct meter *meter, const char *reason);
void mg_meter_retain(struct meter *meter, const char *leaf, const char *payload,
                     size_t len, int qos); /* m/<meter>/<leaf> */
void mg_meter_publish_info(struct meter *meter);
void mg_meter_publish_availability(struct meter *meter);

/* pipeline.c: a sample of one group is complete. */
void mg_pipeline_sample(struct meter *meter, struct mg_sample *sample);
void mg_pipeline_flush(struct meter *meter);
void mg_pipeline_flush_old(struct mg_gateway *gateway);

/* sequence.c */
void mg_sequence_load(struct meter *meter);
uint64_t mg_sequence_next(struct meter *meter);
void mg_sequence_stored(struct meter *meter);
void mg_sequence_clean(struct meter *meter);
void mg_sequence_durable(struct mg_gateway *gateway, uint64_t ticket);

/* event.c: `members` are more members of the object, or NULL. */
void mg_event(struct mg_gateway *gateway, struct meter *meter,
              enum mg_log_level level, const char *event, const char *members,
              const char *format, ...) __attribute__((format(printf, 6, 7)));

/* meter_memory.c: what a meter keeps across restarts. */
void mg_memory_key(const struct meter *meter, const char *kind,
                   char ret_key[MG_STORE_KEY_MAX]);
void mg_memory_load(struct meter *meter);
void mg_memory_save_check(struct meter *meter);
void mg_memory_save_place(struct meter *meter);

/* event.c */
void mg_event_load(struct mg_gateway *gateway);

/* command.c: commands from the sink, and their answers. Refused ones are
 * always answered, but not always reported: see mg_refusal_is_reported. */
bool mg_refusal_is_reported(struct mg_gateway *gateway);
bool mg_command_is_envelope(const struct mg_json_member *member);
void mg_command_put_head(struct mg_json *j, const struct mg_gateway *gateway,
                         const char *meter, const char *verb, const char *id,
                         bool is_ok); /* opens the object */
void mg_command_put_error(struct mg_json *j, int code, const char *reason);
void mg_command_send(struct mg_gateway *gateway, const struct mg_reply_to *to,
                     const struct mg_json *j);
void mg_command_receive(struct mg_gateway *gateway,
                        const struct mg_command *command);
void mg_command_finish(struct task *task, int code, const char *reason);

/* session*.c: charging transactions; see session_priv.h. */
int mg_session_verb_find(const char *verb); /* or -1 */
int mg_session_command(struct meter *meter, const struct mg_command *command,
                       const char *id, struct mg_err *err);
void mg_session_load(struct meter *meter);
void mg_session_stop(struct meter *meter);
void mg_session_free(struct meter *meter);
void mg_session_sample(struct meter *meter, const struct mg_sample *sample);
void mg_session_meter_answered(struct meter *meter);
void mg_session_meter_lost(struct meter *meter);
void mg_session_durable(struct mg_gateway *gateway);
/** A signed telegram that answers the session's own challenge has come. */
void mg_session_telegram(struct meter *meter, const struct mg_value *energy);
/** What is billed is not to be trusted from here on. */
void mg_session_fault(struct meter *meter, const char *why);
/** Transaction that is going on; NULL: none. */
const char *mg_session_transaction(const struct meter *meter);
/* For procedure.c. */
void mg_session_resume_op(struct meter *meter, const struct task *task);
const char *mg_session_dataset_text(struct meter *meter, size_t *ret_len);
void mg_session_chunk(struct meter *meter, enum mg_chunk_kind kind,
                      const uint8_t *chunk, size_t len);
void mg_session_op_done(struct task *task, int code, const char *reason);

/* procedure.c: runs the step functions of drivers. */
struct task *mg_task_of(struct meter *meter); /* made if need be; or NULL */
void mg_task_free(struct meter *meter);
/** Run a command of the gateway's own; what comes of it is told by
 *  mg_duties_done. @return MG_OK; MG_E_BUSY; MG_E_NOSUP; MG_E_NOMEM */
int mg_procedure_run(struct meter *meter, const char *verb, const void *args,
                     size_t args_len);
/** Send to the meter, on whatever bus; as mg_modbus_submit. */
int mg_meter_submit(struct meter *meter, struct mg_modbus_request *request);
const struct mg_procedure *mg_procedure_find(const struct meter *meter,
                                             const char *verb);
void mg_procedure_start(struct task *task, enum mg_step_event event);
void mg_procedure_durable(struct mg_gateway *gateway, uint64_t ticket);
/** A command that clears registers is going on. */
bool mg_procedure_is_clearing(const struct meter *meter);
/** Answer a command that has not had an effect yet: the gateway stops. */
void mg_procedure_cancel(struct meter *meter);
/** Nothing is sent any more. What had an effect is resumed after a start. */
void mg_procedure_stop(struct meter *meter);
void mg_procedure_load(struct meter *meter);

#endif
