/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/plugin_util.h - helpers for plugins: errors and completions by printf, outcomes, two queues. It includes
 * outbox/text_util.h, outbox/check_util.h and outbox/broker_util.h
 *
 *   OUTBOX_OPTION                                  one line of the options table
 *   OUTBOX_HAS_MEMBER  OUTBOX_SET_MEMBER           members that an older host does not have
 *   outbox_error_set  outbox_complete              errors and the end of an operation, by printf
 *   outbox_report_outcomes  outbox_report_outcome  outcomes of a range of messages, or of one by printf
 *   outbox_outcomes_index                          which message an outcome of a report is about
 *   outbox_message_scratch  outbox_message_stride  the memory of one message of a publish
 *   struct outbox_serial                           jobs on worker threads, one at a time, in the order of submission
 *   struct outbox_queue                            from the threads of a client library to the loop thread
 *
 * Not part of the ABI: the helpers are compiled into the plugin, which still links nothing of outbox. Functions are for
 * the loop thread unless a comment has "any thread". A plugin that uses struct outbox_queue is compiled with -pthread.
 */
#ifndef OUTBOX_PLUGIN_UTIL_H
#define OUTBOX_PLUGIN_UTIL_H

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <outbox/plugin.h>
#include <outbox/text_util.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define OUTBOX_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define OUTBOX_PRINTF(text, first)
#endif

/* OUTBOX_OPTION(struct my_broker, "timeout", DURATION, timeout_ms, .default_value = "5s", .help = "...") */
#define OUTBOX_OPTION(owner, key, kind, member, ...)                                             \
    {                                                                                            \
        .name = (key), .type = OUTBOX_OPT_##kind, .offset = offsetof(owner, member), __VA_ARGS__ \
    }

/* Does a structure of the other side reach to this member? A host that is older than the plugin made a shorter one. The
 * object has a member struct_size. Any thread. */
#define OUTBOX_HAS_MEMBER(object, member) \
    ((object)->struct_size >= (size_t)((const char *)(&(object)->member + 1) - (const char *)(object)))
/* Write a member of a structure of the other side if it is there. */
#define OUTBOX_SET_MEMBER(object, member, value) \
    do {                                         \
        if (OUTBOX_HAS_MEMBER(object, member))   \
            (object)->member = (value);          \
    } while (0)

static inline int outbox_error_set(struct outbox_error *error, int code, const char *format, ...) OUTBOX_PRINTF(3, 4);
static inline int outbox_error_setv(struct outbox_error *error, int code, const char *format, va_list list)
    OUTBOX_PRINTF(3, 0);

/* Overwrite *error, which may be NULL. Returns the code, for `return outbox_error_set(...)`. A text that is too long is
 * cut between two characters of UTF-8. Set `native` and `state` after this call, which clears them. */
static inline int outbox_error_set(struct outbox_error *error, int code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    outbox_error_setv(error, code, format, list);
    va_end(list);
    return code;
}

static inline int outbox_error_setv(struct outbox_error *error, int code, const char *format, va_list list)
{
    if (!error)
        return code;
    memset(error, 0, sizeof *error);
    error->code = code;
    if (vsnprintf(error->text, sizeof error->text, format, list) >= (int)sizeof error->text) {
        size_t end = sizeof error->text - 1;
        while (end && ((unsigned char)error->text[end - 1] & 0xc0) == 0x80)
            end--;
        if (end && (unsigned char)error->text[end - 1] >= 0xc0)
            end--;
        error->text[end] = '\0';
    }
    return code;
}

/* The error of a success, for callbacks whose error is never NULL. */
static inline const struct outbox_error *outbox_error_none(void)
{
    static const struct outbox_error none = {0, 0, "", ""};
    return &none;
}

/* Report one outcome (enum outbox_outcome) of the messages first .. first + count - 1 of a publish; count 0: no call.
 * error: why; NULL for OUTBOX_DELIVERED. Loop thread. */
static inline void outbox_report_outcomes(const struct outbox_host *host, outbox_op_t op, uint32_t first,
                                          uint32_t count, uint32_t outcome, const struct outbox_error *error)
{
    struct outbox_outcomes outcomes;
    if (!count)
        return;
    memset(&outcomes, 0, sizeof outcomes);
    outcomes.struct_size = sizeof outcomes;
    outcomes.outcome = outcome;
    outcomes.first = first;
    outcomes.count = count;
    outcomes.error = error;
    host->outcomes(host, op, &outcomes);
}

/* The message that outcome number `i` of a report is about; i is below count. Any thread. */
static inline uint32_t outbox_outcomes_index(const struct outbox_outcomes *outcomes, uint32_t i)
{
    return outcomes->indexes ? outcomes->indexes[i] : outcomes->first + i;
}

/* ---- completions and outcomes by printf ----------------------------------------------------------------------- */

/* Complete an operation that failed. code: OUTBOX_E_*. */
static inline void outbox_complete(const struct outbox_host *host, outbox_op_t op, int code, const char *format, ...)
    OUTBOX_PRINTF(4, 5);
static inline void outbox_complete(const struct outbox_host *host, outbox_op_t op, int code, const char *format, ...)
{
    struct outbox_error error;
    va_list list;
    va_start(list, format);
    outbox_error_setv(&error, code, format, list);
    va_end(list);
    host->op_done(host, op, &error);
}

/* Report that one message was not delivered. */
static inline void outbox_report_outcome(const struct outbox_host *host, outbox_op_t op, uint32_t index,
                                         uint32_t outcome, int code, const char *format, ...) OUTBOX_PRINTF(6, 7);
static inline void outbox_report_outcome(const struct outbox_host *host, outbox_op_t op, uint32_t index,
                                         uint32_t outcome, int code, const char *format, ...)
{
    struct outbox_error error;
    va_list list;
    va_start(list, format);
    outbox_error_setv(&error, code, format, list);
    va_end(list);
    outbox_report_outcomes(host, op, index, 1, outcome, &error);
}

#define OUTBOX_MESSAGE_ALIGN 16u /* the memory of a message is aligned for every type */

/* Bytes from the memory of one message to that of the next: see op_messages() in plugin.h. Any thread. */
static inline size_t outbox_message_stride(size_t message_size)
{
    return (message_size + OUTBOX_MESSAGE_ALIGN - 1) / OUTBOX_MESSAGE_ALIGN * OUTBOX_MESSAGE_ALIGN;
}

/* The memory of one message: `message_size` of the descriptor, zeroed when the publish was submitted. NULL: none. */
static inline void *outbox_message_scratch(const struct outbox_host *host, outbox_op_t op, size_t message_size,
                                           uint32_t index)
{
    char *all = (char *)host->op_messages(host, op);
    return all ? all + outbox_message_stride(message_size) * index : NULL;
}

/* ---- a serial worker queue -------------------------------------------------------------------------------------- */

/* One job. Owned by the caller; stays in place until done() is called. */
struct outbox_serial_job {
    struct outbox_serial_job *next;                        /* private */
    void (*work)(struct outbox_serial_job *job);           /* worker thread; may block */
    void (*done)(struct outbox_serial_job *job, int code); /* loop thread; code: not OUTBOX_OK if no worker ran it */
};

/* Jobs run one at a time, in the order of submission; so a client library that is not thread-safe may be used. */
struct outbox_serial {
    const struct outbox_host *host;
    struct outbox_serial_job *first, **last;
    struct outbox_work running;
    bool busy;
};

static inline void outbox_serial_init(struct outbox_serial *serial, const struct outbox_host *host)
{
    memset(serial, 0, sizeof *serial);
    serial->host = host;
    serial->last = &serial->first;
}

static inline bool outbox_serial_idle(const struct outbox_serial *serial)
{
    return !serial->busy;
}

static inline void outbox_serial_next(struct outbox_serial *serial);

static inline void outbox_serial_finish(struct outbox_serial *serial, int code)
{
    struct outbox_serial_job *job = serial->first;
    serial->first = job->next;
    if (!serial->first)
        serial->last = &serial->first;
    serial->busy = serial->first != NULL;
    job->done(job, code);
}

static inline void outbox_serial_run(struct outbox_work *work)
{
    struct outbox_serial *serial = (struct outbox_serial *)work->arg;
    serial->first->work(serial->first);
}

static inline void outbox_serial_ran(struct outbox_work *work)
{
    struct outbox_serial *serial = (struct outbox_serial *)work->arg;
    bool more = serial->first->next != NULL;
    outbox_serial_finish(serial, OUTBOX_OK);
    if (more)
        outbox_serial_next(serial);
}

static inline void outbox_serial_next(struct outbox_serial *serial)
{
    int code = OUTBOX_E_NO_MEMORY;
    while (serial->first && code) {
        bool more = serial->first->next != NULL;
        memset(&serial->running, 0, sizeof serial->running);
        serial->running.work = outbox_serial_run;
        serial->running.done = outbox_serial_ran;
        serial->running.arg = serial;
        code = serial->host->offload(serial->host, &serial->running);
        if (code)
            outbox_serial_finish(serial, code);
        if (!more)
            return;
    }
}

/* job: work and done are set. done() may add the next job. */
static inline void outbox_serial_add(struct outbox_serial *serial, struct outbox_serial_job *job)
{
    bool was_busy = serial->busy;
    job->next = NULL;
    *serial->last = job;
    serial->last = &job->next;
    serial->busy = true;
    if (!was_busy)
        outbox_serial_next(serial);
}

/* ---- from other threads to the loop thread ----------------------------------------------------------------------- */

struct outbox_queue_item {
    struct outbox_queue_item *next; /* private */
};

/* Threads of a client library push items; handle() gets each on the loop thread, in the order of pushing. */
struct outbox_queue {
    struct outbox_task task; /* private, like the next four */
    const struct outbox_host *host;
    pthread_mutex_t lock;
    struct outbox_queue_item *first, **last;
    void (*handle)(void *arg, struct outbox_queue_item *item); /* the item is the plugin's again */
    void *arg;
};

/* Loop thread: hand over all items that were pushed, now. In stop(), after the library has stopped its threads. */
static inline void outbox_queue_flush(struct outbox_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct outbox_queue_item *item = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    pthread_mutex_unlock(&queue->lock);
    for (struct outbox_queue_item *next; item; item = next) {
        next = item->next;
        queue->handle(queue->arg, item);
    }
}

static inline void outbox_queue_run(struct outbox_task *task)
{
    outbox_queue_flush((struct outbox_queue *)task->arg);
}

/* In init(). The queue must stay in place until fini(). */
static inline void outbox_queue_init(struct outbox_queue *queue, const struct outbox_host *host,
                                     void (*handle)(void *arg, struct outbox_queue_item *item), void *arg)
{
    memset(queue, 0, sizeof *queue);
    queue->task.run = outbox_queue_run;
    queue->task.arg = queue;
    queue->host = host;
    queue->last = &queue->first;
    queue->handle = handle;
    queue->arg = arg;
    pthread_mutex_init(&queue->lock, NULL);
}

/* Any thread. item: in memory that the plugin owns; it is the queue's until handle(). */
static inline void outbox_queue_push(struct outbox_queue *queue, struct outbox_queue_item *item)
{
    pthread_mutex_lock(&queue->lock);
    item->next = NULL;
    *queue->last = item;
    queue->last = &item->next;
    pthread_mutex_unlock(&queue->lock);
    queue->host->post(queue->host, &queue->task);
}

/* In fini(): no thread pushes any more. Items that are left are not handed over. */
static inline void outbox_queue_free(struct outbox_queue *queue)
{
    pthread_mutex_destroy(&queue->lock);
}

#ifdef __cplusplus
}
#endif

#include <outbox/broker_util.h>
#include <outbox/check_util.h>
#endif
