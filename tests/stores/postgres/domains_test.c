/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/domains_test.c - columns of domains are read as the types that the domains are of */
#include <string.h>

#include "fixture.h"

Test(domains, domain_of_any_depth_is_read_as_its_base_type)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "domains", true, "");
    fixture_run(&fixture, "CREATE DOMAIN key_text AS text; CREATE DOMAIN raw AS bytea; CREATE DOMAIN inner_raw AS raw; "
                          "ALTER TABLE %s ALTER aggregateid TYPE key_text, ALTER payload TYPE inner_raw USING "
                          "payload::bytea");
    fixture_run(&fixture, "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('o', 'k', 't', "
                          "'\\x00ff41')");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(batch->values[1].type, OUTBOX_TEXT);
    cr_assert_eq(batch->values[2].type, OUTBOX_BYTES);
    cr_assert(batch->values[2].size == 3 && !memcmp(batch->values[2].as.data, "\0\xff\x41", 3));
    fixture_settle_all(&fixture, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}
