#include "run/site_time.h"

#include <stdlib.h>
#include <time.h>

void mg_site_set_zone(const char *zone)
{
    if (zone[0] != '\0' && setenv("TZ", zone, 1) == 0) {
        tzset();
    }
}

int16_t mg_site_offset_min(int64_t utc_ms)
{
    time_t at = (time_t)(utc_ms / 1000);
    struct tm local;
    if (localtime_r(&at, &local) == NULL) {
        return 0;
    }
    return (int16_t)(local.tm_gmtoff / 60);
}
