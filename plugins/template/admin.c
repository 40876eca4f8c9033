/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/template/admin.c - for `outbox init`, `add`, `check` and `status`; needs OUTBOX_CAP_ADMIN
 *
 * These also run on a store that was started without columns, when the directory may be missing. Then check reports it,
 * setup creates it, and all others fail with NOT_FOUND.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void run_setup(struct job *job)
{
    struct spool *spool = job->spool;
    if (mkdir(spool->path, 0750) && errno != EEXIST)
        spool_fail_errno(spool, &job->error, "create");
    else if (spool->dir < 0 && (spool->dir = open(spool->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        spool_fail_errno(spool, &job->error, "open");
}

void spool_setup(void *self, outbox_op_t op)
{
    spool_submit(self, op, run_setup, NULL);
}

int spool_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
                struct outbox_error *error)
{
    const struct spool *spool = self;
    (void)error;
    char text[512];
    snprintf(text, sizeof text, what == OUTBOX_PRINT_SQL ? "mkdir -m 0750 '%s'" : "chown outbox '%s'", spool->path);
    line(arg, text);
    return OUTBOX_OK;
}

static void run_status(struct job *job)
{
    struct spool *spool = job->spool;
    struct outbox_store_status *status = job->argument;
    struct spool_list there = {0};
    struct spool_event first;
    status->dead = status->oldest_us = -1;
    status->owner[0] = '\0';
    snprintf(status->server, sizeof status->server, "a directory of files");
    if (spool_read_dir(spool->host, spool->dir, &there))
        spool_fail_errno(spool, &job->error, "read");
    status->pending = (int64_t)there.count;
    if (there.count && spool_load(spool->host, spool->dir, there.items[0], &first) == 0) {
        status->oldest_us = spool_value(&first, SPOOL_CREATED_AT, 0).as.integer;
        spool->host->release(spool->host, first.memory);
    }
    spool_list_free(spool->host, &there);
}

void spool_status(void *self, outbox_op_t op, struct outbox_store_status *status)
{
    spool_submit(self, op, run_status, status);
}

static void run_check(struct job *job)
{
    job->missing = faccessat(job->spool->dir, ".", W_OK, 0) ? errno : 0;
}

static void report_check(struct job *job)
{
    const struct outbox_check *check = job->argument;
    if (!job->missing)
        outbox_report_finding(check, OUTBOX_SEVERITY_OK, "directory", "the directory of the events is writable", NULL);
    else if (job->missing == EBADF) /* it was missing at the start */
        outbox_report_finding(check, OUTBOX_SEVERITY_ERROR, "directory", "the directory of the events does not exist",
                              "create it with 'outbox init'");
    else
        outbox_report_finding(check, OUTBOX_SEVERITY_ERROR, "directory", "the directory of the events is not writable",
                              "allow this user to write it: settle removes files");
}

void spool_check(void *self, outbox_op_t op, const struct outbox_check *check)
{
    struct spool *spool = self;
    struct job *job = spool->host->op_scratch(spool->host, op);
    job->after = report_check;
    spool_submit(spool, op, run_check, check);
}

static bool is_single_line(struct outbox_bytes value, bool required)
{
    return value.data ? !memchr(value.data, '\n', value.size) : !required;
}

static int check_events(const struct outbox_add *add, struct outbox_error *error)
{
    for (uint32_t i = 0; i < add->count; i++) {
        const struct outbox_event *event = add->events[i];
        if (!is_single_line(event->event_id, false) || !is_single_line(event->aggregate_type, true) ||
            !is_single_line(event->aggregate_id, true) || !is_single_line(event->type, true) ||
            !is_single_line(event->headers, false))
            return outbox_error_set(
                error, OUTBOX_E_INVALID,
                "add event %u: type, aggregate_type and aggregate_id are required, and only the payload "
                "may have more than one line",
                i + 1);
    }
    return OUTBOX_OK;
}

/* All files are written before the first one is visible. A crash between two names leaves some of them. */
static int write_events(struct spool *spool, const struct outbox_add *add, char (*names)[SPOOL_TEMPORARY])
{
    struct spool_list there = {0};
    uint32_t written = 0, published = 0;
    int result = spool_read_dir(spool->host, spool->dir, &there);
    uint64_t last = (uint64_t)spool_now_us();
    if (there.count && there.items[there.count - 1] > last)
        last = there.items[there.count - 1];
    spool_list_free(spool->host, &there);
    for (; !result && written < add->count; written++)
        result = spool_write(spool->host, spool->dir, add->events[written], names[written]);
    for (; !result && published < add->count; published++)
        result = spool_publish(spool->dir, names[published], &last);
    for (int number = errno; result && published < written; published++, errno = number)
        unlinkat(spool->dir, names[published], 0);
    return result ? result : fsync(spool->dir);
}

static void run_add(struct job *job)
{
    struct spool *spool = job->spool;
    const struct outbox_add *add = job->argument;
    if (check_events(add, &job->error))
        return;
    char(*names)[SPOOL_TEMPORARY] = spool->host->alloc(spool->host, add->count * sizeof *names);
    errno = ENOMEM;
    if (!names || write_events(spool, add, names))
        spool_fail_errno(spool, &job->error, "add to");
    if (names)
        spool->host->release(spool->host, names);
}

void spool_add(void *self, outbox_op_t op, const struct outbox_add *add)
{
    spool_submit(self, op, run_add, add);
}
