/* Writes one signed record in ChargePoint's form, as the station does, for the
 * tests that look at such records with other programs.
 *
 * chargepoint_record KEY.pem TRANSACTION NUMBER CLOCK LOSS_UOHM READING...
 * READING: letter, UTC in ms, energy of the meter and cable loss in mWh,
 * "B:1738129232000:8458700:0". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/signer.h"
#include "model/ocmf_build.h"
#include "record/assemble.h"
#include "record/chargepoint.h"

#define READINGS_MAX 16
#define FIRST        6

static int give_up(const char *what)
{
    (void)fprintf(stderr, "chargepoint_record: %s\n", what);
    return 1;
}

static bool take_reading(const char *text, char clock,
                         struct mg_ocmf_entry *ret)
{
    *ret = (struct mg_ocmf_entry){.clock = clock, .status = 'G'};
    int64_t *numbers[] = {&ret->utc_ms, &ret->meter_mwh, &ret->loss_mwh};
    char *end = NULL;
    ret->tx = text[0];
    text += text[0] != '\0';
    for (size_t i = 0; i < 3; i++) {
        if (*text != ':') {
            return false;
        }
        *numbers[i] = strtoll(text + 1, &end, 10);
        text = end;
    }
    return *text == '\0';
}

static int build(char **args, int n, char *ret, size_t cap, size_t *ret_len)
{
    struct mg_ocmf_entry entries[READINGS_MAX];
    char ms[MG_CHARGEPOINT_MS_MAX], mf[MG_CHARGEPOINT_MF_MAX];
    char gv[MG_CHARGEPOINT_GV_MAX], pg[MG_CHARGEPOINT_PG_MAX];
    uint8_t hash[32];
    for (int i = FIRST; i < n; i++) {
        if (i - FIRST >= READINGS_MAX ||
            !take_reading(args[i], args[4][0], &entries[i - FIRST])) {
            return MG_E_INVAL;
        }
    }
    mg_sha256("software", strlen("software"), hash);
    mg_chargepoint_ms("251362B00001", "31-002700-04-01", ms);
    mg_chargepoint_mf(hash, mf);
    mg_chargepoint_gv("1.0.0", "2024.05.00.423-alpha", gv);
    mg_chargepoint_pg('T', strtoull(args[3], NULL, 10), args[2], pg);
    const struct mg_ocmf_head head = {.form = MG_OCMF_FORM_CHARGEPOINT,
                                      .version = "1.0",
                                      .gi = "CP0001",
                                      .gv = gv,
                                      .is_assigned = true,
                                      .data = "0000000000000005",
                                      .mv = "Chargepoint Inc.",
                                      .mm = "CPKM3000",
                                      .ms = ms,
                                      .mf = mf,
                                      .has_loss = true,
                                      .loss_uohm =
                                          (uint32_t)strtoul(args[5], NULL, 10),
                                      .connector = 1};
    return mg_ocmf_payload(&head, pg, entries, (size_t)(n - FIRST), 4, ret, cap,
                           ret_len);
}

int main(int argc, char **argv)
{
    char payload[8192], record[16384];
    uint8_t der[MG_SIGNATURE_MAX];
    size_t len, der_len, record_len;
    struct mg_err err = {0};
    if (argc <= FIRST) {
        return give_up("KEY TRANSACTION NUMBER CLOCK LOSS_UOHM READING...");
    }
    if (build(argv, argc, payload, sizeof payload, &len) != MG_OK) {
        return give_up("no such payload");
    }
    const struct mg_signer_settings settings = {.key_file = argv[1]};
    struct mg_signer *signer = mg_signer_open(&settings, &err);
    int rc = signer == NULL
                 ? err.code
                 : mg_signer_sign(signer, payload, len, der, &der_len, &err);
    if (rc == MG_OK) {
        rc = mg_record_assemble(
            payload, len, mg_public_key_curve(mg_signer_public_key(signer)),
            der, der_len, MG_SIGNATURE_CHARGEPOINT, record, sizeof record,
            &record_len);
    }
    mg_signer_close(signer);
    if (rc != MG_OK) {
        return give_up(err.text[0] == '\0' ? mg_code_text(rc) : err.text);
    }
    (void)printf("%s\n", record);
    return 0;
}
