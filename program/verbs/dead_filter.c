/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/dead_filter.c - see dead_filter.h; pure */
#include "verbs/dead_filter.h"

#include <string.h>
#include <time.h>

#include "cli/args.h"

static bool equals(struct outbox_bytes bytes, const char *wanted)
{
    return !wanted || (bytes.data && bytes.size == strlen(wanted) && !memcmp(bytes.data, wanted, bytes.size));
}

static bool contains(struct outbox_bytes bytes, const char *wanted)
{
    return !wanted || (bytes.data && memmem(bytes.data, bytes.size, wanted, strlen(wanted)));
}

bool obx_dead_filter_matches(const struct obx_dead_filter *filter, const struct outbox_dead_letter *letter)
{
    return equals(letter->topic, filter->topic) && equals(letter->key, filter->key) &&
           equals(letter->event.type, filter->type) && contains(letter->reason, filter->reason) &&
           (!filter->since_us || letter->died_us >= filter->since_us) &&
           (!filter->until_us || letter->died_us < filter->until_us);
}

bool obx_dead_filter_time(const char *word, int64_t now_us, int64_t *us)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"};
    int64_t ago_ms;
    if (obx_args_duration(word, &ago_ms)) {
        *us = now_us - ago_ms * 1000;
        return true;
    }
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct tm utc = {0};
        const char *end = strptime(word, formats[i], &utc);
        *us = end && !*end ? (int64_t)timegm(&utc) * 1000000 : 0;
        if (*us)
            return true;
    }
    return false;
}
