#include "mqtt/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 3000
#define SLICE_MS 50  /* how soon a cancel is seen */
#define ALERT_MS 500 /* for what the broker says after the handshake */

struct attempt {
    struct mg_probe *probe;
    uint64_t end_ms; /* monotonic */
};

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* @return false: time is up or canceled */
static bool wait_fd(const struct attempt *a, int fd, short events)
{
    while (!atomic_load(&a->probe->is_canceled) && now_ms() < a->end_ms) {
        struct pollfd p = {.fd = fd, .events = events};
        if (poll(&p, 1, SLICE_MS) > 0) {
            return true;
        }
    }
    return false;
}

static void say(struct mg_probe *p, const char *text)
{
    (void)snprintf(p->text, sizeof p->text, "%s", text);
}

/* ---- TCP ---- */

static void say_errno(struct mg_probe *p, int error)
{
    switch (error) {
    case ECONNREFUSED:
        (void)snprintf(p->text, sizeof p->text,
                       "connection refused: no broker listens on port %u",
                       p->mqtt->port);
        return;
    case ETIMEDOUT:
        say(p, "no answer to the connection attempt: is the host up, does a "
               "firewall drop it?");
        return;
    default:
        (void)snprintf(p->text, sizeof p->text, "cannot connect: %s",
                       strerror(error));
    }
}

/* @return a connected descriptor; -1 with the errno */
static int open_tcp(const struct attempt *a, const struct sockaddr *address,
                    int *ret_error)
{
    int fd = socket(address->sa_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;
    socklen_t len = sizeof error;
    if (fd < 0) {
        *ret_error = errno;
        return -1;
    }
    socklen_t address_len = address->sa_family == AF_INET6
                                ? sizeof(struct sockaddr_in6)
                                : sizeof(struct sockaddr_in);
    if (connect(fd, address, address_len) != 0) {
        error = errno;
    }
    if (error == EINPROGRESS) {
        error = ETIMEDOUT;
        if (wait_fd(a, fd, POLLOUT)) {
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
        }
    }
    if (error != 0) {
        (void)close(fd);
        *ret_error = error;
        return -1;
    }
    return fd;
}

static int open_any(const struct attempt *a, int *ret_error)
{
    int fd = -1;
    *ret_error = EHOSTUNREACH;
    for (size_t i = 0; fd < 0 && i < a->probe->n_addresses; i++) {
        fd = open_tcp(a, (struct sockaddr *)&a->probe->addresses[i], ret_error);
    }
    return fd;
}

/* ---- TLS ---- */

static void say_file(struct mg_probe *p, const char *what, const char *file)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);
    (void)snprintf(p->text, sizeof p->text, "cannot use the %s %s: %s", what,
                   file, reason == NULL ? "no PEM file" : reason);
}

static bool load_files(struct mg_probe *p, SSL_CTX *tls)
{
    const struct mg_setup_mqtt *m = p->mqtt;
    if (m->ca_file == NULL) {
        (void)SSL_CTX_set_default_verify_paths(
            tls); /* none: nothing is known */
    } else if (SSL_CTX_load_verify_locations(tls, m->ca_file, NULL) != 1) {
        say_file(p, "CA file", m->ca_file);
        return false;
    }
    if (m->cert_file == NULL) {
        return true;
    }
    if (SSL_CTX_use_certificate_chain_file(tls, m->cert_file) != 1) {
        say_file(p, "client certificate", m->cert_file);
        return false;
    }
    const char *key = m->key_file != NULL ? m->key_file : m->cert_file;
    if (SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        say_file(p, "client key", key);
        return false;
    }
    return true;
}

/* "a.example, 10.0.0.1" of a certificate */
static void names_of(X509 *cert, char *buf, size_t cap)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t len = 0;
    buf[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && len < cap; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char text[128] = "";
        if (name->type == GEN_DNS) {
            (void)snprintf(
                text, sizeof text, "%.*s", ASN1_STRING_length(name->d.dNSName),
                (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        } else if (name->type == GEN_IPADD &&
                   ASN1_STRING_length(name->d.iPAddress) == 4) {
            const unsigned char *ip = ASN1_STRING_get0_data(name->d.iPAddress);
            (void)snprintf(text, sizeof text, "%u.%u.%u.%u", ip[0], ip[1],
                           ip[2], ip[3]);
        } else {
            continue;
        }
        int n =
            snprintf(buf + len, cap - len, "%s%s", len == 0 ? "" : ", ", text);
        len += n < 0 ? 0 : (size_t)n;
    }
    GENERAL_NAMES_free(names);
    if (buf[0] == '\0') {
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
                                        NID_commonName, buf, (int)cap);
    }
    /* What the peer calls itself goes to a log. */
    for (char *c = buf; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            *c = '?';
        }
    }
}

static void date_of(const ASN1_TIME *time, char buf[11])
{
    struct tm t;
    (void)snprintf(buf, 11, "unknown");
    if (ASN1_TIME_to_tm(time, &t) == 1) {
        (void)strftime(buf, 11, "%Y-%m-%d", &t);
    }
}

static void say_dates(struct mg_probe *p, X509 *cert, bool is_past)
{
    char date[11];
    date_of(is_past ? X509_get0_notAfter(cert) : X509_get0_notBefore(cert),
            date);
    (void)snprintf(p->text, sizeof p->text,
                   is_past ? "the broker's certificate expired on %s (is this "
                             "machine's clock right?)"
                           : "the broker's certificate is not valid before %s "
                             "(is this machine's clock right?)",
                   date);
}

static void say_verify(struct mg_probe *p, X509 *cert, int result)
{
    char names[96] = "?";
    if (cert != NULL) {
        names_of(cert, names, sizeof names);
    }
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        (void)snprintf(p->text, sizeof p->text,
                       "the broker's certificate is for %s, not for %.100s",
                       names, p->mqtt->host);
        return;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        if (cert != NULL) {
            say_dates(p, cert, result == X509_V_ERR_CERT_HAS_EXPIRED);
            return;
        }
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        (void)snprintf(p->text, sizeof p->text,
                       "the broker's certificate is signed by an unknown CA: "
                       "it is not in %.100s",
                       p->mqtt->ca_file != NULL ? p->mqtt->ca_file
                                                : "the system's CAs; set "
                                                  "ca_file");
        return;
    default:
        break;
    }
    (void)snprintf(p->text, sizeof p->text,
                   "the broker's certificate is not accepted: %s",
                   X509_verify_cert_error_string(result));
}

/* Asked by OpenSSL about each certificate; the only place where the one that
 * is wrong can be seen. */
static int on_verify(int is_right, X509_STORE_CTX *store)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    if (!is_right) {
        say_verify(SSL_get_app_data(ssl),
                   X509_STORE_CTX_get_current_cert(store),
                   X509_STORE_CTX_get_error(store));
    }
    return is_right;
}

/* What the broker said by a TLS alert, or what OpenSSL made of it. */
static void say_alert(struct mg_probe *p, unsigned long error)
{
    switch (ERR_GET_REASON(error)) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        say(p, "the broker requires a client certificate: set cert_file and "
               "key_file");
        return;
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        say(p, p->mqtt->cert_file == NULL
                   ? "the broker refuses the TLS handshake: it may require a "
                     "client certificate (cert_file and key_file)"
                   : "the broker refuses the TLS handshake");
        return;
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        say(p, "the broker does not know the CA of our client certificate");
        return;
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        say(p, "the broker says that our client certificate has expired");
        return;
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
        say(p, "the broker says that our client certificate is revoked");
        return;
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        say(p, "the broker does not accept our client certificate");
        return;
    case SSL_R_WRONG_VERSION_NUMBER:
        say(p, "no TLS on this port: is it the broker's plain port? (tls: "
               "false would connect without)");
        return;
    default:
        break;
    }
    const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);
    (void)snprintf(p->text, sizeof p->text, "TLS failed: %s",
                   reason == NULL ? "the broker closed the connection"
                                  : reason);
}

/* Wait for what SSL_* asks for. @return false: it has failed for good */
static bool wait_ssl(const struct attempt *a, SSL *ssl, int rc)
{
    int need = SSL_get_error(ssl, rc);
    if (need != SSL_ERROR_WANT_READ && need != SSL_ERROR_WANT_WRITE) {
        return false;
    }
    return wait_fd(a, SSL_get_fd(ssl),
                   need == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT);
}

static void handshake(const struct attempt *a, SSL *ssl)
{
    struct mg_probe *p = a->probe;
    int rc;
    do {
        ERR_clear_error();
        rc = SSL_connect(ssl);
    } while (rc != 1 && wait_ssl(a, ssl, rc));
    if (rc != 1 && SSL_get_verify_result(ssl) != X509_V_OK) {
        return; /* on_verify has said it */
    }
    if (rc != 1 && now_ms() >= a->end_ms) {
        say(p, "the broker does not answer the TLS handshake");
        return;
    }
    if (rc != 1) {
        say_alert(p, ERR_peek_last_error());
        return;
    }
    /* With TLS 1.3 our part is done before the broker has seen our
     * certificate: its refusal comes to the first read. */
    struct attempt answer = {p, now_ms() + ALERT_MS};
    char byte;
    do {
        ERR_clear_error();
        rc = SSL_read(ssl, &byte, 1);
    } while (rc != 1 && wait_ssl(&answer, ssl, rc));
    if (rc != 1 && SSL_get_error(ssl, rc) == SSL_ERROR_SSL) {
        say_alert(p, ERR_peek_last_error());
    }
}

static bool set_host(const struct mg_setup_mqtt *m, SSL *ssl)
{
    unsigned char ip[16];
    bool is_ip = inet_pton(AF_INET, m->host, ip) == 1 ||
                 inet_pton(AF_INET6, m->host, ip) == 1;
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (!is_ip && SSL_set_tlsext_host_name(ssl, m->host) != 1) {
        return false;
    }
    if (!m->is_host_checked) {
        return true;
    }
    return is_ip ? X509_VERIFY_PARAM_set1_ip_asc(param, m->host) == 1
                 : X509_VERIFY_PARAM_set1_host(param, m->host, 0) == 1;
}

static void probe_tls(const struct attempt *a, int fd)
{
    SSL *ssl = NULL;
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || !load_files(a->probe, tls)) {
        goto out;
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, on_verify);
    ssl = SSL_new(tls);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 ||
        SSL_set_app_data(ssl, a->probe) != 1 ||
        !set_host(a->probe->mqtt, ssl)) {
        goto out;
    }
    handshake(a, ssl);
out:
    SSL_free(ssl);
    SSL_CTX_free(tls);
    ERR_clear_error();
}

void mg_probe_run(struct mg_probe *probe)
{
    struct attempt a = {probe, now_ms() + LIMIT_MS};
    int error;
    /* What is left when nothing is found: TCP, and TLS if any, are right. */
    say(probe, probe->mqtt->has_tls
                   ? "the broker takes the connection but does not answer as "
                     "MQTT"
                   : "the broker takes the connection but does not answer as "
                     "MQTT (does it expect TLS on this port?)");
    int fd = open_any(&a, &error);
    if (fd < 0) {
        say_errno(probe, error);
        return;
    }
    if (probe->mqtt->has_tls) {
        probe_tls(&a, fd);
    }
    (void)close(fd); /* nothing was written that could be lost */
}
