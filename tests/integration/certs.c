#include "certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* `openssl ca` is the only command that makes a certificate of the past. */
static const char script[] =
    "set -e\n"
    "cd \"$1\"\n"
    "key() { openssl genpkey -quiet -algorithm EC "
    "-pkeyopt ec_paramgen_curve:P-256 -out $1.key; }\n"
    "ca() { key $1; openssl req -x509 -new -key $1.key -days 30 "
    "-subj \"/CN=Test $1\" -out $1.crt; }\n"
    "leaf() { key $1; openssl req -new -key $1.key -subj \"/CN=$1\" "
    "-out $1.csr; printf 'subjectAltName=%s\\n' $2 >$1.ext; "
    "openssl ca -batch -notext -config ca.cnf -in $1.csr -extfile $1.ext "
    "-startdate $3 -enddate $4 -out $1.crt; }\n"
    "cat >ca.cnf <<END\n"
    "[ca]\ndefault_ca=d\n"
    "[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ncertificate=ca.crt\n"
    "private_key=ca.key\ndefault_md=sha256\npolicy=p\nunique_subject=no\n"
    "[p]\ncommonName=supplied\n"
    "END\n"
    ": >index; echo 01 >serial\n"
    "ca ca; ca other\n"
    "leaf good DNS:localhost,IP:127.0.0.1 20200101000000Z 20991231000000Z\n"
    "leaf wrong DNS:broker.example 20200101000000Z 20991231000000Z\n"
    "leaf expired DNS:localhost,IP:127.0.0.1 20190101000000Z "
    "20200203000000Z\n"
    "leaf client DNS:gateway 20200101000000Z 20991231000000Z\n";

void certs_make(struct certs *certs, const struct broker *broker)
{
    (void)snprintf(certs->dir, sizeof certs->dir, "%s", broker->dir);
    run_program(
        (const char *const[]){"sh", "-c", script, "sh", broker->dir, NULL});
}

char *certs_path(const struct certs *certs, const char *name, char *buf)
{
    int n = snprintf(buf, 160, "%s/%s", certs->dir, name);
    assert_true(n > 0 && n < 160);
    return buf;
}
