#include "cli/verify_fields.h"

#include <string.h>

static const struct field_value LEVELS[] = {
    {"NONE", "no user was assigned"},
    {"HEARSAY", "not secured: read from an RFID card's number, for one"},
    {"TRUSTED", "can be trusted to some degree, without certainty"},
    {"VERIFIED", "verified by the signing component"},
    {"CERTIFIED", "verified with a certificate by the signing component"},
    {"SECURE", "by a secure feature of the authorisation"},
    {"MISMATCH", "error: the identifications do not match"},
    {"INVALID", "error: the certificate is not right"},
    {"OUTDATED", "error: the certificate has expired"},
    {"UNKNOWN", "error: the certificate cannot be checked"},
    {NULL, NULL}};

static const struct field_value ID_TYPES[] = {
    {"NONE", "no assignment"},
    {"DENIED", "withheld, for two-factor for one"},
    {"UNDEFINED", "of no known type"},
    {"ISO14443", "RFID card, 4 or 7 bytes"},
    {"ISO15693", "RFID card, 8 bytes"},
    {"EMAID", "electro-mobility account, 14 or 15 characters"},
    {"EVCCID", "id of the vehicle, 6 bytes"},
    {"EVCOID", "contract of the vehicle, DIN 91286"},
    {"ISO7812", "credit or bank card"},
    {"CARD_TXN_NR", "number of a card transaction"},
    {"CENTRAL", "made by the back end, for one for a remote start"},
    {"CENTRAL_1", "made by the back end, by SMS"},
    {"CENTRAL_2", "made by the back end, by its operator"},
    {"LOCAL", "made by the charge point"},
    {"LOCAL_1", "made by the charge point, of its own"},
    {"LOCAL_2", "made by the charge point, for other cases"},
    {"PHONE_NUMBER", "international phone number"},
    {"KEY_CODE", "a key code of the user"},
    {NULL, NULL}};

static const struct field_value ID_FLAGS[] = {
    {"RFID_NONE", "no assignment by RFID"},
    {"RFID_PLAIN", "number of an RFID card"},
    {"RFID_RELATED", "related RFID card, not secured"},
    {"RFID_PSK", "RFID with a secret key"},
    {"OCPP_NONE", "no assignment by OCPP"},
    {"OCPP_RS", "OCPP remote start, not secured"},
    {"OCPP_AUTH", "OCPP authorisation, not secured"},
    {"OCPP_RS_TLS", "OCPP remote start over TLS"},
    {"OCPP_AUTH_TLS", "OCPP authorisation over TLS"},
    {"OCPP_CACHE", "OCPP authorisation cache"},
    {"OCPP_WHITELIST", "OCPP local list"},
    {"OCPP_CERTIFIED", "OCPP with a certificate of the back end"},
    {"ISO15118_NONE", "no assignment by ISO 15118"},
    {"ISO15118_PNC", "plug and charge"},
    {"PLMN_NONE", "no assignment by phone"},
    {"PLMN_RING", "by a call"},
    {"PLMN_SMS", "by SMS"},
    {NULL, NULL}};

static const struct field_value POINT_TYPES[] = {
    {"EVSEID", "EVSE id"},
    {"CBIDC", "charge box id and connector"},
    {NULL, NULL}};

static const struct field_value MARKS[] = {
    {"B", "begin of the transaction"},
    {"C", "charging: a reading in between"},
    {"X", "exception: values are not usable from here on"},
    {"E", "end, for no more exact reason"},
    {"L", "end, at the charge point"},
    {"R", "end, from remote"},
    {"A", "end, aborted by an error"},
    {"P", "end, by power loss"},
    {"S", "suspended: charging pauses"},
    {"T", "tariff change"},
    {"r", "outside the table: end from remote, as WM3M4 meters write it"},
    {NULL, NULL}};

static const struct field_value STATES[] = {{"N", "not present"},
                                            {"G", "good"},
                                            {"T", "time-out"},
                                            {"D", "disconnected"},
                                            {"R", "not found, removed"},
                                            {"M", "manipulated"},
                                            {"X", "exchanged"},
                                            {"I", "incompatible"},
                                            {"O", "out of range"},
                                            {"S", "substitute value"},
                                            {"E", "other error"},
                                            {"F", "reading error"},
                                            {NULL, NULL}};

static const struct field_value UNITS[] = {{"kWh", "kilowatt hours"},
                                           {"Wh", "watt hours"},
                                           {"mOhm", "milliohms"},
                                           {"uOhm", "microohms"},
                                           {NULL, NULL}};
static const struct field_value CURRENTS[] = {
    {"AC", "alternating current"}, {"DC", "direct current"}, {NULL, NULL}};
static const struct field_value ERRORS[] = {
    {"", "no error"},
    {"E", "the energy is not usable"},
    {"t", "the time is not usable"},
    {"Et", "neither energy nor time is usable"},
    {NULL, NULL}};
static const struct field_value ENCODINGS[] = {
    {"hex", "hexadecimal, the default"}, {"base64", "base64"}, {NULL, NULL}};
static const struct field_value TYPES[] = {
    {"application/x-der", "DER of ASN.1, the default"}, {NULL, NULL}};
static const struct field_value ALGORITHMS[] = {
    {"ECDSA-secp192k1-SHA256", "192 bits"},
    {"ECDSA-secp256k1-SHA256", "256 bits"},
    {"ECDSA-secp192r1-SHA256", "192 bits"},
    {"ECDSA-secp256r1-SHA256", "256 bits, the default"},
    {"ECDSA-brainpool256r1-SHA256", "256 bits"},
    {"ECDSA-secp384r1-SHA256", "384 bits"},
    {"ECDSA-brainpool384r1-SHA256", "384 bits"},
    {NULL, NULL}};
static const struct field_value TRUTH[] = {{"true", "a user was assigned"},
                                           {"false", "no user was assigned"},
                                           {NULL, NULL}};

#define PAYLOAD(name, meaning, table, values)                                  \
    {                                                                          \
        FIELD_PAYLOAD, (name), (meaning), (table), (values)                    \
    }
#define READING(name, meaning, table, values)                                  \
    {                                                                          \
        FIELD_READING, (name), (meaning), (table), (values)                    \
    }
#define CABLE(name, meaning, table, values)                                    \
    {                                                                          \
        FIELD_CABLE, (name), (meaning), (table), (values)                      \
    }
#define SIGNATURE(name, meaning, table, values)                                \
    {                                                                          \
        FIELD_SIGNATURE, (name), (meaning), (table), (values)                  \
    }

static const struct field FIELDS[] = {
    PAYLOAD("FV", "version of the format", "General information", NULL),
    PAYLOAD("GI", "gateway: maker and model", "General information", NULL),
    PAYLOAD("GS", "gateway: serial number", "General information", NULL),
    PAYLOAD("GV", "gateway: software version", "General information", NULL),
    PAYLOAD("PG",
            "pagination: counter of transactions (T) or fiscal readings (F), "
            "one more for each record",
            "Pagination", NULL),
    PAYLOAD("MV", "meter: maker", "Meter identification", NULL),
    PAYLOAD("MM", "meter: model", "Meter identification", NULL),
    PAYLOAD("MS", "meter: serial number", "Meter identification", NULL),
    PAYLOAD("MF", "meter: firmware version", "Meter identification", NULL),
    PAYLOAD("IS", "was a user assigned?", "User assignment", TRUTH),
    PAYLOAD("IL", "how sure the assignment is", "User assignment", LEVELS),
    PAYLOAD("IF", "how the assignment was made", "User assignment", ID_FLAGS),
    PAYLOAD("IT", "type of the user's id", "User assignment", ID_TYPES),
    PAYLOAD("ID", "the user's id", "User assignment", NULL),
    PAYLOAD("TT", "tariff text, at most 250 characters", "User assignment",
            NULL),
    PAYLOAD("CF", "charge controller: firmware version", "EVSE parameters",
            NULL),
    PAYLOAD("LC", "loss compensation: the cable", "EVSE parameters", NULL),
    PAYLOAD("CT", "type of the charge point's id", "Charge point assignment",
            POINT_TYPES),
    PAYLOAD("CI", "the charge point's id", "Charge point assignment", NULL),
    PAYLOAD("RD", "readings", "Readings", NULL),
    READING("TM", "time, UTC offset and clock state", "Readings, time", NULL),
    READING("TX", "place in the transaction; absent: fiscal", "Readings",
            MARKS),
    READING("RV", "value; its digits are those that are valid", "Readings",
            NULL),
    READING("RI", "register, OBIS code", "Readings; reserved codes: table 25",
            NULL),
    READING("RU", "unit of the value", "Readings, units", UNITS),
    READING("RT", "kind of current", "Readings", CURRENTS),
    READING("CL",
            "cumulated loss that was taken off the value, in its unit; 0 at "
            "the begin",
            "Readings", NULL),
    READING("EF", "what is not usable", "Readings, error flags", ERRORS),
    READING("ST", "state of the meter", "Readings, status", STATES),
    READING("EI", "event counter, until version 0.4", "Readings", NULL),
    CABLE("LN", "name of the cable", "Loss compensation", NULL),
    CABLE("LI", "number of the cable", "Loss compensation", NULL),
    CABLE("LR", "resistance of the cable", "Loss compensation", NULL),
    CABLE("LU", "unit of the resistance", "Loss compensation", UNITS),
    SIGNATURE("SA", "algorithm", "Signature; table 22", ALGORITHMS),
    SIGNATURE("SE", "encoding of the signature", "Signature", ENCODINGS),
    SIGNATURE("SM", "form of the signature", "Signature", TYPES),
    SIGNATURE("SD", "the signature", "Signature", NULL),
};

const struct field *field_find(enum field_scope scope, const char *name,
                               size_t len)
{
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        if (FIELDS[i].scope == scope && strlen(FIELDS[i].name) == len &&
            memcmp(FIELDS[i].name, name, len) == 0) {
            return &FIELDS[i];
        }
    }
    return NULL;
}

const char *field_value_meaning(const struct field *field, const char *value,
                                size_t len)
{
    for (const struct field_value *v = field->values;
         v != NULL && v->value != NULL; v++) {
        if (strlen(v->value) == len && memcmp(v->value, value, len) == 0) {
            return v->meaning;
        }
    }
    return NULL;
}
