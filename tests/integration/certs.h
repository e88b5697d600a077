/* Certificates made by openssl(1) for one test. */
#ifndef TESTS_CERTS_H
#define TESTS_CERTS_H

#include "broker.h"

struct certs {
    char dir[96];
};

/** In the broker's directory: a CA (ca.crt) and another (other.crt);
 *  of the CA: good (localhost, 127.0.0.1), wrong (broker.example), expired
 *  (2020), client. Each NAME.crt and NAME.key. */
void certs_make(struct certs *certs, const struct broker *broker);

/** "<dir>/<name>"; kept in the caller's buffer of 160 bytes. */
char *certs_path(const struct certs *certs, const char *name, char *buf);

#endif
