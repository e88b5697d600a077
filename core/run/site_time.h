/* Local time of the site: offset from UTC, summer time included. */
#ifndef MG_RUN_SITE_TIME_H
#define MG_RUN_SITE_TIME_H

#include <stdint.h>

/** Before any thread is started: the zone of the whole process.
 *  @param zone  as in the tz database, checked by the configuration */
void mg_site_set_zone(const char *zone);

/** Local time - UTC in minutes at this time. */
int16_t mg_site_offset_min(int64_t utc_ms);

#endif
