/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/capture/source.c - what the WAL adds to the stores that read a log */
#include "../store.h"

const struct sql_capture_source pg_capture_wal = {
    .put_take_over = pg_capture_put_take_over,
    .read_position = pg_capture_read_position,
    .begin = pg_capture_begin,
    .end = pg_capture_end,
    .go_on = pg_capture_go_on,
    .pass = pg_capture_pass,
    .put_position = pg_capture_put_position,
    .recorded = pg_capture_recorded,
    .worth_recording = pg_capture_worth_recording,
    .put_horizon = pg_capture_put_horizon,
    .horizon_result = pg_capture_horizon_result,
    .is_visible = pg_capture_is_visible,
    .has_reached = pg_capture_has_reached,
    .decode = pg_capture_decode,
    .put_spool = pg_capture_put_spool,
    .put_dead = pg_capture_put_dead,
    .name_event = pg_capture_name_event,
    .put_distance = pg_capture_put_distance,
    .distance_result = pg_capture_distance_result,
    .can_relieve = pg_capture_can_relieve,
};
