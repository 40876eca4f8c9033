/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/abi/layout_test.c - the layout that plugins built with the first version of the ABI rely on
 *
 * Within a major version structures grow at the end, so every line here stays true: a failure means that a field was
 * moved, removed or inserted. New fields are added below the old ones. 64-bit; where pointers are smaller the order is
 * the same and the offsets are not.
 */
#include <criterion/criterion.h>
#include <outbox/plugin.h>

#define AT(type, field, offset) cr_assert_eq(offsetof(struct type, field), offset, #type "." #field)

Test(layout, error)
{
    AT(outbox_error, code, 0);
    AT(outbox_error, native, 4);
    AT(outbox_error, state, 8);
    AT(outbox_error, text, 16);
}

Test(layout, bytes)
{
    AT(outbox_bytes, data, 0);
    AT(outbox_bytes, size, 8);
}

Test(layout, value)
{
    AT(outbox_value, as, 0);
    AT(outbox_value, size, 8);
    AT(outbox_value, type, 12);
}

Test(layout, position)
{
    AT(outbox_position, major, 0);
    AT(outbox_position, minor, 8);
}

Test(layout, batch)
{
    AT(outbox_batch, struct_size, 0);
    AT(outbox_batch, rows, 4);
    AT(outbox_batch, columns, 8);
    AT(outbox_batch, flags, 12);
    AT(outbox_batch, positions, 16);
    AT(outbox_batch, values, 24);
    AT(outbox_batch, bytes, 32);
    AT(outbox_batch, floor, 40);
}

Test(layout, header)
{
    AT(outbox_header, name, 0);
    AT(outbox_header, value, 16);
}

Test(layout, message)
{
    AT(outbox_message, topic, 0);
    AT(outbox_message, key, 16);
    AT(outbox_message, value, 32);
    AT(outbox_message, headers, 48);
    AT(outbox_message, header_count, 56);
    AT(outbox_message, partition, 60);
    AT(outbox_message, timestamp_us, 64);
    AT(outbox_message, id, 72);
    AT(outbox_message, type, 88);
    AT(outbox_message, created_us, 104);
    AT(outbox_message, position, 112);
}

Test(layout, pair)
{
    AT(outbox_pair, name, 0);
    AT(outbox_pair, value, 8);
}

Test(layout, map)
{
    AT(outbox_map, items, 0);
    AT(outbox_map, count, 8);
}

Test(layout, option)
{
    AT(outbox_option, name, 0);
    AT(outbox_option, type, 8);
    AT(outbox_option, flags, 12);
    AT(outbox_option, offset, 16);
    AT(outbox_option, default_value, 24);
    AT(outbox_option, min, 32);
    AT(outbox_option, max, 40);
    AT(outbox_option, choices, 48);
    AT(outbox_option, help, 56);
}

Test(layout, task)
{
    AT(outbox_task, run, 0);
    AT(outbox_task, arg, 8);
    AT(outbox_task, host_private, 16);
}

Test(layout, work)
{
    AT(outbox_work, work, 0);
    AT(outbox_work, done, 8);
    AT(outbox_work, arg, 16);
    AT(outbox_work, host_private, 24);
}

Test(layout, outcomes)
{
    AT(outbox_outcomes, struct_size, 0);
    AT(outbox_outcomes, outcome, 4);
    AT(outbox_outcomes, indexes, 8);
    AT(outbox_outcomes, first, 16);
    AT(outbox_outcomes, count, 20);
    AT(outbox_outcomes, error, 24);
    AT(outbox_outcomes, retry_after_ms, 32);
    AT(outbox_outcomes, flags, 36);
}

Test(layout, child)
{
    AT(outbox_child, struct_size, 0);
    AT(outbox_child, done, 8);
    AT(outbox_child, outcomes, 16);
    AT(outbox_child, arg, 24);
}

Test(layout, host)
{
    AT(outbox_host, struct_size, 0);
    AT(outbox_host, abi_major, 4);
    AT(outbox_host, now, 8);
    AT(outbox_host, random, 16);
    AT(outbox_host, log, 24);
    AT(outbox_host, log_enabled, 32);
    AT(outbox_host, alloc, 40);
    AT(outbox_host, resize, 48);
    AT(outbox_host, release, 56);
    AT(outbox_host, watch_open, 64);
    AT(outbox_host, watch_arm, 72);
    AT(outbox_host, watch_close, 80);
    AT(outbox_host, timer_open, 88);
    AT(outbox_host, timer_set, 96);
    AT(outbox_host, timer_clear, 104);
    AT(outbox_host, timer_close, 112);
    AT(outbox_host, post, 120);
    AT(outbox_host, offload, 128);
    AT(outbox_host, op_scratch, 136);
    AT(outbox_host, op_done, 144);
    AT(outbox_host, outcomes, 152);
    AT(outbox_host, wake, 160);
    AT(outbox_host, lost, 168);
    AT(outbox_host, op_messages, 176);
    AT(outbox_host, op_child, 184);
    AT(outbox_host, failpoint, 192);
    AT(outbox_host, reconnected, 200);
    AT(outbox_host, transaction_ended, 208);
}

Test(layout, inner)
{
    AT(outbox_inner, struct_size, 0);
    AT(outbox_inner, self, 8);
    AT(outbox_inner, ops, 16);
    AT(outbox_inner, caps, 24);
    AT(outbox_inner, name, 32);
}

Test(layout, init)
{
    AT(outbox_init, struct_size, 0);
    AT(outbox_init, host, 8);
    AT(outbox_init, relay, 16);
    AT(outbox_init, inner, 24);
}

Test(layout, check)
{
    AT(outbox_check, struct_size, 0);
    AT(outbox_check, report, 8);
    AT(outbox_check, arg, 16);
    AT(outbox_check, topics, 24);
    AT(outbox_check, pending_topics, 32);
    AT(outbox_check, columns, 40);
    AT(outbox_check, row, 48);
    AT(outbox_check, row_arg, 56);
    AT(outbox_check, flags, 64);
}

Test(layout, finding)
{
    AT(outbox_finding, struct_size, 0);
    AT(outbox_finding, severity, 4);
    AT(outbox_finding, subject, 8);
    AT(outbox_finding, reason, 16);
    AT(outbox_finding, advice, 24);
    AT(outbox_finding, command, 32);
    AT(outbox_finding, code, 40);
}

Test(layout, acquire)
{
    AT(outbox_acquire, struct_size, 0);
    AT(outbox_acquire, lease_ms, 4);
    AT(outbox_acquire, flags, 8);
    AT(outbox_acquire, owner, 12);
    AT(outbox_acquire, epoch, 112);
    AT(outbox_acquire, identity, 120);
}

Test(layout, claim)
{
    AT(outbox_claim, struct_size, 0);
    AT(outbox_claim, flags, 4);
    AT(outbox_claim, max_rows, 8);
    AT(outbox_claim, max_bytes, 16);
    AT(outbox_claim, positions, 24);
    AT(outbox_claim, position_count, 32);
    AT(outbox_claim, batch, 40);
    AT(outbox_claim, result, 48);
    AT(outbox_claim, unusable, 56);
    AT(outbox_claim, log_bytes, 64);
    AT(outbox_claim, log_percent, 72);
}

Test(layout, span)
{
    AT(outbox_span, batch, 0);
    AT(outbox_span, first, 8);
    AT(outbox_span, count, 12);
}

Test(layout, settle)
{
    AT(outbox_settle, struct_size, 0);
    AT(outbox_settle, span_count, 4);
    AT(outbox_settle, spans, 8);
    AT(outbox_settle, refused, 16);
    AT(outbox_settle, low, 24);
}

Test(layout, dead_row)
{
    AT(outbox_dead_row, position, 0);
    AT(outbox_dead_row, attempts, 16);
    AT(outbox_dead_row, topic, 24);
    AT(outbox_dead_row, key, 40);
    AT(outbox_dead_row, reason, 56);
}

Test(layout, dead_letter_rows)
{
    AT(outbox_dead_letter_rows, struct_size, 0);
    AT(outbox_dead_letter_rows, count, 4);
    AT(outbox_dead_letter_rows, rows, 8);
}

Test(layout, event)
{
    AT(outbox_event, struct_size, 0);
    AT(outbox_event, event_id, 8);
    AT(outbox_event, aggregate_type, 24);
    AT(outbox_event, aggregate_id, 40);
    AT(outbox_event, type, 56);
    AT(outbox_event, payload, 72);
    AT(outbox_event, headers, 88);
}

Test(layout, add)
{
    AT(outbox_add, struct_size, 0);
    AT(outbox_add, count, 4);
    AT(outbox_add, events, 8);
}

Test(layout, store_status)
{
    AT(outbox_store_status, struct_size, 0);
    AT(outbox_store_status, pending, 8);
    AT(outbox_store_status, oldest_us, 16);
    AT(outbox_store_status, dead, 24);
    AT(outbox_store_status, owner, 32);
    AT(outbox_store_status, server, 128);
    AT(outbox_store_status, log_bytes, 224);
    AT(outbox_store_status, log_limit, 232);
}

Test(layout, dead_letter)
{
    AT(outbox_dead_letter, struct_size, 0);
    AT(outbox_dead_letter, number, 8);
    AT(outbox_dead_letter, event, 16);
    AT(outbox_dead_letter, topic, 120);
    AT(outbox_dead_letter, key, 136);
    AT(outbox_dead_letter, reason, 152);
    AT(outbox_dead_letter, attempts, 168);
    AT(outbox_dead_letter, died_us, 176);
}

Test(layout, dead)
{
    AT(outbox_dead, struct_size, 0);
    AT(outbox_dead, action, 4);
    AT(outbox_dead, numbers, 8);
    AT(outbox_dead, count, 16);
    AT(outbox_dead, limit, 20);
    AT(outbox_dead, row, 24);
    AT(outbox_dead, arg, 32);
    AT(outbox_dead, affected, 40);
}

Test(layout, store_ops)
{
    AT(outbox_store_ops, struct_size, 0);
    AT(outbox_store_ops, init, 8);
    AT(outbox_store_ops, fini, 16);
    AT(outbox_store_ops, start, 24);
    AT(outbox_store_ops, stop, 32);
    AT(outbox_store_ops, cancel, 40);
    AT(outbox_store_ops, acquire, 48);
    AT(outbox_store_ops, renew, 56);
    AT(outbox_store_ops, claim, 64);
    AT(outbox_store_ops, release, 72);
    AT(outbox_store_ops, settle, 80);
    AT(outbox_store_ops, dead_letter, 88);
    AT(outbox_store_ops, setup, 96);
    AT(outbox_store_ops, print, 104);
    AT(outbox_store_ops, check, 112);
    AT(outbox_store_ops, status, 120);
    AT(outbox_store_ops, add, 128);
    AT(outbox_store_ops, dead, 136);
    AT(outbox_store_ops, setup_inbox, 144);
    AT(outbox_store_ops, spool, 152);
    AT(outbox_store_ops, survey, 160);
}

Test(layout, publish)
{
    AT(outbox_publish, struct_size, 0);
    AT(outbox_publish, count, 4);
    AT(outbox_publish, messages, 8);
    AT(outbox_publish, stride, 16);
    AT(outbox_publish, flags, 20);
}

Test(layout, broker_start)
{
    AT(outbox_broker_start, struct_size, 0);
    AT(outbox_broker_start, flags, 4);
    AT(outbox_broker_start, order, 8);
    AT(outbox_broker_start, reserved, 12);
    AT(outbox_broker_start, epoch, 16);
    AT(outbox_broker_start, outbox, 24);
}

Test(layout, broker_ops)
{
    AT(outbox_broker_ops, struct_size, 0);
    AT(outbox_broker_ops, init, 8);
    AT(outbox_broker_ops, fini, 16);
    AT(outbox_broker_ops, start, 24);
    AT(outbox_broker_ops, stop, 32);
    AT(outbox_broker_ops, cancel, 40);
    AT(outbox_broker_ops, publish, 48);
    AT(outbox_broker_ops, admit, 56);
    AT(outbox_broker_ops, check, 64);
    AT(outbox_broker_ops, record, 72);
}

Test(layout, record)
{
    AT(outbox_record, struct_size, 0);
    AT(outbox_record, what, 4);
    AT(outbox_record, count, 8);
    AT(outbox_record, positions, 16);
}

Test(layout, spool)
{
    AT(outbox_spool, struct_size, 0);
    AT(outbox_spool, span_count, 4);
    AT(outbox_spool, spans, 8);
    AT(outbox_spool, low, 16);
}

Test(layout, survey)
{
    AT(outbox_survey, struct_size, 0);
    AT(outbox_survey, count, 4);
    AT(outbox_survey, outboxes, 8);
    AT(outbox_surveyed, flags, 0);
    AT(outbox_surveyed, lease_ms, 4);
    AT(outbox_surveyed, store, 8);
    AT(outbox_surveyed, result, 16);
    AT(outbox_surveyed, since_s, 20);
    AT(outbox_surveyed, owner_session, 24);
    AT(outbox_surveyed, wisher_session, 32);
    AT(outbox_surveyed, owner, 40);
    AT(outbox_surveyed, wisher, 136);
}

Test(layout, transform)
{
    AT(outbox_transform, struct_size, 0);
    AT(outbox_transform, value_count, 4);
    AT(outbox_transform, message, 8);
    AT(outbox_transform, values, 16);
    AT(outbox_transform, alloc, 24);
    AT(outbox_transform, arena, 32);
}

Test(layout, transform_ops)
{
    AT(outbox_transform_ops, struct_size, 0);
    AT(outbox_transform_ops, init, 8);
    AT(outbox_transform_ops, fini, 16);
    AT(outbox_transform_ops, transform, 24);
    AT(outbox_transform_ops, check, 32);
    AT(outbox_transform_ops, cancel, 40);
}

Test(layout, plugin)
{
    AT(outbox_plugin, abi_major, 0);
    AT(outbox_plugin, struct_size, 4);
    AT(outbox_plugin, kind, 8);
    AT(outbox_plugin, option_size, 12);
    AT(outbox_plugin, caps, 16);
    AT(outbox_plugin, name, 24);
    AT(outbox_plugin, version, 32);
    AT(outbox_plugin, description, 40);
    AT(outbox_plugin, instance_size, 48);
    AT(outbox_plugin, op_size, 56);
    AT(outbox_plugin, options, 64);
    AT(outbox_plugin, option_count, 72);
    AT(outbox_plugin, message_size, 76);
    AT(outbox_plugin, ops, 80);
    AT(outbox_plugin, library, 88);
}

Test(layout, structures_in_arrays_or_kept_by_the_other_side_keep_their_size)
{
    cr_assert_eq(sizeof(struct outbox_error), 400);
    cr_assert_eq(sizeof(struct outbox_bytes), 16);
    cr_assert_eq(sizeof(struct outbox_value), 16);
    cr_assert_eq(sizeof(struct outbox_position), 16);
    cr_assert_eq(sizeof(struct outbox_header), 32);
    cr_assert_eq(sizeof(struct outbox_pair), 16);
    cr_assert_eq(sizeof(struct outbox_map), 16);
    cr_assert_eq(sizeof(struct outbox_task), 48);
    cr_assert_eq(sizeof(struct outbox_work), 184);
    cr_assert_eq(sizeof(struct outbox_span), 16);
    cr_assert_eq(sizeof(struct outbox_dead_row), 64);
}
