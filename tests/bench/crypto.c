/* Signatures a second and core, against what `openssl speed` says of the same
 * curves in the same run, and verification on all cores. Best of three rounds,
 * by processor time; a record of 600 bytes.
 * Usage: bench_crypto [seconds of each measurement] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "crypto/signer.h"

#define N_ROUNDS    3
#define THREADS_MAX 64
#define RECORD_LEN  600
#define GOAL_VERIFY 0.90
#define GOAL_SIGN   0.80

struct subject {
    const char *name, *speed_name;
    enum mg_curve curve;
    struct mg_signer *signer;
    uint8_t der[MG_SIGNATURE_MAX];
    size_t der_len;
};

/* All rates are per second; the best round counts. */
struct rates {
    double verify, sign, both;
    double speed_verify, speed_sign;
};

static char record[RECORD_LEN];

static double now_s(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_crypto: %s: %s\n", what, why);
    exit(2);
}

/* ---- The three that are measured; each does it once ---- */

static bool verify(struct subject *s)
{
    return mg_verify(mg_signer_public_key(s->signer), record, sizeof record,
                     s->der, s->der_len) == MG_OK;
}

static bool sign(struct subject *s)
{
    uint8_t der[MG_SIGNATURE_MAX];
    size_t len;
    struct mg_err err;
    return mg_signer_sign(s->signer, record, sizeof record, der, &len, &err) ==
           MG_OK;
}

static bool sign_and_verify(struct subject *s)
{
    return sign(s) && verify(s);
}

static double rate(struct subject *s, bool (*once)(struct subject *),
                   double seconds)
{
    double start = now_s(CLOCK_THREAD_CPUTIME_ID), end = start;
    unsigned n = 0;
    while (end - start < seconds) {
        if (!once(s)) {
            die(s->name, "an operation failed");
        }
        n++;
        end = now_s(CLOCK_THREAD_CPUTIME_ID);
    }
    return n / (end - start);
}

/* ---- The peer ---- */

/* " 256 bits ecdsa (nistp256)   0.0000s   0.0001s  51260.2  16942.9" */
static void read_speed(const struct subject *s, struct rates *r)
{
    FILE *peer = popen("openssl speed -seconds 1 ecdsap256 ecdsap384 "
                       "2>/dev/null",
                       "r");
    char line[256], name[32];
    double sign_rate = 0, verify_rate = 0;
    bool is_found = false;
    while (peer != NULL && fgets(line, sizeof line, peer) != NULL) {
        for (int i = 0; i < 2; i++) {
            if (sscanf(line, " %*d bits ecdsa (%31[^)]) %*fs %*fs %lf %lf",
                       name, &sign_rate, &verify_rate) == 3 &&
                strcmp(name, s[i].speed_name) == 0) {
                r[i].speed_sign = larger(r[i].speed_sign, sign_rate);
                r[i].speed_verify = larger(r[i].speed_verify, verify_rate);
                is_found = true;
            }
        }
    }
    if (peer == NULL || pclose(peer) != 0 || !is_found) {
        die("openssl speed", "no result");
    }
}

/* ---- Scaling ---- */

struct worker {
    pthread_t thread;
    struct subject *subject;
    pthread_barrier_t *start;
    double seconds;
    unsigned n;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    (void)pthread_barrier_wait(w->start);
    double end = now_s(CLOCK_MONOTONIC) + w->seconds;
    while (now_s(CLOCK_MONOTONIC) < end) {
        if (!verify(w->subject)) {
            die(w->subject->name, "a verification failed in a thread");
        }
        w->n++;
    }
    return NULL;
}

/* Times that a thread gave the processor up by itself, to wait. */
static long n_waits_so_far(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

/* Of the processor time that the threads got: others may use the machine. Time
 * spent waiting for a lock is none of it, so the waits are counted.
 * @return operations a second of processor time */
static double parallel_rate(struct subject *s, unsigned n, double seconds,
                            double *ret_n_cores, long *ret_n_waits)
{
    static struct worker workers[THREADS_MAX];
    long n_waits = n_waits_so_far();
    pthread_barrier_t start;
    double cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);
    (void)pthread_barrier_init(&start, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        workers[i] =
            (struct worker){.subject = s, .start = &start, .seconds = seconds};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            die(s->name, "no thread");
        }
    }
    double total = 0;
    for (unsigned i = 0; i < n; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        total += workers[i].n;
    }
    (void)pthread_barrier_destroy(&start);
    cpu = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    *ret_n_cores = cpu / seconds;
    *ret_n_waits = n_waits_so_far() - n_waits;
    return total / cpu;
}

static void report_scaling(struct subject *s, double seconds)
{
    long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = n_cores > THREADS_MAX ? THREADS_MAX : (unsigned)n_cores;
    double one = 0, all = 0, n_got = 0, n_got_max = 0;
    long n_waits = 0, n_waits_max = 0;
    for (int i = 0; i < N_ROUNDS; i++) {
        one = larger(one, parallel_rate(s, 1, seconds, &n_got, &n_waits));
        all = larger(all, parallel_rate(s, n, seconds, &n_got, &n_waits));
        n_got_max = larger(n_got_max, n_got);
        n_waits_max = n_waits > n_waits_max ? n_waits : n_waits_max;
    }
    (void)printf("%s  verify, %u threads: %.2f of one thread's rate a core; "
                 "they kept up to %.2f cores busy and waited %ld times\n",
                 s->name, n, all / one, n_got_max, n_waits_max);
}

/* ---- Preparation, report ---- */

static void prepare(struct subject *s, const char *dir)
{
    char path[128];
    struct mg_err err = {0};
    (void)snprintf(path, sizeof path, "%s/%s.pem", dir, s->name);
    struct mg_signer_settings settings = {.key_file = path};
    if (mg_key_generate_file(path, s->curve, &err) == MG_OK) {
        s->signer = mg_signer_open(&settings, &err);
    }
    (void)unlink(path);
    if (s->signer == NULL ||
        mg_signer_sign(s->signer, record, sizeof record, s->der, &s->der_len,
                       &err) != MG_OK) {
        die(s->name, err.text);
    }
}

static void finish(struct subject *s)
{
    mg_signer_close(s->signer);
}

static void measure(struct subject *s, struct rates *r, double seconds)
{
    r->verify = larger(r->verify, rate(s, verify, seconds));
    r->sign = larger(r->sign, rate(s, sign, seconds));
    r->both = larger(r->both, rate(s, sign_and_verify, seconds));
}

static void report_line(const char *name, const char *what, double ours,
                        double theirs, const char *goal)
{
    (void)printf("%s  %-24s %8.0f/s, openssl speed %8.0f/s: %.2f%s\n", name,
                 what, ours, theirs, ours / theirs, goal);
}

/* @return reached the goals? */
static bool report(const struct subject *s, const struct rates *r)
{
    report_line(s->name, "verify", r->verify, r->speed_verify, ", goal 0.90");
    report_line(s->name, "sign", r->sign, r->speed_sign, ", goal 0.80");
    report_line(s->name, "sign, then verify it", r->both, r->speed_sign, "");
    return r->verify >= GOAL_VERIFY * r->speed_verify &&
           r->sign >= GOAL_SIGN * r->speed_sign;
}

int main(int argc, char **argv)
{
    struct subject s[2] = {
        {.name = "P-256",
         .speed_name = "nistp256",
         .curve = MG_CURVE_SECP256R1},
        {.name = "P-384",
         .speed_name = "nistp384",
         .curve = MG_CURVE_SECP384R1},
    };
    struct rates r[2] = {0};
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    char dir[] = "/tmp/mg-bench-XXXXXX";
    if (!(seconds > 0) || mkdtemp(dir) == NULL) {
        return 2;
    }
    memset(record, '7', sizeof record);
    prepare(&s[0], dir);
    prepare(&s[1], dir);
    (void)rmdir(dir);
    for (int round = 0; round < N_ROUNDS; round++) {
        read_speed(s, r);
        measure(&s[0], &r[0], seconds);
        measure(&s[1], &r[1], seconds);
    }
    bool is_good = report(&s[0], &r[0]);
    is_good = report(&s[1], &r[1]) && is_good;
    report_scaling(&s[0], seconds);
    report_scaling(&s[1], seconds);
    finish(&s[0]);
    finish(&s[1]);
    return is_good ? 0 : 1;
}
