/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/dsn_test.c - what of a dsn the store takes as it is, and what it tells that it does not */
#include "bed.h"

static void open_with(struct bed *bed, const char *table, const char *more)
{
    bed_open(bed, table, true, "");
    bed_reconfigure(bed, &(struct server_place){.more = more}, "");
    bed_begin(bed);
}

Test(dsn, an_option_that_has_no_effect_is_told)
{
    static const char finding[] = "client_encoding in the dsn has no effect: the relay takes all texts as UTF-8";
    struct bed bed;
    open_with(&bed, "dsn_latin", "client_encoding=LATIN1");
    struct bed_findings told = bed_look_for(&bed, finding);
    cr_assert(told.count == 1 && told.level == OUTBOX_LOG_WARN && told.advised);
    bed_stop(&bed);
    bed_reconfigure(&bed, &(struct server_place){.more = "client_encoding=utf8"}, "");
    bed_begin(&bed);
    cr_assert_eq(bed_look_for(&bed, "has no effect").count, 0);
    bed_close(&bed);
}

Test(dsn, the_primary_is_taken_whether_it_is_asked_for_or_not)
{
    static const char *const wishes[] = {"", "target_session_attrs=any", "target_session_attrs=primary",
                                         "target_session_attrs=read-write"};
    struct bed bed;
    bed_open(&bed, "dsn_primary", true, "");
    for (size_t i = 0; i < OBX_COUNT(wishes); i++) {
        bed_reconfigure(&bed, &(struct server_place){.more = wishes[i]}, "");
        bed_begin(&bed);
        bed_stop(&bed);
    }
    bed_close(&bed);
}
