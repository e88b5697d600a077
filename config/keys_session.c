/* The keys of signed charging: sessions, the station, EVerest. */
#include <string.h>

#include "config/keys.h"
#include "model/ocmf_build.h"

#define FIELD(type, field)                                                     \
    .offset = offsetof(type, field), .size = sizeof(((type *)NULL)->field)
#define N_KEYS(keys) (sizeof(keys) / sizeof(keys)[0])

#define US_PER_MS 1000
#define LOSS_MAX  1000000 /* uOhm */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

/* ---- Texts with a form ---- */

/* What stands in signed records, where | ends a section and quotes and
 * backslashes would have to be escaped. */
static const char *check_identity(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~' || strchr("|\"\\", *c) != NULL) {
            return "printable ASCII without |, \" and \\";
        }
    }
    return text[0] == '\0' ? "a text that is not empty" : NULL;
}

static const char *check_module(const char *text)
{
    if (text[0] == '\0' || strlen(text) >= MG_ID_MAX ||
        text[strspn(text, LETTERS DIGITS "_-.")] != '\0') {
        return "the module id in EVerest: at most 47 letters, digits, _, - "
               "and .";
    }
    return NULL;
}

static const char *check_uri(const char *text)
{
    if (strncmp(text, "pkcs11:", strlen("pkcs11:")) != 0 ||
        strstr(text, "pin-value") != NULL) {
        return "a URI such as pkcs11:token=station;object=meter, without the "
               "PIN";
    }
    return NULL;
}

/* Only the alphabet: whether it is a key, its user says. */
static const char *check_public_key(const char *text)
{
    if (strlen(text) < 64 || text[strspn(text, LETTERS DIGITS "+/=")] != '\0') {
        return "a public key as hex or base64";
    }
    return NULL;
}

/* ---- Sections ---- */

static const struct mg_choice evse_types[] = {
    {"evseid", 0}, {"cbidc", 1}, {NULL, 0}};
static const struct mg_choice ocpp_forms[] = {
    {"base64", 0}, {"plain", 1}, {NULL, 0}};

static const struct mg_choice record_forms[] = {
    {"default", MG_OCMF_FORM_DEFAULT},
    {"chargepoint", MG_OCMF_FORM_CHARGEPOINT},
    {NULL, 0}};

static const struct mg_key session_keys[] = {
    {.name = "evse",
     .type = MG_KEY_TEXT,
     .def_text = "the meter's id",
     .check = check_identity,
     FIELD(struct mg_setup_session, evse),
     .help = "Name of the charging point in signed records."},
    {.name = "type",
     .type = MG_KEY_CHOICE,
     .def_text = "evseid",
     .choices = evse_types,
     FIELD(struct mg_setup_session, is_chargebox),
     .help = "What `evse` is: an EVSE id, or a charge box id and connector."},
    {.name = "cable_loss",
     .type = MG_KEY_INT,
     .min = 0,
     .max = LOSS_MAX,
     FIELD(struct mg_setup_session, loss_uohm),
     .help = "Resistance of the cable in uOhm per phase, whose loss is taken "
             "off the bill. Only where the station signs."},
    {.name = "form",
     .type = MG_KEY_CHOICE,
     .def_text = "default",
     .choices = record_forms,
     FIELD(struct mg_setup_session, form),
     .help = "Form of a record that the station signs: OCMF as it is usual, or "
             "as a ChargePoint Flex Series writes it."},
    {.name = "connector",
     .type = MG_KEY_INT,
     .min = 1,
     .max = 2,
     .def_text = "1; of a device with two meters, the meter's side",
     FIELD(struct mg_setup_session, connector),
     .help = "Connector of the station, seen from the front: 1 right, 2 left."},
    {.name = "current_limit",
     .type = MG_KEY_AMOUNT,
     .min = 1000,
     .max = 100000,
     .def_text = "not watched",
     .scales = mg_scales_current,
     FIELD(struct mg_setup_session, current_limit_ma),
     .help = "Current of a phase that the vehicle may draw; from 1.25 times "
             "that on the relays open. Meters of charging stations only."},
    {.name = "contactor",
     .type = MG_KEY_BOOL,
     FIELD(struct mg_setup_session, is_contactor),
     .help = "Sessions close and open the meter's relays. Meters of charging "
             "stations only."},
    {.name = "ocpp",
     .type = MG_KEY_CHOICE,
     .def_text = "base64",
     .choices = ocpp_forms,
     FIELD(struct mg_setup_session, is_ocpp_plain),
     .help = "Form of the record in the member `ocpp`."},
    {.name = "public_key",
     .type = MG_KEY_TEXT,
     .is_owned = true,
     .def_text = "any",
     .check = check_public_key,
     FIELD(struct mg_setup_session, public_key),
     .help = "The key that must have signed, hex or base64."},
    {.name = "everest",
     .type = MG_KEY_TEXT,
     .def_text = "",
     .check = check_module,
     FIELD(struct mg_setup_session, everest),
     .help = "Id of EVerest's powermeter module that this meter serves."},
};
const struct mg_section mg_section_session = {
    "session", "Charging transactions on a meter.", session_keys,
    N_KEYS(session_keys)};

static const struct mg_key pkcs11_keys[] = {
    {.name = "module",
     .type = MG_KEY_PATH,
     .is_required = true,
     FIELD(struct mg_setup_station, pkcs11_module),
     .help = "Library of the token."},
    {.name = "uri",
     .type = MG_KEY_TEXT,
     .is_owned = true,
     .is_required = true,
     .check = check_uri,
     FIELD(struct mg_setup_station, pkcs11_uri),
     .help = "Token and key, as in RFC 7512."},
    {.name = "pin_file",
     .type = MG_KEY_PATH,
     .def_text = "",
     FIELD(struct mg_setup_station, pkcs11_pin_file),
     .help = "File with the PIN in one line, for its owner only."},
};
static const struct mg_section pkcs11_section = {
    "pkcs11", "A key in a PKCS#11 token.", pkcs11_keys, N_KEYS(pkcs11_keys)};

static const struct mg_key station_keys[] = {
    {.name = "key_file",
     .type = MG_KEY_PATH,
     .def_text = "",
     FIELD(struct mg_setup_station, key_file),
     .help = "Private key, PEM, for its owner only; see `metergate key`."},
    {.name = "pkcs11",
     .type = MG_KEY_SECTION,
     .def_text = "",
     .section = &pkcs11_section,
     .help = "A key in a PKCS#11 token instead."},
    {.name = "identification",
     .type = MG_KEY_TEXT,
     .def_text = "the gateway's id",
     .check = check_identity,
     FIELD(struct mg_setup_station, identification),
     .help = "Name of the gateway in signed records (GI)."},
    {.name = "serial",
     .type = MG_KEY_TEXT,
     .def_text = "",
     .check = check_identity,
     FIELD(struct mg_setup_station, serial),
     .help = "Its serial number there (GS)."},
    {.name = "version",
     .type = MG_KEY_TEXT,
     .def_text = "metergate VERSION",
     .check = check_identity,
     FIELD(struct mg_setup_station, version),
     .help = "Its version there (GV)."},
};
const struct mg_section mg_section_station = {
    "station", "Signs for the meters that cannot; needs one kind of key.",
    station_keys, N_KEYS(station_keys)};

static const struct mg_key everest_keys[] = {
    {.name = "mqtt",
     .type = MG_KEY_SECTION,
     .def_text = "the broker of the file's `mqtt`, as client everest-ID",
     .section = &mg_section_broker,
     .help = "The broker that EVerest uses."},
    {.name = "interval",
     .type = MG_KEY_AMOUNT,
     .def = 1000,
     .min = 100,
     .max = 60000,
     .scales = mg_scales_duration,
     .step = US_PER_MS,
     FIELD(struct mg_setup_everest, interval_ms),
     .help = "Values are published at most this often."},
};
const struct mg_section mg_section_everest = {
    "everest",
    "The bridge to EVerest's powermeter API, for the meters that name a "
    "module of it.",
    everest_keys, N_KEYS(everest_keys)};
