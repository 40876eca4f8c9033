/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/idle.c - the position of a quiet outbox, and the safety valve
 *
 * The log has the writes to all tables, so it must be passed also when this outbox has no events. Each record is log
 * itself: it is made only when the source finds it worth while. How much log is kept is measured when the ownership is
 * renewed. From 75 % of what may be kept the host relieves the log; until it is less than 70 %.
 */
#include "sql/capture/capture.h"

enum { RELIEVE_PERCENT = 75, RELIEVED_PERCENT = 70 };

bool sql_capture_pass_idle(struct sql_store *store)
{
    struct sql_capture *capture = &store->capture;
    if (!capture->reading || !sql_capture_queue_is_idle(&capture->queue) || !capture->source->worth_recording(store))
        return false;
    capture->source->pass(store, capture->queue.advanced_marks);
    capture->queue.advanced = false;
    return true;
}

uint32_t sql_capture_percent(const struct sql_store *store)
{
    const struct sql_capture *capture = &store->capture;
    if (capture->log_bytes < 0 || capture->log_limit <= 0)
        return 0;
    double percent = 100.0 * (double)capture->log_bytes / (double)capture->log_limit;
    return percent > 100 ? 100 : (uint32_t)percent;
}

static void on_measured(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_capture *capture = &request->store->capture;
    uint32_t percent = sql_capture_percent(request->store);
    (void)error; /* of a connection: the host learns of it by other requests */
    capture->measuring = false;
    capture->relieving = percent >= (capture->relieving ? RELIEVED_PERCENT : RELIEVE_PERCENT);
}

void sql_capture_renewed(struct sql_store *store)
{
    struct sql_capture *capture = &store->capture;
    if (!capture->source || !capture->source->put_distance || capture->measuring)
        return;
    capture->measuring = true;
    capture->measurer = (struct sql_request){.what = "measure the log",
                                             .put = capture->source->put_distance,
                                             .result = capture->source->distance_result,
                                             .done = on_measured,
                                             .arg = store,
                                             .store = store,
                                             .sql = &capture->measure_sql};
    sql_lane_submit(store->reader, &capture->measurer);
}
