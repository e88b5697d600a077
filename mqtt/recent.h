/* The ids of the last commands of each meter, so that one that is delivered
 * twice is carried out once. */
#ifndef MG_MQTT_RECENT_H
#define MG_MQTT_RECENT_H

#include "metergate/types.h"

#define MG_RECENT_IDS 64 /* of each meter */

struct mg_recent;

/** @param names  of the meters; copied
 *  @return owned; NULL: out of memory */
struct mg_recent *mg_recent_create(const char *const *names, size_t n);
void mg_recent_destroy(struct mg_recent *recent); /* NULL is allowed */

/** Was this id seen among the last of the meter? If not, remember it. Ids of
 *  an unknown meter are not remembered: there is nothing to carry out. */
bool mg_recent_test_and_add(struct mg_recent *recent, const char *meter,
                            const char *id, size_t len);

#endif
