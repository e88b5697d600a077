#include "model/channel.h"

#include <string.h>

#define N_PERIODS  (MG_PERIOD_PREVIOUS(MG_N_MONTHS) + 1)
#define PHASE_STEP 20 /* from a total's C to those of L1, L2, L3 */

struct text {
    const char *s;
    size_t len;
};
#define TEXT(literal)                                                          \
    {                                                                          \
        literal, sizeof(literal) - 1                                           \
    }

static const struct {
    struct text key;
    enum mg_unit unit;
    enum mg_kind kind;
} QUANTITIES[MG_N_QUANTITIES] = {
#define X(id, key, unit, kind) {TEXT(key), MG_UNIT_##unit, MG_KIND_##kind},
    MG_QUANTITIES(X)
#undef X
};

static const struct {
    struct text suffix;
    unsigned decimals;
} UNITS[] = {
    [MG_UNIT_MWH] = {TEXT("wh"), 3},    [MG_UNIT_MVARH] = {TEXT("varh"), 3},
    [MG_UNIT_MVAH] = {TEXT("vah"), 3},  [MG_UNIT_MW] = {TEXT("w"), 3},
    [MG_UNIT_MVAR] = {TEXT("var"), 3},  [MG_UNIT_MVA] = {TEXT("va"), 3},
    [MG_UNIT_MV] = {TEXT("v"), 3},      [MG_UNIT_MA] = {TEXT("a"), 3},
    [MG_UNIT_MHZ] = {TEXT("hz"), 3},    [MG_UNIT_MDEGC] = {TEXT("degc"), 3},
    [MG_UNIT_PF] = {TEXT(""), 4},       [MG_UNIT_CDEG] = {TEXT("deg"), 2},
    [MG_UNIT_CPCT] = {TEXT("pct"), 2},  [MG_UNIT_COUNT] = {TEXT(""), 0},
    [MG_UNIT_BOOL] = {TEXT(""), 0},     [MG_UNIT_BITS] = {TEXT(""), 0},
    [MG_UNIT_SECONDS] = {TEXT("s"), 0}, [MG_UNIT_UNIX_S] = {TEXT("s"), 0},
    [MG_UNIT_TEXT] = {TEXT(""), 0},
};
#define N_UNITS (sizeof UNITS / sizeof UNITS[0])

static const struct text PHASES[] = {TEXT(""), TEXT("l1"), TEXT("l2"),
                                     TEXT("l3"), TEXT("n")};

/* Phases a quantity can have: the values are the highest one. */
enum { ONLY_TOTAL = MG_PHASE_TOTAL, TO_L3 = MG_PHASE_L3, TO_N = MG_PHASE_N };

/* OBIS value groups A, C, D, E (IEC 62056-61; DLMS UA Blue Book, part 1), B is
 * 0. C is that of the total; L1, L2, L3 are 20, 40, 60 further on. D of an
 * energy is that of the register since ever, its E is the tariff.
 *
 * Manufacturer-specific, because the standard has no code or none for this
 * meaning: C 128 (148, 168, 188) reactive energy |+R|+|-R|; 129 (149, 169, 189)
 * net reactive power; 130 (150, 170, 190) voltage between phases L1-L2, L2-L3,
 * L3-L1; 131 angle between voltage and current of the whole meter; abstract 132
 * bus address, 133 line speed, 134 pulse counter, 135 what a meter that signs
 * keeps of a charging transaction: D 0 states and counts, 1 times, 2 energies;
 * 136 of a meter within a charging station: D 0 legally relevant software, 1
 * the station's fault line, 2 starts.
 */
static const struct {
    uint8_t a, c, d, e, last_phase;
} OBIS[MG_N_QUANTITIES] = {
    [MG_Q_VOLTAGE] = {1, 12, 7, 0, TO_N},
    [MG_Q_VOLTAGE_LL] = {1, 130, 7, 0, TO_L3},
    [MG_Q_CURRENT] = {1, 11, 7, 0, TO_N},
    [MG_Q_POWER_ACTIVE] = {1, 16, 7, 0, TO_L3},
    [MG_Q_POWER_REACTIVE] = {1, 129, 7, 0, TO_L3},
    [MG_Q_POWER_APPARENT] = {1, 9, 7, 0, TO_L3},
    [MG_Q_POWER_FACTOR] = {1, 13, 7, 0, TO_L3},
    [MG_Q_FREQUENCY] = {1, 14, 7, 0, ONLY_TOTAL},
    [MG_Q_PHASE_ANGLE] = {1, 131, 7, 0, TO_L3},
    [MG_Q_THD_VOLTAGE] = {1, 12, 7, 124, TO_N},
    [MG_Q_THD_CURRENT] = {1, 11, 7, 124, TO_N},
    [MG_Q_DEMAND_APPARENT] = {1, 9, 4, 0, TO_L3},
    [MG_Q_TEMPERATURE] = {0, 96, 9, 0, ONLY_TOTAL},
    [MG_Q_ENERGY_ACTIVE] = {1, 15, 8, 0, TO_L3},
    [MG_Q_ENERGY_ACTIVE_IMPORT] = {1, 1, 8, 0, TO_L3},
    [MG_Q_ENERGY_ACTIVE_EXPORT] = {1, 2, 8, 0, TO_L3},
    [MG_Q_ENERGY_REACTIVE] = {1, 128, 8, 0, TO_L3},
    [MG_Q_ENERGY_REACTIVE_IMPORT] = {1, 3, 8, 0, TO_L3},
    [MG_Q_ENERGY_REACTIVE_EXPORT] = {1, 4, 8, 0, TO_L3},
    [MG_Q_ENERGY_APPARENT] = {1, 9, 8, 0, TO_L3},
    [MG_Q_PULSES] = {0, 134, 8, 0, ONLY_TOTAL},
    [MG_Q_RELAY_CLOSED] = {0, 96, 3, 10, ONLY_TOTAL},
    [MG_Q_DIGITAL_INPUT] = {0, 96, 3, 1, ONLY_TOTAL},
    [MG_Q_ERROR_WORD] = {0, 97, 97, 0, ONLY_TOTAL},
    [MG_Q_METER_CLOCK] = {0, 1, 0, 0, ONLY_TOTAL},
    [MG_Q_BUS_ADDRESS] = {0, 132, 0, 0, ONLY_TOTAL},
    [MG_Q_BAUD] = {0, 133, 0, 0, ONLY_TOTAL},
    [MG_Q_SERIAL] = {0, 96, 1, 0, ONLY_TOTAL},
    [MG_Q_MODEL] = {0, 96, 1, 1, ONLY_TOTAL},
    [MG_Q_VERSION] = {0, 0, 2, 0, ONLY_TOTAL},
    [MG_Q_SESSION_STATE] = {0, 135, 0, 0, ONLY_TOTAL},
    [MG_Q_SIGNATURE_STATUS] = {0, 135, 0, 1, ONLY_TOTAL},
    [MG_Q_SIGNATURES] = {0, 135, 0, 2, ONLY_TOTAL},
    [MG_Q_FISCAL_READINGS] = {0, 135, 0, 3, ONLY_TOTAL},
    [MG_Q_TARIFF_CHANGES] = {0, 135, 0, 4, ONLY_TOTAL},
    [MG_Q_INTERMEDIATE_READINGS] = {0, 135, 0, 5, ONLY_TOTAL},
    [MG_Q_CLOCK_STATUS] = {0, 135, 0, 6, ONLY_TOTAL},
    [MG_Q_SIGNATURE_ALGORITHM] = {0, 135, 0, 7, ONLY_TOTAL},
    [MG_Q_OCMF_VERSION] = {0, 135, 0, 8, ONLY_TOTAL},
    [MG_Q_SESSION_DURATION] = {0, 135, 1, 0, ONLY_TOTAL},
    [MG_Q_START_TIME] = {0, 135, 1, 1, ONLY_TOTAL},
    [MG_Q_STOP_TIME] = {0, 135, 1, 2, ONLY_TOTAL},
    [MG_Q_TARIFF_TIME] = {0, 135, 1, 3, ONLY_TOTAL},
    [MG_Q_INTERMEDIATE_TIME] = {0, 135, 1, 4, ONLY_TOTAL},
    [MG_Q_FISCAL_TIME] = {0, 135, 1, 5, ONLY_TOTAL},
    [MG_Q_HOLD_TIME] = {0, 135, 1, 6, ONLY_TOTAL},
    [MG_Q_SUSPEND_TIME] = {0, 135, 1, 7, ONLY_TOTAL},
    [MG_Q_SESSION_ENERGY] = {0, 135, 2, 0, ONLY_TOTAL},
    [MG_Q_START_ENERGY] = {0, 135, 2, 1, ONLY_TOTAL},
    [MG_Q_STOP_ENERGY] = {0, 135, 2, 2, ONLY_TOTAL},
    [MG_Q_TARIFF_ENERGY] = {0, 135, 2, 3, ONLY_TOTAL},
    [MG_Q_INTERMEDIATE_ENERGY] = {0, 135, 2, 4, ONLY_TOTAL},
    [MG_Q_FISCAL_ENERGY] = {0, 135, 2, 5, ONLY_TOTAL},
    [MG_Q_HOLD_ENERGY] = {0, 135, 2, 6, ONLY_TOTAL},
    [MG_Q_SUSPEND_ENERGY] = {0, 135, 2, 7, ONLY_TOTAL},
    [MG_Q_PART_NUMBER] = {0, 96, 1, 2, ONLY_TOTAL},
    [MG_Q_UDID] = {0, 96, 1, 3, ONLY_TOTAL},
    [MG_Q_LRS_VERSION] = {0, 136, 0, 0, ONLY_TOTAL},
    [MG_Q_LRS_HASH] = {0, 136, 0, 1, ONLY_TOTAL},
    [MG_Q_EVSE_FAULT] = {0, 136, 1, 0, ONLY_TOTAL},
    [MG_Q_BOOTS] = {0, 136, 2, 0, ONLY_TOTAL},
    [MG_Q_PULSES_EXPORT] = {0, 134, 8, 1, ONLY_TOTAL},
    [MG_Q_TEMPERATURE_AMBIENT] = {0, 96, 9, 1, ONLY_TOTAL},
    [MG_Q_SOFTWARE_HASH] = {0, 136, 0, 2, ONLY_TOTAL},
};

/* C of the neutral conductor, and the angle of I to U of one phase: C 81 with
 * E = 10 * (voltage's number) + current's number. */
#define C_NEUTRAL_CURRENT 91
#define C_NEUTRAL_VOLTAGE 92
#define C_ANGLE           81
static const uint8_t ANGLE_E[] = {0, 4, 15, 26};
#define D_BILLING_PERIOD 9

/* Registers of energy have tariffs and billing periods; the readings that a
 * transaction has kept of them do not. */
static bool is_register(enum mg_quantity q)
{
    enum mg_unit unit = QUANTITIES[q].unit;
    return QUANTITIES[q].kind == MG_KIND_COUNTER &&
           (unit == MG_UNIT_MWH || unit == MG_UNIT_MVARH ||
            unit == MG_UNIT_MVAH);
}

bool mg_channel_exists(mg_channel channel)
{
    enum mg_quantity q = mg_channel_quantity(channel);
    unsigned tariff = mg_channel_tariff(channel);
    unsigned period = mg_channel_period(channel);
    if (q >= MG_N_QUANTITIES || (channel & 0xff) != 0 ||
        mg_channel_phase(channel) > OBIS[q].last_phase) {
        return false;
    }
    if (!is_register(q)) {
        return tariff == 0 && period == MG_PERIOD_EVER;
    }
    return tariff <= MG_N_TARIFFS && period < N_PERIODS;
}

enum mg_unit mg_channel_unit(mg_channel channel)
{
    enum mg_quantity q = mg_channel_quantity(channel);
    return q < MG_N_QUANTITIES ? QUANTITIES[q].unit : MG_UNIT_COUNT;
}

enum mg_kind mg_channel_kind(mg_channel channel)
{
    enum mg_quantity q = mg_channel_quantity(channel);
    if (q >= MG_N_QUANTITIES) {
        return MG_KIND_STATE;
    }
    if (is_register(q) && mg_channel_period(channel) != MG_PERIOD_EVER) {
        return MG_KIND_AMOUNT;
    }
    return QUANTITIES[q].kind;
}

unsigned mg_unit_decimals(enum mg_unit unit)
{
    return unit < N_UNITS ? UNITS[unit].decimals : 0;
}

const char *mg_unit_suffix(enum mg_unit unit)
{
    return unit < N_UNITS ? UNITS[unit].suffix.s : "";
}

static char *put(char *to, struct text text)
{
    memcpy(to, text.s, text.len);
    return to + text.len;
}

static char *put_part(char *to, struct text text)
{
    if (text.len == 0) {
        return to;
    }
    *to++ = '_';
    return put(to, text);
}

/* n < 1000 */
static char *put_number(char *to, unsigned n)
{
    if (n >= 100) {
        *to++ = (char)('0' + n / 100);
    }
    if (n >= 10) {
        *to++ = (char)('0' + n / 10 % 10);
    }
    *to++ = (char)('0' + n % 10);
    return to;
}

static char *put_period(char *to, unsigned period)
{
    static const struct text MONTH = TEXT("month");
    if (period == MG_PERIOD_EVER) {
        return to;
    }
    if (period == MG_PERIOD_CURRENT) {
        return put_part(to, MONTH);
    }
    *to++ = '_';
    *to++ = 'm';
    return put_number(to, period - MG_PERIOD_CURRENT);
}

int mg_channel_key(mg_channel channel, char ret_key[MG_CHANNEL_KEY_MAX])
{
    if (!mg_channel_exists(channel)) {
        return MG_E_RANGE;
    }
    enum mg_quantity q = mg_channel_quantity(channel);
    unsigned tariff = mg_channel_tariff(channel);
    char *to = put(ret_key, QUANTITIES[q].key);
    to = put_part(to, PHASES[mg_channel_phase(channel)]);
    if (tariff != 0) {
        *to++ = '_';
        *to++ = 't';
        *to++ = (char)('0' + tariff);
    }
    to = put_period(to, mg_channel_period(channel));
    to = put_part(to, UNITS[QUANTITIES[q].unit].suffix);
    *to = '\0';
    return MG_OK;
}

/* Skip "_<part>" when it comes next and the part ends there. */
static bool take_part(const char **at, const char *part, size_t len)
{
    if (len == 0 || (*at)[0] != '_' || strncmp(*at + 1, part, len) != 0) {
        return false;
    }
    char next = (*at)[1 + len];
    if (next != '\0' && next != '_') {
        return false;
    }
    *at += 1 + len;
    return true;
}

/* Skip "_<letter><number>" when it comes next. @return 0: it does not */
static unsigned take_number(const char **at, char letter)
{
    const char *s = *at;
    if (s[0] != '_' || s[1] != letter || s[2] < '1' || s[2] > '9') {
        return 0;
    }
    unsigned n = (unsigned)(s[2] - '0');
    s += 3;
    if (*s >= '0' && *s <= '9') {
        n = n * 10 + (unsigned)(*s++ - '0');
    }
    *at = s;
    return n;
}

/* The parts behind the quantity's key, in the order mg_channel_key writes. */
static mg_channel parse_parts(enum mg_quantity q, const char *at)
{
    unsigned phase = MG_PHASE_TOTAL;
    for (unsigned p = MG_PHASE_L1; p <= MG_PHASE_N; p++) {
        if (take_part(&at, PHASES[p].s, PHASES[p].len)) {
            phase = p;
            break;
        }
    }
    unsigned tariff = take_number(&at, 't');
    unsigned period = MG_PERIOD_EVER;
    if (take_part(&at, "month", sizeof "month" - 1)) {
        period = MG_PERIOD_CURRENT;
    } else {
        unsigned n = take_number(&at, 'm');
        period = n == 0 ? MG_PERIOD_EVER : MG_PERIOD_PREVIOUS(n);
    }
    return MG_CHANNEL(q, phase, tariff & 0xf, period);
}

int mg_channel_from_key(const char *key, mg_channel *ret_channel)
{
    for (unsigned q = 0; q < MG_N_QUANTITIES; q++) {
        struct text name = QUANTITIES[q].key;
        if (strncmp(key, name.s, name.len) != 0) {
            continue;
        }
        mg_channel c = parse_parts((enum mg_quantity)q, key + name.len);
        /* Writing it again leaves no way for a second spelling. */
        char again[MG_CHANNEL_KEY_MAX];
        if (mg_channel_key(c, again) == MG_OK && strcmp(key, again) == 0) {
            *ret_channel = c;
            return MG_OK;
        }
    }
    return MG_E_NOTFOUND;
}

static unsigned obis_c(enum mg_quantity q, unsigned phase)
{
    if (phase == MG_PHASE_N) {
        return OBIS[q].c == 11 ? C_NEUTRAL_CURRENT : C_NEUTRAL_VOLTAGE;
    }
    if (q == MG_Q_PHASE_ANGLE && phase != MG_PHASE_TOTAL) {
        return C_ANGLE;
    }
    return OBIS[q].c + PHASE_STEP * phase;
}

static unsigned obis_e(enum mg_quantity q, mg_channel channel)
{
    if (q == MG_Q_PHASE_ANGLE) {
        return ANGLE_E[mg_channel_phase(channel)];
    }
    return OBIS[q].e + mg_channel_tariff(channel);
}

int mg_channel_obis(mg_channel channel, char ret_obis[MG_OBIS_MAX])
{
    if (!mg_channel_exists(channel)) {
        return MG_E_RANGE;
    }
    enum mg_quantity q = mg_channel_quantity(channel);
    unsigned period = mg_channel_period(channel);
    char *to = put_number(ret_obis, OBIS[q].a);
    *to++ = '-';
    *to++ = '0';
    *to++ = ':';
    to = put_number(to, obis_c(q, mg_channel_phase(channel)));
    *to++ = '.';
    to =
        put_number(to, period == MG_PERIOD_EVER ? OBIS[q].d : D_BILLING_PERIOD);
    *to++ = '.';
    to = put_number(to, obis_e(q, channel));
    if (period > MG_PERIOD_CURRENT) {
        *to++ = '*';
        to = put_number(to, period - MG_PERIOD_CURRENT);
    }
    *to = '\0';
    return MG_OK;
}

const char *mg_quality_text(enum mg_quality quality)
{
    static const char *const TEXTS[] = {
        [MG_QUALITY_GOOD] = "good",
        [MG_QUALITY_MISSING] = "missing",
        [MG_QUALITY_INVALID] = "invalid",
        [MG_QUALITY_IMPLAUSIBLE] = "implausible",
        [MG_QUALITY_STALE] = "stale",
    };
    return quality < sizeof TEXTS / sizeof TEXTS[0] ? TEXTS[quality]
                                                    : "unknown";
}
