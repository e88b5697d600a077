/* mg_client with paho.mqtt.c 1.3 (MQTTAsync).
 *
 * Its callbacks run on its own threads, under a lock of the whole library: they
 * copy, push and wake, and never wait. */
#include "mqtt/client.h"

#include <MQTTAsync.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MAX         64 /* events; the window and some messages */
#define MESSAGES_MAX      32
#define BUFFERED_MAX      256 /* waiting in paho; our own limits are lower */
#define CONNECT_TIMEOUT_S 10
#define CONTENT_TYPE      "application/json"

struct sent_context {
    struct mg_client *client;
    uint32_t tag;
};

struct mg_client {
    MQTTAsync paho;
    bool is_v311;
    size_t max_payload, n_filters;
    void (*wake)(void *ctx);
    void *ctx;
    MQTTProperties json_properties;
    struct sent_context contexts[MG_CLIENT_WINDOW_MAX + 1];
    pthread_mutex_t lock; /* what follows; never held across paho */
    struct mg_client_event queue[QUEUE_MAX];
    size_t first, n, n_messages;
    uint32_t n_dropped;
};

/* ---- The queue ---- */

/* The window, the link and the subscription never fill the queue: messages
 * leave them room. */
static bool push(struct mg_client *c, const struct mg_client_event *event)
{
    bool is_message = event->kind == MG_CLIENT_MESSAGE;
    (void)pthread_mutex_lock(&c->lock); /* fails on misuse only */
    bool has_room =
        c->n < QUEUE_MAX && !(is_message && c->n_messages == MESSAGES_MAX);
    if (has_room) {
        c->queue[(c->first + c->n++) % QUEUE_MAX] = *event;
        c->n_messages += is_message;
    } else {
        c->n_dropped++;
    }
    (void)pthread_mutex_unlock(&c->lock);
    c->wake(c->ctx);
    return has_room;
}

bool mg_client_next(struct mg_client *client, struct mg_client_event *ret)
{
    (void)pthread_mutex_lock(&client->lock);
    bool has_event = client->n > 0;
    if (has_event) {
        *ret = client->queue[client->first];
        client->first = (client->first + 1) % QUEUE_MAX;
        client->n--;
        client->n_messages -= ret->kind == MG_CLIENT_MESSAGE;
    }
    (void)pthread_mutex_unlock(&client->lock);
    return has_event;
}

uint32_t mg_client_take_dropped(struct mg_client *client)
{
    (void)pthread_mutex_lock(&client->lock);
    uint32_t n = client->n_dropped;
    client->n_dropped = 0;
    (void)pthread_mutex_unlock(&client->lock);
    return n;
}

static void put_text(struct mg_client_event *event, const char *text)
{
    (void)snprintf(event->text, sizeof event->text, "%s",
                   text == NULL ? "" : text);
}

/* ---- Connecting ---- */

static uint32_t number(MQTTProperties *properties, enum MQTTPropertyCodes code,
                       uint32_t if_absent)
{
    if (!MQTTProperties_hasProperty(properties, code)) {
        return if_absent;
    }
    return (uint32_t)MQTTProperties_getNumericValue(properties, code);
}

static void on_connect5(void *context, MQTTAsync_successData5 *data)
{
    struct mg_client_event event = {.kind = MG_CLIENT_UP};
    MQTTProperties *p = &data->properties;
    event.limits.window =
        number(p, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, UINT16_MAX);
    event.limits.max_packet =
        number(p, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, UINT32_MAX);
    event.limits.keepalive_s =
        (uint16_t)number(p, MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE, 0);
    (void)push(context, &event);
}

static void on_connect(void *context, MQTTAsync_successData *data)
{
    (void)data;
    struct mg_client_event event = {.kind = MG_CLIENT_UP};
    event.limits.window = UINT16_MAX;
    event.limits.max_packet = UINT32_MAX;
    (void)push(context, &event);
}

static void on_connect_failure5(void *context, MQTTAsync_failureData5 *data)
{
    struct mg_client_event event = {.kind = MG_CLIENT_FAILED};
    event.code = data->reasonCode != MQTTREASONCODE_SUCCESS
                     ? (int)data->reasonCode
                     : data->code;
    put_text(&event, data->message);
    (void)push(context, &event);
}

static void on_connect_failure(void *context, MQTTAsync_failureData *data)
{
    struct mg_client_event event = {.kind = MG_CLIENT_FAILED};
    event.code = data->code;
    put_text(&event, data->message);
    (void)push(context, &event);
}

static void on_lost(void *context, char *cause)
{
    struct mg_client_event event = {.kind = MG_CLIENT_LOST};
    put_text(&event, cause);
    (void)push(context, &event);
}

static void on_disconnected(void *context, MQTTProperties *properties,
                            enum MQTTReasonCodes code)
{
    (void)properties;
    struct mg_client_event event = {.kind = MG_CLIENT_LOST, .code = (int)code};
    (void)push(context, &event);
}

/* ---- What comes ---- */

static size_t copy_bytes(void *to, size_t cap, const char *from, int len)
{
    size_t n = len < 0 ? 0 : (size_t)len;
    if (n > 0) {
        memcpy(to, from, n < cap ? n : cap);
    }
    return n;
}

static void copy_properties(struct mg_client_message *to,
                            MQTTProperties *properties)
{
    MQTTProperty *p = MQTTProperties_getProperty(
        properties, MQTTPROPERTY_CODE_RESPONSE_TOPIC);
    if (p != NULL) {
        to->response_topic_len =
            copy_bytes(to->response_topic, sizeof to->response_topic,
                       p->value.data.data, p->value.data.len);
    }
    p = MQTTProperties_getProperty(properties,
                                   MQTTPROPERTY_CODE_CORRELATION_DATA);
    if (p != NULL) {
        to->correlation_len =
            copy_bytes(to->correlation, sizeof to->correlation,
                       p->value.data.data, p->value.data.len);
    }
    to->is_expired =
        number(properties, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, 1) == 0;
}

static struct mg_client_message *copy_message(const struct mg_client *c,
                                              const char *topic,
                                              size_t topic_len,
                                              MQTTAsync_message *from)
{
    size_t len = from->payloadlen < 0 ? 0 : (size_t)from->payloadlen;
    size_t kept = len <= c->max_payload ? len : 0;
    struct mg_client_message *to = calloc(1, sizeof *to + kept + 1);
    if (to == NULL) {
        return NULL;
    }
    to->topic_len = topic_len;
    memcpy(to->topic, topic,
           topic_len < sizeof to->topic ? topic_len : sizeof to->topic);
    to->is_retained = from->retained != 0;
    to->is_duplicate = from->dup != 0;
    to->len = len;
    if (kept > 0) {
        memcpy(to->payload, from->payload, kept);
    }
    if (!c->is_v311) {
        copy_properties(to, &from->properties);
    }
    return to;
}

static int on_message(void *context, char *topic, int topic_len,
                      MQTTAsync_message *message)
{
    struct mg_client *c = context;
    /* The length is 0 unless the topic has a NUL within. */
    size_t len = topic_len > 0 ? (size_t)topic_len : strlen(topic);
    struct mg_client_event event = {.kind = MG_CLIENT_MESSAGE};
    event.message = copy_message(c, topic, len, message);
    if (event.message != NULL && !push(c, &event)) {
        free(event.message);
    }
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1; /* 0 would keep it on a list without a bound */
}

/* ---- What was sent ---- */

static void push_sent(void *context, int code)
{
    const struct sent_context *sent = context;
    struct mg_client_event event = {
        .kind = MG_CLIENT_SENT, .tag = sent->tag, .code = code};
    (void)push(sent->client, &event);
}

static void on_sent5(void *context, MQTTAsync_successData5 *data)
{
    push_sent(context, (int)data->reasonCode);
}

static void on_sent(void *context, MQTTAsync_successData *data)
{
    (void)data;
    push_sent(context, 0);
}

static void on_unsent5(void *context, MQTTAsync_failureData5 *data)
{
    int code = data->reasonCode != MQTTREASONCODE_SUCCESS
                   ? (int)data->reasonCode
                   : data->code;
    push_sent(context, code == 0 ? -1 : code);
}

static void on_unsent(void *context, MQTTAsync_failureData *data)
{
    push_sent(context, data->code == 0 ? -1 : data->code);
}

static void on_subscribed5(void *context, MQTTAsync_successData5 *data)
{
    const struct mg_client *c = context;
    struct mg_client_event event = {.kind = MG_CLIENT_SUBSCRIBED,
                                    .code = (int)data->reasonCode};
    /* A list only when there were several; else the library sets none. */
    int n = c->n_filters > 1 ? data->alt.sub.reasonCodeCount : 0;
    for (int i = 0; i < n; i++) {
        int code = (int)data->alt.sub.reasonCodes[i];
        event.code = code > event.code ? code : event.code;
    }
    (void)push(context, &event);
}

static void on_subscribed(void *context, MQTTAsync_successData *data)
{
    const struct mg_client *c = context;
    struct mg_client_event event = {.kind = MG_CLIENT_SUBSCRIBED};
    /* A list only when there were several. */
    const int *granted = c->n_filters > 1 ? data->alt.qosList : &data->alt.qos;
    for (size_t i = 0; i < c->n_filters; i++) {
        int code = granted[i];
        event.code = code >= 0x80 ? code : event.code;
    }
    (void)push(context, &event);
}

static void on_unsubscribed5(void *context, MQTTAsync_failureData5 *data)
{
    struct mg_client_event event = {.kind = MG_CLIENT_SUBSCRIBED};
    event.code = data->reasonCode != MQTTREASONCODE_SUCCESS
                     ? (int)data->reasonCode
                     : data->code;
    (void)push(context, &event);
}

static void on_unsubscribed(void *context, MQTTAsync_failureData *data)
{
    struct mg_client_event event = {.kind = MG_CLIENT_SUBSCRIBED,
                                    .code = data->code};
    (void)push(context, &event);
}

/* ---- Calls ---- */

static void add_properties(struct mg_client *c)
{
    MQTTProperty type = {.identifier = MQTTPROPERTY_CODE_CONTENT_TYPE};
    char content_type[] = CONTENT_TYPE; /* copied by the add */
    type.value.data.data = content_type;
    type.value.data.len = (int)sizeof content_type - 1;
    MQTTProperty format = {.identifier =
                               MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR};
    format.value.byte = 1;
    /* Out of memory leaves them out: the payload is the same. */
    (void)MQTTProperties_add(&c->json_properties, &format);
    (void)MQTTProperties_add(&c->json_properties, &type);
}

static int begin_connect(struct mg_client *c,
                         const struct mg_client_settings *s)
{
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    will.topicName = s->will_topic;
    will.message = "offline";
    will.retained = 1;
    will.qos = 1;
    MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
    ssl.trustStore = s->mqtt->ca_file;
    ssl.keyStore = s->mqtt->cert_file;
    ssl.privateKey = s->mqtt->key_file;
    ssl.verify = s->mqtt->is_host_checked;
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions options5 = MQTTAsync_connectOptions_initializer5;
    MQTTProperties properties = MQTTProperties_initializer;
    if (!s->is_v311) {
        options = options5;
        MQTTProperty size = {.identifier =
                                 MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE};
        size.value.integer4 = MG_CLIENT_MESSAGE_MAX;
        (void)MQTTProperties_add(&properties, &size); /* only a bound */
        options.connectProperties = &properties;
        options.onSuccess5 = on_connect5;
        options.onFailure5 = on_connect_failure5;
    } else {
        options.MQTTVersion = MQTTVERSION_3_1_1;
        options.onSuccess = on_connect;
        options.onFailure = on_connect_failure;
    }
    options.keepAliveInterval = s->keepalive_s;
    options.connectTimeout = CONNECT_TIMEOUT_S;
    options.will = s->will_topic == NULL ? NULL : &will;
    options.ssl = s->mqtt->has_tls ? &ssl : NULL;
    options.username = s->mqtt->username;
    options.password = s->mqtt->password;
    options.context = c;
    int rc = MQTTAsync_connect(c->paho, &options);
    MQTTProperties_free(&properties);
    return rc;
}

static int make_paho(struct mg_client *c, const struct mg_client_settings *s)
{
    MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer5;
    options.maxBufferedMessages = BUFFERED_MAX;
    if (s->is_v311) {
        options.MQTTVersion = MQTTVERSION_3_1_1;
    }
    char uri[300];
    bool is_ipv6 = strchr(s->mqtt->host, ':') != NULL;
    (void)snprintf(uri, sizeof uri, "%s://%s%s%s:%u",
                   s->mqtt->has_tls ? "ssl" : "tcp", is_ipv6 ? "[" : "",
                   s->mqtt->host, is_ipv6 ? "]" : "", s->mqtt->port);
    int rc = MQTTAsync_createWithOptions(&c->paho, uri, s->mqtt->client_id,
                                         MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                         &options);
    if (rc == MQTTASYNC_SUCCESS) {
        rc = MQTTAsync_setCallbacks(c->paho, c, on_lost, on_message, NULL);
    }
    if (rc == MQTTASYNC_SUCCESS && !s->is_v311) {
        rc = MQTTAsync_setDisconnected(c->paho, c, on_disconnected);
    }
    return rc;
}

struct mg_client *mg_client_create(const struct mg_client_settings *settings,
                                   struct mg_err *err)
{
    struct mg_client *c = calloc(1, sizeof *c);
    if (c == NULL || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c);
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    c->is_v311 = settings->is_v311;
    c->max_payload = settings->mqtt->max_command_bytes;
    c->wake = settings->wake;
    c->ctx = settings->ctx;
    int rc = make_paho(c, settings);
    if (rc == MQTTASYNC_SUCCESS) {
        add_properties(c);
        rc = begin_connect(c, settings);
    }
    if (rc != MQTTASYNC_SUCCESS) {
        const char *text = MQTTAsync_strerror(rc);
        (void)mg_err_set(err, MG_E_IO, "%s (%d)",
                         text == NULL ? "cannot start" : text, rc);
        mg_client_destroy(c);
        return NULL;
    }
    return c;
}

/* Properties of an answer; freed by the caller. */
static MQTTProperties correlated(struct mg_client *c,
                                 const struct mg_client_publish *publish)
{
    MQTTProperties properties = MQTTProperties_copy(&c->json_properties);
    MQTTProperty p = {.identifier = MQTTPROPERTY_CODE_CORRELATION_DATA};
    char data[MG_CORRELATION_MAX];
    size_t len = publish->correlation_len;
    len = len < sizeof data ? len : sizeof data;
    memcpy(data, publish->correlation, len);
    p.value.data.data = data;
    p.value.data.len = (int)len;
    (void)MQTTProperties_add(&properties, &p); /* copies; else without it */
    return properties;
}

static int publish_code(int rc)
{
    switch (rc) {
    case MQTTASYNC_SUCCESS:
        return MG_OK;
    case MQTTASYNC_MAX_BUFFERED_MESSAGES:
    case MQTTASYNC_NO_MORE_MSGIDS:
        return MG_E_BUSY;
    case MQTTASYNC_BAD_UTF8_STRING:
    case MQTTASYNC_NULL_PARAMETER:
        return MG_E_RANGE;
    default:
        return MG_E_STATE;
    }
}

static void set_callbacks(struct mg_client *c, uint32_t tag,
                          MQTTAsync_responseOptions *options)
{
    struct sent_context *sent = &c->contexts[tag];
    *sent = (struct sent_context){c, tag};
    options->context = sent;
    if (c->is_v311) {
        options->onSuccess = on_sent;
        options->onFailure = on_unsent;
    } else {
        options->onSuccess5 = on_sent5;
        options->onFailure5 = on_unsent5;
    }
}

int mg_client_publish(struct mg_client *client,
                      const struct mg_client_publish *publish)
{
    uint32_t tag = publish->qos > 0 ? publish->tag : MG_CLIENT_TAG_WRITTEN;
    if (publish->len > MG_CLIENT_MESSAGE_MAX || tag > MG_CLIENT_TAG_WRITTEN) {
        return MG_E_RANGE;
    }
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    MQTTProperties own = MQTTProperties_initializer;
    bool is_answered = publish->qos > 0 || publish->is_marked;
    if (is_answered) {
        set_callbacks(client, tag, &options);
    }
    if (!client->is_v311 && publish->correlation_len > 0) {
        own = correlated(client, publish);
        options.properties = own;
    } else if (!client->is_v311 && publish->has_json_properties) {
        options.properties = client->json_properties;
    }
    bool needs_options = is_answered || options.properties.count > 0;
    int rc = MQTTAsync_send(
        client->paho, publish->topic, (int)publish->len, publish->payload,
        publish->qos, publish->is_retained, needs_options ? &options : NULL);
    MQTTProperties_free(&own);
    return publish_code(rc);
}

int mg_client_subscribe(struct mg_client *client, char *const *filters,
                        size_t n)
{
    int qos[MG_CLIENT_FILTERS_MAX];
    MQTTSubscribe_options each[MG_CLIENT_FILTERS_MAX];
    /* Keep the retain flag, so that a command published as retained is known
     * as such while we listen too; and never hear ourselves. */
    MQTTSubscribe_options one = MQTTSubscribe_options_initializer;
    one.retainAsPublished = 1;
    one.noLocal = 1;
    for (size_t i = 0; i < n; i++) {
        qos[i] = 1;
        each[i] = one;
    }
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.context = client;
    if (client->is_v311) {
        options.onSuccess = on_subscribed;
        options.onFailure = on_unsubscribed;
    } else {
        options.subscribeOptions = one;
        options.subscribeOptionsList = each;
        options.subscribeOptionsCount = (int)n;
        options.onSuccess5 = on_subscribed5;
        options.onFailure5 = on_unsubscribed5;
    }
    client->n_filters = n; /* before the answer can come */
    int rc =
        MQTTAsync_subscribeMany(client->paho, (int)n, filters, qos, &options);
    return rc == MQTTASYNC_SUCCESS ? MG_OK : MG_E_STATE;
}

void mg_client_disconnect(struct mg_client *client)
{
    MQTTAsync_disconnectOptions options =
        MQTTAsync_disconnectOptions_initializer;
    MQTTAsync_disconnectOptions options5 =
        MQTTAsync_disconnectOptions_initializer5;
    /* Fails when there is no connection: then there is nothing to end. */
    (void)MQTTAsync_disconnect(client->paho,
                               client->is_v311 ? &options : &options5);
}

size_t mg_client_packet_len(const struct mg_client_publish *publish)
{
    size_t properties = 0;
    if (publish->has_json_properties || publish->correlation_len > 0) {
        properties = 2 + 3 + sizeof CONTENT_TYPE - 1;
    }
    if (publish->correlation_len > 0) {
        properties += 3 + publish->correlation_len;
    }
    size_t n = 2 + strlen(publish->topic) + (publish->qos > 0 ? 2 : 0) + 1 +
               properties + publish->len;
    size_t header = n < 128 ? 2 : n < 16384 ? 3 : n < 2097152 ? 4 : 5;
    return header + n;
}

void mg_client_destroy(struct mg_client *client)
{
    if (client == NULL) {
        return;
    }
    /* The library's heap begins and ends with its last client. */
    MQTTProperties_free(&client->json_properties);
    if (client->paho != NULL) {
        MQTTAsync_destroy(&client->paho);
    }
    struct mg_client_event event;
    while (mg_client_next(client, &event)) {
        free(event.message);
    }
    (void)pthread_mutex_destroy(&client->lock); /* paho is gone */
    free(client);
}
