/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/idle.c - the position of a quiet outbox, and the safety valve
 *
 * The log has the writes to all tables, so it must be passed also when this outbox has no events. Each record is log
 * itself: it is made only when the source finds it worth while. How much log is kept is measured when the ownership is
 * renewed. From 75 % of what may be kept the host relieves the log; until it is less than 70 %. It does not where that
 * frees nothing, as while a transaction is open that the log is kept for: publishing goes on instead.
 *
 * A transaction of which a part is passed was read before, and is to be read again: its index would be lost if the log
 * up to it were passed. So then the position is not that of a quiet outbox.
 */
#include "sql/capture/capture.h"

enum { RELIEVE_PERCENT = 75, RELIEVED_PERCENT = 70 };

bool sql_capture_pass_idle(struct sql_store *store)
{
    struct sql_capture *capture = &store->capture;
    if (!capture->reading || capture->passed_index || !sql_capture_queue_is_idle(&capture->queue) ||
        !capture->source->worth_recording(store))
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

static bool wants_relief(struct sql_store *store)
{
    const struct sql_capture *capture = &store->capture;
    uint32_t limit = capture->relieving ? RELIEVED_PERCENT : RELIEVE_PERCENT;
    return sql_capture_percent(store) >= limit &&
           (!capture->source->can_relieve || capture->source->can_relieve(store));
}

static void on_measured(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_capture *capture = &request->store->capture;
    (void)error; /* of a connection: the host learns of it by other requests */
    capture->measuring = false;
    capture->relieving = wants_relief(request->store);
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
