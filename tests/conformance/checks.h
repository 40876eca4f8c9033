/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/checks.h - the names of all checks; each is void conf_NAME(struct conf_fixture *fixture) */
#ifndef OBX_TESTS_CONFORMANCE_CHECKS_H
#define OBX_TESTS_CONFORMANCE_CHECKS_H

#include "fixture.h"

#define CONF_STORE_CHECKS(X)                     \
    /* store_life.c */                           \
    X(store_starts_and_stops_again)              \
    X(store_stop_completes_what_is_in_flight)    \
    X(store_names_a_missing_column)              \
    X(store_returns_null_for_an_optional_column) \
    X(store_restart_loses_nothing)               \
    X(store_batch_survives_a_restart)            \
    X(store_continues_after_a_timeout)           \
    X(store_setup_is_idempotent)                 \
    X(store_prints_and_checks)                   \
    X(store_wakes_a_sleeping_relay)              \
    /* store_claim.c */                          \
    X(store_empty_claim_completes_at_once)       \
    X(store_claims_in_order_each_row_once)       \
    X(store_limits_claims_by_rows)               \
    X(store_limits_claims_by_bytes)              \
    X(store_byte_limits_hold_at_every_size)      \
    X(store_returns_a_huge_row_alone)            \
    X(store_claims_rows_by_position)             \
    X(store_rewinds)                             \
    X(store_batches_are_released_in_any_order)   \
    X(store_claims_rows_added_later)             \
    /* store_settle.c */                         \
    X(store_settles_spans_and_leaves_the_rest)   \
    X(store_settles_twice)                       \
    X(store_settles_vanished_rows)               \
    X(store_settles_over_several_batches)        \
    X(store_settles_during_a_claim)              \
    X(store_settles_many_small_spans)            \
    X(store_settled_rows_do_not_come_back)       \
    /* store_dead.c */                           \
    X(store_dead_letters_rows)                   \
    X(store_lists_dead_letters)                  \
    X(store_replays_dead_letters)                \
    X(store_drops_dead_letters)                  \
    X(store_dead_letters_vanished_rows)          \
    /* store_add.c */                            \
    X(store_status_counts)                       \
    X(store_adds_every_kind_of_payload)          \
    X(store_adds_headers)                        \
    X(store_adds_all_or_nothing)                 \
    X(store_creates_event_ids)                   \
    X(store_stamps_creation)                     \
    /* store_owner.c */                          \
    X(store_second_instance_stands_by)           \
    X(store_takes_over_after_stop)               \
    X(store_identity_stays_and_epoch_rises)      \
    X(store_renews)                              \
    X(store_fenced_owner_settles_nothing)        \
    /* store_older_host.c */                     \
    X(store_serves_an_older_host)

#define CONF_BROKER_CHECKS(X)                                 \
    /* broker_publish.c */                                    \
    X(broker_starts_and_stops_again)                          \
    X(broker_publishes_one)                                   \
    X(broker_publishes_many)                                  \
    X(broker_keeps_order_over_publishes_in_flight)            \
    X(broker_stop_completes_publishes)                        \
    X(broker_continues_after_a_restart)                       \
    X(broker_publishes_to_many_topics)                        \
    /* broker_values.c */                                     \
    X(broker_keeps_null_and_empty)                            \
    X(broker_keeps_any_bytes)                                 \
    X(broker_keeps_large_payloads)                            \
    X(broker_keeps_headers)                                   \
    X(broker_admits_and_rejects)                              \
    X(broker_rejects_one_of_many)                             \
    /* broker_faults.c */                                     \
    X(broker_probe_changes_nothing)                           \
    X(broker_keeps_order_when_the_server_refuses_some)        \
    X(broker_keeps_global_order_when_the_server_refuses_some) \
    X(broker_loses_nothing_when_the_server_dies)              \
    X(broker_loses_nothing_when_the_server_pauses)            \
    X(broker_stop_ends_while_the_server_pauses)

#define CONF_TRANSFORM_CHECKS(X)                     \
    /* transform_checks.c */                         \
    X(transform_keeps_the_identity_of_every_message) \
    X(transform_gives_the_same_twice)                \
    X(transform_runs_on_several_threads)             \
    X(transform_survives_lack_of_memory)

#define CONF_DECLARE(name) void conf_##name(struct conf_fixture *fixture);
CONF_STORE_CHECKS(CONF_DECLARE)
CONF_BROKER_CHECKS(CONF_DECLARE)
CONF_TRANSFORM_CHECKS(CONF_DECLARE)

#endif
