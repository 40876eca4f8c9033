/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/odd_test.c - settings of the server and ids that nobody expects */
#include "bed.h"

#include <string.h>

Test(odd, a_limit_on_every_select_is_not_heeded)
{
    struct bed bed;
    bed_open(&bed, "few_rows", true, "");
    session_run(bed.sql, "SET GLOBAL sql_select_limit = 2, GLOBAL max_join_size = 1");
    bed_begin(&bed);
    session_run(bed.sql, "SET GLOBAL sql_select_limit = DEFAULT, GLOBAL max_join_size = DEFAULT");
    for (int i = 0; i < 5; i++)
        bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1, 2, 3, 4, 5));
    bed_close(&bed);
}

Test(odd, an_id_that_no_position_can_hold_is_refused_behind_the_others)
{
    struct bed bed;
    bed_open(&bed, "high", true, "");
    bed_run(&bed, "INSERT INTO %s (id, aggregatetype, aggregateid, type) VALUES (7, 'o', 'a', 't'), "
                  "(9223372036854775807, 'o', 'a', 't'), (9223372036854775808, 'o', 'a', 't')");
    bed_begin(&bed);
    bed_settle_all(&bed, bed_batch(&bed, 10, 1 << 20));
    cr_assert_eq(bed_claim(&bed, 0, 10), OUTBOX_E_SCHEMA, "%s", bed.error.text);
    cr_assert_not_null(strstr(bed.error.text, ": an id is above 9223372036854775807, "), "%s", bed.error.text);
    cr_assert_eq(bed_rows(&bed), 1);
    bed_close(&bed);
}
