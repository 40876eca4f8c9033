/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/template/store.c - a store to copy: a directory whose files are events (spool.h)
 *
 * A row is claimed once between two rewinds, in the order of positions. A row that appears late, with a smaller
 * position, is claimed when it appears. A settled file is removed durably. The owner holds a lock on the file .owner
 * until it stops; settle needs the lock, so another process cannot settle.
 *
 * Failure modes:
 *   the directory is missing or unreadable     the operation fails; the host stops and starts the store
 *   a file without the required lines          its row has nulls, and the host rejects it
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int spool_fail_errno(const struct spool *spool, struct outbox_error *error, const char *what)
{
    int number = errno == EBADF ? ENOENT : errno; /* the directory was missing at the start */
    int code = OUTBOX_E_NOT_CONNECTED;
    if (number == ENOENT)
        code = OUTBOX_E_NOT_FOUND;
    else if (number == EACCES)
        code = OUTBOX_E_PERMISSION;
    else if (number == ENOSPC)
        code = OUTBOX_E_FULL;
    else if (number == ENOMEM)
        code = OUTBOX_E_NO_MEMORY;
    outbox_error_set(error, code, "%s %s: %s", what, spool->path, strerror(number));
    error->native = number;
    return code;
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

static void complete_stop(struct spool *spool);

static void work(struct outbox_work *outbox_work)
{
    struct job *job = outbox_work->arg;
    job->run(job);
}

/* Do not use the op after op_done(): its memory may be in use again. */
static void done(struct outbox_work *outbox_work)
{
    struct job *job = outbox_work->arg;
    struct spool *spool = job->spool;
    spool->jobs--;
    if (job->after)
        job->after(job);
    spool->host->op_done(spool->host, job->op, &job->error);
    complete_stop(spool);
}

void spool_submit(struct spool *spool, outbox_op_t op, void (*run)(struct job *job), const void *argument)
{
    struct job *job = spool->host->op_scratch(spool->host, op);
    job->work = (struct outbox_work){.work = work, .done = done, .arg = job};
    job->spool = spool;
    job->op = op;
    job->run = run;
    job->argument = (void *)(uintptr_t)argument;
    spool->jobs++;
    if (spool->host->offload(spool->host, &job->work) == OUTBOX_OK)
        return;
    spool->jobs--;
    outbox_error_set(&job->error, OUTBOX_E_NO_MEMORY, "no worker thread is available");
    spool->host->op_done(spool->host, op, &job->error);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int spool_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct spool *spool = self;
    spool->host = init->host;
    spool->dir = spool->owner = -1;
    if (!spool->path[0])
        return outbox_error_set(error, OUTBOX_E_CONFIG, "path is empty; give a directory");
    return OUTBOX_OK;
}

static void close_all(struct spool *spool)
{
    if (spool->owner >= 0)
        close(spool->owner);
    if (spool->dir >= 0)
        close(spool->dir);
    spool->dir = spool->owner = -1;
    spool_list_free(spool->host, &spool->outstanding);
}

static void spool_fini(void *self)
{
    struct spool *spool = self;
    if (spool->host)
        close_all(spool);
}

static int choose_columns(struct spool *spool, const struct outbox_store_start *start, struct outbox_error *error)
{
    if (start->column_count > COLUMNS_MAX)
        return outbox_error_set(error, OUTBOX_E_UNSUPPORTED, "start: %u columns; the maximum is %d",
                                start->column_count, COLUMNS_MAX);
    spool->columns = start->column_count;
    for (uint32_t i = 0; i < spool->columns; i++) {
        uint8_t field = 0;
        while (field < SPOOL_FIELDS && strcmp(spool_fields[field], start->columns[i].name))
            field++;
        if (field == SPOOL_FIELDS && !(start->columns[i].flags & OUTBOX_COLUMN_OPTIONAL))
            return outbox_error_set(error, OUTBOX_E_SCHEMA,
                                    "start: events in files have no column '%s'; remove it from the route",
                                    start->columns[i].name);
        spool->fields[i] = field;
    }
    return OUTBOX_OK;
}

/* A start without columns is for administration, which may create the directory. */
static void run_start(struct job *job)
{
    struct spool *spool = job->spool;
    if (choose_columns(spool, job->argument, &job->error))
        return;
    const struct outbox_store_start *start = job->argument;
    spool->dir = open(spool->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->dir < 0 && (errno != ENOENT || start->column_count))
        spool_fail_errno(spool, &job->error, "open");
}

static void start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    spool_submit(self, op, run_start, start);
}

static void stop(void *self, outbox_op_t op)
{
    struct spool *spool = self;
    spool->stop = op;
    complete_stop(spool);
}

/* stop() completes after all jobs. Closing the file releases the ownership. */
static void complete_stop(struct spool *spool)
{
    outbox_op_t op = spool->stop;
    if (!op || spool->jobs)
        return;
    spool->stop = 0;
    close_all(spool);
    spool->host->op_done(spool->host, op, NULL);
}

/* ---- ownership --------------------------------------------------------------------------------------------------- */

static void run_acquire(struct job *job)
{
    struct spool *spool = job->spool;
    struct outbox_acquire *acquire = job->argument;
    int fd = openat(spool->dir, ".owner", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        spool_fail_errno(spool, &job->error, "acquire");
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        spool->owner = fd;
        spool->outstanding.count = 0;
        if (ftruncate(fd, 0) == 0)
            dprintf(fd, "process %ld", (long)getpid());
        return;
    }
    ssize_t size = pread(fd, acquire->owner, sizeof acquire->owner - 1, 0);
    acquire->owner[size > 0 ? size : 0] = '\0';
    outbox_error_set(&job->error, OUTBOX_E_STANDBY, "acquire %s: %s owns it", spool->path, acquire->owner);
    close(fd);
}

static void acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire)
{
    struct spool *spool = self;
    if (spool->owner < 0)
        spool_submit(spool, op, run_acquire, acquire);
    else
        spool->host->op_done(spool->host, op, NULL);
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

static void run_settle(struct job *job)
{
    struct spool *spool = job->spool;
    const struct outbox_settle *settle = job->argument;
    if (spool->owner < 0) {
        outbox_error_set(&job->error, OUTBOX_E_FENCED, "settle in %s: not the owner", spool->path);
        return;
    }
    for (uint32_t i = 0; i < settle->span_count; i++) {
        const struct outbox_span *span = &settle->spans[i];
        for (uint32_t row = span->first; row < span->first + span->count; row++) {
            if (spool_remove(spool->dir, span->batch->positions[row].major)) {
                spool_fail_errno(spool, &job->error, "settle in");
                return;
            }
        }
    }
    if (fsync(spool->dir))
        spool_fail_errno(spool, &job->error, "sync");
}

static void settle(void *self, outbox_op_t op, const struct outbox_settle *settle)
{
    spool_submit(self, op, run_settle, settle);
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static const struct outbox_option options[] = {
    {.name = "path",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_REQUIRED | OUTBOX_OPT_IDENTITY,
     .offset = offsetof(struct spool, path),
     .help = "directory whose files are the events"},
};

static const struct outbox_store_ops ops = {
    .struct_size = sizeof(struct outbox_store_ops),
    .init = spool_init,
    .fini = spool_fini,
    .start = start,
    .stop = stop,
    .acquire = acquire,
    .claim = spool_claim,
    .release = spool_release,
    .settle = settle,
    .setup = spool_setup,
    .print = spool_print,
    .check = spool_check,
    .status = spool_status,
    .add = spool_add,
};

OUTBOX_PLUGIN(store, spool) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_STORE,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ADMIN,
    .name = "spool",
    .version = "0.1.0",
    .description = "relays the files of a directory",
    .instance_size = sizeof(struct spool),
    .op_size = sizeof(struct job),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
};
