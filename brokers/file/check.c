/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/check.c - `outbox check`: is this a good place for a file that must not be lost?
 *
 * Reports what a probing start found (probe.c), and inspects the path and its file system on a worker of its own, so it
 * shares nothing with a running job. It cannot fail: a path that cannot be inspected is a finding too.
 */
#include "broker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FREE_SPACE_MIN (64ll << 20)

/* Locks and syncs may not hold on these. */
static bool is_network(const struct statfs *status)
{
    static const uint32_t types[] = {0x6969, 0xff534d42, 0xfe534d42, 0x517b, 0x00c36400, 0x01021997, 0x5346414f};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if ((uint32_t)status->f_type == types[i])
            return true;
    return false;
}

static void work(struct outbox_work *work)
{
    struct file_check *check = work->arg;
    const char *path = check->broker->path, *slash = strrchr(path, '/');
    struct statfs status;
    char dir[4096];
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    bool named = check->broker->probing && !check->broker->probe.exists;
    check->number = statfs(named ? dir : path, &status) ? errno : 0;
    check->network = !check->number && is_network(&status);
    check->free = check->number ? 0 : (int64_t)status.f_bavail * (int64_t)status.f_bsize;
    check->directory_read_only = access(dir, W_OK) != 0;
}

static void find(const struct file_check *check, enum outbox_severity severity, const char *reason, const char *advice)
{
    char subject[4200];
    snprintf(subject, sizeof subject, "file %s", check->broker->path);
    outbox_report_finding(check->check, severity, subject, reason, advice);
}

static void report(const struct file_check *check)
{
    const struct file_broker *broker = check->broker;
    char text[512];
    if (check->number) {
        snprintf(text, sizeof text, "%s cannot be inspected: %s", broker->path, strerror(check->number));
        find(check, OUTBOX_SEVERITY_ERROR, text, "find out which program removes it");
        return;
    }
    if (check->network) {
        snprintf(text, sizeof text, "%s is on a network file system", broker->path);
        find(check, OUTBOX_SEVERITY_WARNING, text, "use a local disk: syncs and locks may not hold there");
    }
    if (check->free < FREE_SPACE_MIN) {
        snprintf(text, sizeof text, "only %lld bytes are free for %s", (long long)check->free, broker->path);
        find(check, OUTBOX_SEVERITY_WARNING, text, "free some space; events wait in the outbox while there is none");
    }
    if (check->directory_read_only && broker->max_size) {
        snprintf(text, sizeof text, "this user cannot write the directory of %s", broker->path);
        find(check, OUTBOX_SEVERITY_WARNING, text, "allow this user to write it, or the file cannot be rotated");
    }
    snprintf(text, sizeof text, "%s can be %s, %lld MiB are free", broker->path,
             broker->probing && !broker->probe.exists ? "created" : "written", (long long)(check->free >> 20));
    find(check, OUTBOX_SEVERITY_OK, text, NULL);
}

static void report_probe(const struct file_check *check)
{
    char text[512];
    if (!check->broker->probing || !check->broker->probe.in_use)
        return;
    snprintf(text, sizeof text, "another process writes %s: a relay is running", check->broker->path);
    find(check, OUTBOX_SEVERITY_OK, text, NULL);
}

static void done(struct outbox_work *work)
{
    struct file_check *check = work->arg;
    struct file_broker *broker = check->broker;
    report_probe(check);
    report(check);
    broker->checks--;
    broker->host->op_done(broker->host, check->op, NULL);
    file_advance(broker);
}

void file_check(void *self, outbox_op_t op, const struct outbox_check *arguments)
{
    struct file_broker *broker = self;
    struct file_check *check = broker->host->op_scratch(broker->host, op);
    struct outbox_error error;
    check->work = (struct outbox_work){.work = work, .done = done, .arg = check};
    check->broker = broker;
    check->op = op;
    check->check = arguments;
    if (broker->host->offload(broker->host, &check->work) == OUTBOX_OK) {
        broker->checks++;
        return;
    }
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "check %s: no worker thread is available", broker->path);
    broker->host->op_done(broker->host, op, &error);
}
