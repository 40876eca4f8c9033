/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/bed.c - opening, closing, and ending a check with a result */
#include "bed.h"

#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A plugin may sync each of 2000 events of one publish, on a disk that others use, too. */
#define PATIENCE_MS 120000u

static void end(struct conf_bed *bed, enum conf_result result, const char *why) __attribute__((noreturn));
static void end(struct conf_bed *bed, enum conf_result result, const char *why)
{
    char line[CONF_WHY_SIZE + 8];
    int size = snprintf(line, sizeof line, "%d%.*s", (int)result, CONF_WHY_SIZE - 2, why);
    /* a broken pipe is a dead parent: nobody is left to tell */
    ssize_t written = write(bed->report, line, (size_t)size);
    _exit(written == size ? 0 : 1);
}

void conf_fail(struct conf_bed *bed, const char *file, int line, const char *format, ...)
{
    char why[CONF_WHY_SIZE];
    const char *name = strrchr(file, '/');
    int size = snprintf(why, sizeof why, "%s:%d: ", name ? name + 1 : file, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why + size, sizeof why - (size_t)size, format, arguments);
    va_end(arguments);
    end(bed, CONF_FAILED, why);
}

void conf_skip(struct conf_bed *bed, const char *why)
{
    end(bed, CONF_SKIPPED, why);
}

void conf_bed_open(struct conf_bed *bed)
{
    const char *prepare = bed->subject->prepare;
    conf_require(bed, !prepare || system(prepare) == 0, "the prepare command failed: %s", prepare);
    conf_must(bed, harness_open_uv(&bed->harness, bed->subject->directory, error));
    bed->harness.patience_ms = PATIENCE_MS;
    bed->harness.verbose = getenv("OUTBOX_CONFORMANCE_VERBOSE") != NULL;
    conf_must(bed, harness_configure(&bed->harness, bed->subject->name, bed->subject->yaml, error));
}

static void drop(struct conf_bed *bed, struct obx_instance *instance)
{
    if (!instance)
        return;
    struct obx_violations violations = obx_instance_violations(instance);
    conf_require(bed, !violations.unknown_ops, "%llu completions or outcomes of ops that were not in flight",
                 (unsigned long long)violations.unknown_ops);
    conf_require(bed, !violations.bad_outcomes, "%llu outcomes out of range, told twice or of no known kind",
                 (unsigned long long)violations.bad_outcomes);
    conf_require(bed, obx_instance_in_flight(instance) == 0, "ops are in flight after stop");
    obx_instance_free(instance);
}

void conf_bed_close(struct conf_bed *bed)
{
    struct obx_instance *instances[] = {bed->store, bed->other == bed->store ? NULL : bed->other, bed->broker};
    for (size_t i = 0; i < sizeof instances / sizeof instances[0]; i++) {
        if (instances[i])
            conf_must(bed, harness_stop(&bed->harness, instances[i], error));
        drop(bed, instances[i]);
    }
    int left = harness_close(&bed->harness);
    conf_require(bed, left == 0, "closing the loop gave %d: something was left open", left);
    size_t live = bed->subject->live ? bed->subject->live() : 0;
    conf_require(bed, live == 0, "%zu blocks of memory were not freed", live);
    end(bed, CONF_OK, "");
}
