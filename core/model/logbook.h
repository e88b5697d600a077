/* Entries of the metrological log book: what may be logged, and the exact text
 * that is hashed, chained and signed. Events and their data: ChargePoint Flex
 * operating manual, "Entrées possibles du journal". The text around them is
 * ours. Pure.
 *
 * {"n":26,"ts":"2025-04-01T06:06:13.123Z","clk":"S",
 *  "event":"MeterTestPassed","meter":"c1","data":{"udid":"WFhYWFhYWF"},
 *  "prev":"<hash of entry 25, hex>"}        in one line without blanks
 *
 * `meter` is left out when it is of the gateway, `data` when the event has
 * none. `prev` of the first entry is all zeros. The order is that of `n`, never
 * that of `ts`: clocks are set back. */
#ifndef MG_MODEL_LOGBOOK_H
#define MG_MODEL_LOGBOOK_H

#include "metergate/types.h"

/* X(id, name, data): enum mg_log_data_kind of each. */
#define MG_LOGBOOK_EVENTS(X)                                                   \
    X(SERVICE_STARTED, "EichrechtServiceStarted", NONE)                        \
    X(SERVICE_STOPPED, "EichrechtServiceStopped", NONE)                        \
    X(METER_TEST_PASSED, "MeterTestPassed", UDID)                              \
    X(METER_TEST_FAILED, "MeterTestFailed", NONE)                              \
    X(METER_DATA_CORRUPT, "MeterDataCorrupt", UDID)                            \
    X(CLOCK_SYNC, "ClockSync", NONE)                                           \
    X(CLOCK_UNSYNC, "ClockUnsync", NONE)                                       \
    X(CLOCK_CHANGED, "ClockChanged", NONE)                                     \
    X(FIRMWARE_UPDATE_REQUESTED, "FirmwareUpdateRequested", LRS_UPDATE)        \
    X(FIRMWARE_DOWNLOADED, "FirmwareDownloaded", LRS)                          \
    X(FIRMWARE_DOWNLOAD_FAILED, "FirmwareDownloadFailed", LRS)                 \
    X(FIRMWARE_INSTALLED, "FirmwareInstalled", LRS)                            \
    X(FIRMWARE_INSTALL_FAILED, "FirmwareInstallFailed", LRS)                   \
    X(CHARGING_STARTED, "ChargingStarted", SESSION)                            \
    X(CHARGING_SUSPENDED, "ChargingSuspended", SESSION)                        \
    X(CHARGING_RESUMED, "ChargingResumed", SESSION)                            \
    X(CHARGING_STOPPED, "ChargingStopped", SESSION)                            \
    X(SIGNING_KEY_INVALID, "SigningKeyInvalid", NONE)                          \
    X(METER_REPLACED, "MeterReplaced", PARAMETER)                              \
    X(STATION_ACTIVATED, "StationActivated", ACTIVATION)

enum mg_log_event {
#define X(id, name, data) MG_LOGBOOK_##id,
    MG_LOGBOOK_EVENTS(X)
#undef X
        MG_N_LOGBOOK_EVENTS
};

enum mg_log_data_kind {
    MG_LOG_DATA_NONE,
    MG_LOG_DATA_UDID,       /* udid */
    MG_LOG_DATA_LRS,        /* lrs_hash, lrs_version: what runs now; of
                             * FirmwareInstalled what ran before */
    MG_LOG_DATA_LRS_UPDATE, /* and new_lrs_version */
    MG_LOG_DATA_SESSION,    /* connector, session */
    MG_LOG_DATA_PARAMETER,  /* old_value, new_value: of the cable correction */
    MG_LOG_DATA_ACTIVATION  /* is_activated */
};

/** What an event takes; others are ignored. Texts are borrowed, NULL is the
 *  empty text, and what is too long is cut: nothing is left out of the book
 *  for its length. */
struct mg_log_data {
    const char *udid;     /* base64 of the meter's serial: cut to 10 */
    const char *lrs_hash; /* hex: cut to 10 characters */
    const char *lrs_version, *new_lrs_version; /* 32 characters */
    uint32_t connector;
    const char *session;               /* 63 */
    const char *old_value, *new_value; /* 48 */
    bool is_activated;
};

#define MG_LOG_ENTRY_MAX 1536 /* bytes of an entry's text */

struct mg_log_entry {
    int64_t number; /* 1, 2, ... */
    int64_t utc_ms;
    char clock; /* enum mg_clock_sync */
    enum mg_log_event event;
    const char *meter; /* id, 47 characters; NULL: of the gateway */
    struct mg_log_data data;
    uint8_t prev[32]; /* SHA-256 of the text of the entry before */
};

/** "EichrechtServiceStarted", ... */
const char *mg_log_event_text(enum mg_log_event event);
/** @return MG_OK or MG_E_NOTFOUND */
int mg_log_event_find(const char *name, size_t len, enum mg_log_event *ret);
enum mg_log_data_kind mg_log_event_data(enum mg_log_event event);

/** The text that is hashed and signed; not NUL-terminated. The same entry gives
 *  the same bytes.
 *  @return MG_OK; MG_E_INVAL: no such event or clock, number below 1;
 * MG_E_RANGE: a time outside 1970..9999; MG_E_NOSPC: cap is below
 * MG_LOG_ENTRY_MAX and too small */
int mg_log_entry_build(const struct mg_log_entry *entry, char *buf, size_t cap,
                       size_t *ret_len);

/** The object of `data` alone; nothing (0 bytes) when the event has none. */
int mg_log_data_build(const struct mg_log_entry *entry, char *buf, size_t cap,
                      size_t *ret_len);

/** Read an entry back; only what mg_log_entry_build writes is taken, byte for
 *  byte.
 *  @param buf  MG_LOG_ENTRY_MAX bytes, where the texts of *ret are
 *  @return MG_OK; MG_E_PROTO: not such a text */
int mg_log_entry_parse(const char *text, size_t len, char buf[MG_LOG_ENTRY_MAX],
                       struct mg_log_entry *ret);

#endif
