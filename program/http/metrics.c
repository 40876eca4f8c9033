/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/metrics.c - the table of metrics, and what is made of it; see metrics.h */
#include "http/metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include <outbox/version.h>

#include "base/mem.h"
#include "http/process.h"

struct output {
    const struct obx_snapshot *snapshot;
    const struct obx_process *process;
    struct obx_buf *text;
};

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct metric {
    const char *name; /* without _total */
    enum kind kind;
    const char *help; /* in HELP, and in docs/METRICS.md */
    void (*append)(const struct output *output, const struct metric *metric);
    size_t offset, size; /* of the value, in the structure that append() reads */
};

/* ---- samples ----------------------------------------------------------------------------------------------------- */

static const char *suffix_of(const struct metric *metric)
{
    return metric->kind == COUNTER ? "_total" : "";
}

static void append_label(struct obx_buf *text, const char *value)
{
    for (; *value; value++) {
        if (*value == '"' || *value == '\\' || *value == '\n')
            obx_buf_putc(text, '\\');
        obx_buf_putc(text, *value == '\n' ? 'n' : *value);
    }
}

/* "NAME{relay="...": labels may follow. */
static void append_relay(struct obx_buf *text, const struct metric *metric, const char *suffix,
                         const struct obx_relay_view *view)
{
    obx_buf_printf(text, "%s%s{relay=\"", metric->name, suffix);
    append_label(text, view->name);
    obx_buf_putc(text, '"');
}

static uint64_t value_of(const void *structure, const struct metric *metric)
{
    const char *at = (const char *)structure + metric->offset;
    return metric->size == sizeof(uint32_t) ? *(const uint32_t *)(const void *)at : *(const uint64_t *)(const void *)at;
}

#define EACH_RELAY(output, view)                                                                           \
    for (const struct obx_relay_view *view = (output)->snapshot->relays,                                   \
                                     *view##_end = (output)->snapshot->relays + (output)->snapshot->count; \
         view != view##_end; view++)

static void append_numbers(const struct output *output, const struct metric *metric)
{
    EACH_RELAY(output, view)
    {
        append_relay(output->text, metric, suffix_of(metric), view);
        obx_buf_printf(output->text, "} %" PRIu64 "\n", value_of(view, metric));
    }
}

static void append_seconds(const struct output *output, const struct metric *metric)
{
    EACH_RELAY(output, view)
    {
        append_relay(output->text, metric, "", view);
        obx_buf_printf(output->text, "} %.3f\n", (double)value_of(view, metric) / 1e9);
    }
}

/* offset: the state. */
static void append_states(const struct output *output, const struct metric *metric)
{
    EACH_RELAY(output, view)
    {
        append_relay(output->text, metric, "", view);
        obx_buf_printf(output->text, "} %d\n", (size_t)view->stats.state == metric->offset);
    }
}

/* So that a standby can be matched with the process that it waits for, also where two databases have relays of one
 * name. */
static void append_owners(const struct output *output, const struct metric *metric)
{
    EACH_RELAY(output, view)
    {
        bool owns = view->stats.state == OUTBOX_STATE_RELAYING || view->stats.state == OUTBOX_STATE_PAUSED;
        if (!view->process[0])
            continue;
        append_relay(output->text, metric, "", view);
        obx_buf_puts(output->text, ",process=\"");
        append_label(output->text, view->process);
        obx_buf_printf(output->text, "\"} %d\n", owns);
    }
}

static void append_histograms(const struct output *output, const struct metric *metric)
{
#define TEXT(us, text) text,
    static const char *const limits[] = {OBX_HISTOGRAM_LIMITS(TEXT) "+Inf"};
    EACH_RELAY(output, view)
    {
        const struct obx_histogram *histogram =
            (const struct obx_histogram *)(const void *)((const char *)view + metric->offset);
        uint64_t count = 0;
        for (size_t i = 0; i < OBX_COUNT(limits); i++) {
            count += histogram->counts[i];
            append_relay(output->text, metric, "_bucket", view);
            obx_buf_printf(output->text, ",le=\"%s\"} %" PRIu64 "\n", limits[i], count);
        }
        append_relay(output->text, metric, "_sum", view);
        obx_buf_printf(output->text, "} %.6f\n", (double)histogram->sum_us / 1e6);
        append_relay(output->text, metric, "_count", view);
        obx_buf_printf(output->text, "} %" PRIu64 "\n", count);
    }
}

static void append_build(const struct output *output, const struct metric *metric)
{
    obx_buf_printf(output->text, "%s{version=\"%s\"} 1\n", metric->name, OUTBOX_VERSION_STRING);
}

static void append_service(const struct output *output, const struct metric *metric)
{
    obx_buf_printf(output->text, "%s%s %" PRIu64 "\n", metric->name, suffix_of(metric),
                   value_of(output->snapshot, metric));
}

static void append_reload_time(const struct output *output, const struct metric *metric)
{
    obx_buf_printf(output->text, "%s %.3f\n", metric->name, output->snapshot->reloaded_at_s);
}

static void append_process(const struct output *output, const struct metric *metric)
{
    const char *at = (const char *)output->process + metric->offset;
    obx_buf_printf(output->text, "%s%s %.15g\n", metric->name, suffix_of(metric), *(const double *)(const void *)at);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

#define IN_VIEW(member) offsetof(struct obx_relay_view, member), sizeof(((struct obx_relay_view *)0)->member)
#define IN_SNAPSHOT(member) offsetof(struct obx_snapshot, member), sizeof(((struct obx_snapshot *)0)->member)
#define NUMBER(member, kind, help)                                           \
    {                                                                        \
        "outbox_" #member, kind, help, append_numbers, IN_VIEW(stats.member) \
    }
#define VIEW_NUMBER(name, member, kind, help)                       \
    {                                                               \
        "outbox_" name, kind, help, append_numbers, IN_VIEW(member) \
    }
#define SECONDS(name, member, help)                                             \
    {                                                                           \
        "outbox_" name "_seconds", GAUGE, help, append_seconds, IN_VIEW(member) \
    }
#define STATE(name, state, help)                                            \
    {                                                                       \
        "outbox_" name, GAUGE, help, append_states, OUTBOX_STATE_##state, 0 \
    }
#define TIMES(name, help)                                                                              \
    {                                                                                                  \
        "outbox_" #name "_seconds", HISTOGRAM, help, append_histograms, IN_VIEW(measures.timings.name) \
    }
#define PROCESS(name, member, kind, help)                                                    \
    {                                                                                        \
        "process_" name, kind, help, append_process, offsetof(struct obx_process, member), 0 \
    }

static const struct metric metrics[] = {
    {"outbox_build_info", GAUGE, "the running version, as a label", append_build, 0, 0},
    {"outbox_log_dropped", COUNTER, "log messages lost because stderr was not read in time or could not be written",
     append_service, IN_SNAPSHOT(log_dropped)},
    {"outbox_config_last_reload_successful", GAUGE, "0 if the last SIGHUP found an invalid configuration",
     append_service, IN_SNAPSHOT(reloaded)},
    {"outbox_config_last_reload_success_timestamp_seconds", GAUGE, "when the configuration in force was read",
     append_reload_time, 0, 0},
    {"outbox_balance_taken", COUNTER, "outboxes that this process has taken, with service.balance", append_service,
     IN_SNAPSHOT(balance.taken)},
    {"outbox_balance_given", COUNTER, "outboxes that this process has handed over, with service.balance",
     append_service, IN_SNAPSHOT(balance.given)},
    STATE("relaying", RELAYING, "1 while the relay relays"),
    STATE("standby", STANDBY, "1 while another instance owns the outbox"),
    VIEW_NUMBER("paused", paused, GAUGE, "1 from `outbox pause` to `outbox resume`, in a standby too"),
    {"outbox_owner", GAUGE,
     "the process that owns the outbox, in the label process as HOST/PID: 1 if it is this process, 0 if a standby "
     "reports it",
     append_owners, 0, 0},
    SECONDS("owner_since_timestamp", owned_since_ns, "when that ownership began, by the database's clock; 0: unknown"),
    SECONDS("unready", unready_ns, "time since the relay last relayed; 0 while it relays; grows in a standby too"),
    SECONDS("behind", behind_ns,
            "time for which each claim has left events in the outbox; 0 after a claim that took all"),
    SECONDS("oldest_unconfirmed", oldest_ns,
            "age of the oldest event that was claimed and that the broker has not confirmed, blocked ones included; 0: "
            "there is none"),
    SECONDS("late", late_ns,
            "time for which the relay has been late, by service.late; 0: it is not, or service.late is not set"),
    TIMES(delivery, "of an event, from its created_at to the confirmation by the broker"),
    TIMES(claim, "duration of claim operations, empty and failed ones included"),
    TIMES(publish, "from handing a batch to the broker to the outcome of its last event"),
    TIMES(settle, "duration of settle operations"),
    NUMBER(claimed, COUNTER, "rows claimed, including repeated claims after a recovery"),
    NUMBER(delivered, COUNTER, "confirmations by the broker; an event that is sent again counts again"),
    NUMBER(settled, COUNTER, "events deleted after that: the throughput"),
    NUMBER(resent, COUNTER,
           "events published again that the broker has, or may have: the possible duplicates. An event that was "
           "certainly not sent does not count."),
    VIEW_NUMBER("recovery_resent", measures.recovery_resent, GAUGE,
                "those since the last outage began: the possible duplicates of the last recovery"),
    NUMBER(retried, COUNTER, "pauses of a key after a failed attempt: of its event, or of its topic"),
    NUMBER(rejected, COUNTER,
           "refusals: by the broker, by the route, or after max_attempts; each try of a blocked event counts"),
    NUMBER(dead_lettered, COUNTER, "events moved to the dead letters"),
    VIEW_NUMBER(
        "backlog", measures.backlog, GAUGE,
        "about how many events are in the outbox: in flight, blocked, and, estimated by their ids every 10 s, not "
        "claimed. Exact in `outbox status`. With a store that reads a log without those that are not claimed: "
        "see outbox_kept_log_bytes"),
    NUMBER(in_flight, GAUGE, "events claimed and not settled"),
    NUMBER(in_flight_bytes, GAUGE, "their memory"),
    NUMBER(blocked_keys, GAUGE, "keys blocked by a failed event"),
    NUMBER(blocked_events, GAUGE, "events waiting for them"),
    SECONDS("blocked", blocked_ns, "time since the key was blocked that is blocked longest; 0: none is"),
    NUMBER(store_connects, COUNTER, "connects to the store; each after the first is a reconnect"),
    NUMBER(
        broker_connects, COUNTER,
        "connects to the broker; each after the first is a reconnect, also of the client library by itself. A refused "
        "event costs none."),
    NUMBER(claims, COUNTER, "claim operations"),
    NUMBER(empty_claims, COUNTER, "polls that found the outbox empty, while idle mostly; a failed one is not counted"),
    NUMBER(settles, COUNTER, "settle operations"),
    SECONDS(
        "held", held_ns,
        "with a store that reads a log: time since the oldest event was claimed for which the log is kept; 0: there "
        "is none"),
    NUMBER(kept_log_bytes, GAUGE,
           "the server's log that is kept for the outbox; 0: unknown, or the store reads a table"),
    NUMBER(kept_log_percent, GAUGE, "the part of what may be kept"),
    NUMBER(recovered, COUNTER,
           "events that the progress record of a start names: removed without being published again "
           "(`delivery: exactly-once`)"),
    NUMBER(spooled, COUNTER, "events of a log that were copied to the spool, as they could not go at once"),
    NUMBER(transactions_aborted, COUNTER,
           "transactions that were given up: not committed, or with an unknown outcome that the next start finds out "
           "(`delivery: exactly-once`)"),
    NUMBER(transactions_committed, COUNTER, "transactions that the broker has committed (`delivery: exactly-once`)"),
    NUMBER(violations, COUNTER, "completions by plugins that violate the contract"),
    PROCESS("cpu_seconds", cpu_s, COUNTER, "CPU time used, by the program and by the kernel for it"),
    PROCESS("resident_memory_bytes", resident, GAUGE, "memory in RAM"),
    PROCESS("virtual_memory_bytes", virtual_memory, GAUGE, "address space"),
    PROCESS("open_fds", open_fds, GAUGE, "open file descriptors"),
    PROCESS("max_fds", max_fds, GAUGE, "their limit"),
    PROCESS("start_time_seconds", start_s, GAUGE, "start of the process, since 1970"),
};

/* ---- what is made of it ------------------------------------------------------------------------------------------ */

static const char *const kinds[] = {"counter", "gauge", "histogram"};

void obx_metrics_render(const struct obx_snapshot *snapshot, bool open_metrics, struct obx_buf *text)
{
    struct obx_process process;
    const struct output output = {snapshot, &process, text};
    obx_process_read(&process);
    for (size_t i = 0; i < OBX_COUNT(metrics); i++) {
        const char *name = metrics[i].name, *suffix = open_metrics ? "" : suffix_of(&metrics[i]);
        obx_buf_printf(text, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, metrics[i].help, name, suffix,
                       kinds[metrics[i].kind]);
        metrics[i].append(&output, &metrics[i]);
    }
    obx_buf_puts(text, open_metrics ? "# EOF\n" : "");
}

void obx_metrics_add_numbers(const struct obx_relay_view *view, json_t *object)
{
    for (size_t i = 0; i < OBX_COUNT(metrics); i++)
        if (metrics[i].append == append_numbers)
            json_object_set_new(object, metrics[i].name + strlen("outbox_"),
                                json_integer((json_int_t)value_of(view, &metrics[i])));
}

static bool is_of_relay(const struct metric *metric)
{
    return metric->append != append_build && metric->append != append_service && metric->append != append_reload_time &&
           metric->append != append_process;
}

void obx_metrics_reference(struct obx_buf *text)
{
    for (size_t i = 0; i < OBX_COUNT(metrics); i++)
        obx_buf_printf(text, "| `%s%s` | %s | %s | %s |\n", metrics[i].name, suffix_of(&metrics[i]),
                       kinds[metrics[i].kind], is_of_relay(&metrics[i]) ? "relay" : "process", metrics[i].help);
}
