/* Errors, firmware check sums, passwords (manual 4.6.1, 5.1, 5.6). */
#include "firmware_priv.h"

#include <string.h>

#define ACCESS_US FW_MINUTE_US /* manual 5.6.4 */

/* Counter 1 counts active energy of the import quadrants, counter 2 of the
 * export quadrants, in Wh (Iskra map as in pyiskra). */
uint16_t wm3m4c_fw_counter_setting(unsigned counter, unsigned which)
{
    static const uint16_t approved[2][2] = {{1, 6}, {1, 9}};
    return approved[counter][which];
}

void wm3m4c_fw_check_parameters(struct fw_state *st)
{
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned which = 0; which < 2; which++) {
            if (st->settings.counter[k][which] !=
                wm3m4c_fw_counter_setting(k, which)) {
                st->is_parameter_bad = true;
            }
        }
    }
}

uint16_t wm3m4c_fw_errors(const struct fw_state *st)
{
    unsigned errors = (unsigned)st->options->errors;
    if (st->is_energy_lost || st->is_parameter_bad) {
        errors |= FW_ERR_PARAMETER;
    }
    if (!st->settings.is_locked) {
        errors |= FW_ERR_MID_LOCK;
    }
    if (st->is_crypto_dead) {
        errors |= FW_ERR_CRYPTO_CHIP;
    }
    return (uint16_t)errors;
}

/* There is no flash to sum up; each version has a number of its own. */
uint32_t wm3m4c_fw_main_crc(const struct fw_state *st)
{
    uint8_t image[] = {'W', 'M', '3', 'M', '4', 'C', 0};
    image[6] = (uint8_t)st->options->firmware_version;
    return wm3m4c_fw_crc32(image, sizeof image);
}

uint16_t wm3m4c_fw_phase_crc(const struct fw_state *st)
{
    static const uint8_t image[] = "phase module";
    (void)st;
    return (uint16_t)wm3m4c_fw_crc32(image, sizeof image);
}

/* ---- Passwords ---- */

static bool is_off(const uint8_t password[4])
{
    return memcmp(password, "AAAA", 4) == 0;
}

unsigned wm3m4c_fw_access(const struct fw_state *st)
{
    if (is_off(st->settings.password[1])) {
        return 2;
    }
    if (st->life_us < st->access_until_us) {
        return st->access;
    }
    return is_off(st->settings.password[0]) ? 1 : 0;
}

void wm3m4c_fw_backup_password(uint32_t serial, uint8_t ret[4])
{
    uint8_t bytes[4];
    for (unsigned k = 0; k < 4; k++) {
        bytes[k] = (uint8_t)(serial >> (8 * k));
    }
    uint32_t hash = wm3m4c_fw_crc32(bytes, sizeof bytes);
    for (unsigned k = 0; k < 4; k++) {
        ret[k] = (uint8_t)('A' + hash % 26);
        hash /= 26;
    }
}

void wm3m4c_fw_enter_password(struct fw_state *st)
{
    uint8_t backup[4];
    wm3m4c_fw_backup_password(st->env.serial, backup);
    st->access = 0;
    if (memcmp(st->entry, st->settings.password[1], 4) == 0 ||
        memcmp(st->entry, backup, 4) == 0) {
        st->access = 2;
    } else if (memcmp(st->entry, st->settings.password[0], 4) == 0) {
        st->access = 1;
    }
    st->access_until_us = st->life_us + ACCESS_US;
}
