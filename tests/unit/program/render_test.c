/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/render_test.c - metrics, readiness and /status; exit codes; addresses */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem_fault.h"
#include "http/address.h"
#include "cli/exit_code.h"
#include "http/metrics.h"
#include "http/render.h"

static struct obx_snapshot two_relays(void)
{
    struct obx_snapshot snapshot = {0};
    struct obx_relay_view *a = obx_snapshot_more(&snapshot);
    snprintf(a->name, sizeof a->name, "a\"\n\\b");
    a->stats = (struct outbox_stats){.state = OUTBOX_STATE_RELAYING,
                                     .settled = 7,
                                     .in_flight = 3,
                                     .empty_claims = 5,
                                     .spooled = 6,
                                     .recovered = 4,
                                     .transactions_committed = 8,
                                     .transactions_aborted = 9,
                                     .kept_log_percent = 52};
    a->held_ns = 2500000000;
    struct obx_relay_view *b = obx_snapshot_more(&snapshot);
    snprintf(b->name, sizeof b->name, "b");
    b->stats = (struct outbox_stats){.state = OUTBOX_STATE_CONNECTING, .blocked_keys = 1};
    snprintf(b->stats.last_error, sizeof b->stats.last_error, "store: connection refused");
    b->unready_ns = 1500000000;
    b->blocked_count = 1;
    snprintf(b->blocked[0].key, sizeof b->blocked[0].key, "k");
    return snapshot;
}

static void expect_line(const char *text, const char *line)
{
    char expected[256];
    snprintf(expected, sizeof expected, "\n%s\n", line);
    cr_expect_not_null(strstr(text, expected), "no line: %s", line);
}

Test(render, metrics_follow_the_prometheus_format)
{
    struct obx_snapshot snapshot = two_relays();
    struct obx_buf text = {0};
    snapshot.log_dropped = 4;
    obx_metrics_render(&snapshot, false, &text);
    expect_line(obx_buf_text(&text), "# TYPE outbox_settled_total counter");
    expect_line(obx_buf_text(&text), "outbox_settled_total{relay=\"a\\\"\\n\\\\b\"} 7");
    expect_line(obx_buf_text(&text), "outbox_settled_total{relay=\"b\"} 0");
    expect_line(obx_buf_text(&text), "# TYPE outbox_in_flight gauge");
    expect_line(obx_buf_text(&text), "outbox_in_flight{relay=\"a\\\"\\n\\\\b\"} 3");
    expect_line(obx_buf_text(&text), "# TYPE outbox_empty_claims_total counter");
    expect_line(obx_buf_text(&text), "outbox_empty_claims_total{relay=\"a\\\"\\n\\\\b\"} 5");
    expect_line(obx_buf_text(&text), "outbox_recovered_total{relay=\"a\\\"\\n\\\\b\"} 4");
    expect_line(obx_buf_text(&text), "outbox_transactions_committed_total{relay=\"a\\\"\\n\\\\b\"} 8");
    expect_line(obx_buf_text(&text), "outbox_transactions_aborted_total{relay=\"a\\\"\\n\\\\b\"} 9");
    expect_line(obx_buf_text(&text), "outbox_spooled_total{relay=\"a\\\"\\n\\\\b\"} 6");
    expect_line(obx_buf_text(&text), "outbox_kept_log_percent{relay=\"a\\\"\\n\\\\b\"} 52");
    expect_line(obx_buf_text(&text), "outbox_held_seconds{relay=\"a\\\"\\n\\\\b\"} 2.500");
    expect_line(obx_buf_text(&text), "outbox_relaying{relay=\"b\"} 0");
    expect_line(obx_buf_text(&text), "outbox_unready_seconds{relay=\"b\"} 1.500");
    expect_line(obx_buf_text(&text), "outbox_log_dropped_total 4");
    obx_buf_free(&text);
    obx_snapshot_free(&snapshot);
    cr_assert_eq(mem_live(), 0);
}

Test(render, histograms_are_cumulative)
{
    struct obx_snapshot snapshot = {0};
    struct obx_relay_view *view = obx_snapshot_more(&snapshot);
    struct obx_timings *timings = &view->measures.timings;
    struct obx_buf text = {0};
    snprintf(view->name, sizeof view->name, "r");
    obx_timings_delivered(timings, 1000000, 1000400);
    obx_timings_delivered(timings, 1000000, 1001000);
    obx_timings_delivered(timings, 1000000, 999000);
    obx_timings_delivered(timings, 0, INT64_C(4000000000));
    obx_timings_delivered(timings, INT64_MIN, 1000000);
    obx_metrics_render(&snapshot, false, &text);
    expect_line(obx_buf_text(&text), "# TYPE outbox_delivery_seconds histogram");
    expect_line(obx_buf_text(&text), "outbox_delivery_seconds_bucket{relay=\"r\",le=\"0.0005\"} 2");
    expect_line(obx_buf_text(&text), "outbox_delivery_seconds_bucket{relay=\"r\",le=\"0.001\"} 3");
    expect_line(obx_buf_text(&text), "outbox_delivery_seconds_bucket{relay=\"r\",le=\"3600.0\"} 3");
    expect_line(obx_buf_text(&text), "outbox_delivery_seconds_bucket{relay=\"r\",le=\"+Inf\"} 4");
    expect_line(obx_buf_text(&text), "outbox_delivery_seconds_sum{relay=\"r\"} 4000.001400");
    expect_line(obx_buf_text(&text), "outbox_delivery_seconds_count{relay=\"r\"} 4");
    expect_line(obx_buf_text(&text), "outbox_claim_seconds_count{relay=\"r\"} 0");
    obx_buf_free(&text);
    obx_snapshot_free(&snapshot);
}

static double number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtod(at + strlen(name), NULL) : -1;
}

Test(render, open_metrics_name_a_counter_without_total_and_end_with_eof)
{
    struct obx_snapshot snapshot = two_relays();
    struct obx_buf text = {0};
    obx_metrics_render(&snapshot, true, &text);
    expect_line(obx_buf_text(&text), "# TYPE outbox_settled counter");
    expect_line(obx_buf_text(&text), "outbox_settled_total{relay=\"b\"} 0");
    cr_expect_str_eq(obx_buf_text(&text) + text.size - strlen("\n# EOF\n"), "\n# EOF\n");
    cr_expect_gt(number_after(obx_buf_text(&text), "\nprocess_resident_memory_bytes "), 1e6);
    cr_expect_gt(number_after(obx_buf_text(&text), "\nprocess_open_fds "), 2);
    cr_expect_gt(number_after(obx_buf_text(&text), "\nprocess_start_time_seconds "), 1e9);
    obx_buf_free(&text);
    obx_snapshot_free(&snapshot);
}

Test(render, invalid_utf8_becomes_question_marks)
{
    char text[8];
    obx_view_text(text, sizeof text,
                  "a\xff"
                  "b");
    cr_expect_str_eq(text, "a?b");
    obx_view_text(text, sizeof text, "12345\xc3\xa4");
    cr_expect_str_eq(text, "12345\xc3\xa4");
    obx_view_text(text, sizeof text, "123456\xc3\xa4");
    cr_expect_str_eq(text, "123456", "no half character at the end");
    obx_view_text(text, sizeof text, NULL);
    cr_expect_str_eq(text, "");
}

Test(render, ready_if_every_relay_is_relaying_or_standby)
{
    struct obx_snapshot snapshot = two_relays();
    struct obx_buf text = {0};
    cr_expect(obx_render_readiness(&snapshot, snapshot.relays[0].name, &text), "the other relay is not asked for");
    cr_expect_not(obx_render_readiness(&snapshot, "b", &text));
    obx_buf_clear(&text);
    cr_expect_not(obx_render_readiness(&snapshot, NULL, &text));
    cr_expect_str_eq(obx_buf_text(&text), "b: connecting: store: connection refused\n");
    obx_buf_clear(&text);
    snapshot.relays[1].stats.state = OUTBOX_STATE_STANDBY;
    cr_expect(obx_render_readiness(&snapshot, NULL, &text), "a standby is ready");
    cr_expect_str_eq(obx_buf_text(&text), "ready\n");
    obx_buf_free(&text);
    obx_snapshot_free(&snapshot);
    cr_assert_eq(mem_live(), 0);
}

static void make_late(struct obx_relay_view *view)
{
    view->late_ns = 90000000000;
    view->late_since_us = 1795983300000000;
    view->late_age_ns = 312000000000;
    view->stats.state = OUTBOX_STATE_RELAYING;
}

Test(render, late_relay_is_not_ready)
{
    struct obx_snapshot snapshot = two_relays();
    struct obx_buf text = {0};
    make_late(&snapshot.relays[1]);
    cr_expect_not(obx_render_readiness(&snapshot, "b", &text));
    cr_expect_str_eq(obx_buf_text(&text), "b: late, since 2026-11-29T20:15:00Z: the oldest event has waited 312.0 s\n");
    obx_buf_clear(&text);
    obx_metrics_render(&snapshot, false, &text);
    expect_line(obx_buf_text(&text), "outbox_late_seconds{relay=\"b\"} 90.000");
    json_t *json = obx_render_json(&snapshot);
    const json_t *b = json_object_get(json_object_get(json, "relays"), "b");
    cr_expect_str_eq(json_string_value(json_object_get(b, "late_since")), "2026-11-29T20:15:00.000000Z");
    cr_expect_eq(json_number_value(json_object_get(b, "late_age_seconds")), 312);
    json_decref(json);
    obx_buf_free(&text);
    obx_snapshot_free(&snapshot);
}

Test(render, owner_has_a_time)
{
    struct obx_snapshot snapshot = two_relays();
    struct obx_buf text = {0};
    snapshot.relays[1].owned_since_ns = 1795983300000000000;
    obx_metrics_render(&snapshot, false, &text);
    expect_line(obx_buf_text(&text), "outbox_owner_since_timestamp_seconds{relay=\"b\"} 1795983300.000");
    json_t *json = obx_render_json(&snapshot), *relays = json_object_get(json, "relays");
    cr_expect_str_eq(json_string_value(json_object_get(json_object_get(relays, "b"), "owner_since")),
                     "2026-11-29T20:15:00.000000Z");
    cr_expect(json_is_null(json_object_get(json_object_get(relays, snapshot.relays[0].name), "owner_since")));
    json_decref(json);
    obx_buf_free(&text);
    obx_snapshot_free(&snapshot);
}

Test(render, status_has_state_and_blocked_keys)
{
    struct obx_snapshot snapshot = two_relays();
    json_t *json = obx_render_json(&snapshot);
    const json_t *b = json_object_get(json_object_get(json, "relays"), "b");
    cr_expect_str_eq(json_string_value(json_object_get(b, "state")), "connecting");
    cr_expect_str_eq(json_string_value(json_object_get(b, "last_error")), "store: connection refused");
    cr_expect_eq(json_integer_value(json_object_get(b, "blocked_keys")), 1);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(b, "blocked"), 0), "key")), "k");
    json_decref(json);
    obx_snapshot_free(&snapshot);
    cr_assert_eq(mem_live(), 0);
}

Test(exit_codes, every_error_code_has_an_exit_code)
{
    static const struct {
        int status, code;
    } table[] = {{0, 0},
                 {OUTBOX_E_CONFIG, 78},
                 {OUTBOX_E_NOT_FOUND, 78},
                 {OUTBOX_E_SCHEMA, 78},
                 {OUTBOX_E_ABI, 78},
                 {OUTBOX_E_PERMISSION, 77},
                 {OUTBOX_E_NOT_CONNECTED, 69},
                 {OUTBOX_E_TIMEOUT, 69},
                 {OUTBOX_E_IO, 69},
                 {OUTBOX_E_STANDBY, 75},
                 {OUTBOX_E_AGAIN, 75},
                 {OUTBOX_E_BUG, 70},
                 {OUTBOX_E_REJECTED, 65},
                 {OUTBOX_E_CORRUPT, 65},
                 {-9999, 69}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        cr_expect_eq((int)obx_exit_code(table[i].status), table[i].code, "status %d", table[i].status);
    cr_expect_eq(obx_exit_worse(OBX_EXIT_OK, OBX_EXIT_UNAVAILABLE), OBX_EXIT_UNAVAILABLE);
    cr_expect_eq(obx_exit_worse(OBX_EXIT_UNAVAILABLE, OBX_EXIT_CONFIG), OBX_EXIT_CONFIG);
    cr_expect_eq(obx_exit_worse(OBX_EXIT_OK, OBX_EXIT_OK), OBX_EXIT_OK);
}

Test(address, invalid_addresses_are_refused)
{
    static const char *const good[] = {"127.0.0.1:9464", "[::1]:80", ":0", "127.0.0.1:65535"};
    static const char *const bad[] = {"", "9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "a:-1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct addrinfo *found;
        struct outbox_error error;
        cr_assert_eq(obx_address_find(good[i], AI_PASSIVE, &found, &error), OUTBOX_OK, "%s: %s", good[i], error.text);
        freeaddrinfo(found);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct addrinfo *found;
        struct outbox_error error;
        char text[128];
        cr_expect_eq(obx_address_find(bad[i], AI_PASSIVE, &found, &error), OUTBOX_E_CONFIG, "%s", bad[i]);
        snprintf(text, sizeof text, "service.listen: '%s' is not ADDRESS:PORT, such as 127.0.0.1:9464", bad[i]);
        cr_expect_str_eq(error.text, text);
    }
}
