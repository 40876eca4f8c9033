/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/fixture.c - opening, closing, and ending a check with a result */
#include "fixture.h"

#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A plugin may sync each of 2000 events of one publish, on a busy disk. */
#define WAIT_MAX_MS 300000u

static void end(struct conf_fixture *fixture, enum conf_result result, const char *why) __attribute__((noreturn));
static void end(struct conf_fixture *fixture, enum conf_result result, const char *why)
{
    char line[CONF_WHY_SIZE + 8];
    int size = snprintf(line, sizeof line, "%d%.*s", (int)result, CONF_WHY_SIZE - 2, why);
    /* a broken pipe means that the parent is dead */
    ssize_t written = write(fixture->report, line, (size_t)size);
    _exit(written == size ? 0 : 1);
}

void conf_fail(struct conf_fixture *fixture, const char *file, int line, const char *format, ...)
{
    char why[CONF_WHY_SIZE];
    const char *name = strrchr(file, '/');
    int size = snprintf(why, sizeof why, "%s:%d: ", name ? name + 1 : file, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why + size, sizeof why - (size_t)size, format, arguments);
    va_end(arguments);
    end(fixture, CONF_FAILED, why);
}

void conf_skip(struct conf_fixture *fixture, const char *why)
{
    end(fixture, CONF_SKIPPED, why);
}

void conf_fixture_open(struct conf_fixture *fixture)
{
    const char *prepare = fixture->subject->prepare;
    conf_require(fixture, !prepare || system(prepare) == 0, "the prepare command failed: %s", prepare);
    conf_must(fixture, loop_fixture_open_uv(&fixture->base, fixture->subject->directory, error));
    fixture->base.timeout_ms = WAIT_MAX_MS;
    fixture->base.verbose = getenv("OUTBOX_CONFORMANCE_VERBOSE") != NULL;
    conf_must(fixture, loop_fixture_configure(&fixture->base, fixture->subject->name, fixture->subject->yaml, error));
}

static void drop(struct conf_fixture *fixture, struct obx_instance *instance)
{
    if (!instance)
        return;
    struct obx_violations violations = obx_instance_violations(instance);
    conf_require(fixture, !violations.unknown_ops, "%llu completions or outcomes of ops that were not in flight",
                 (unsigned long long)violations.unknown_ops);
    conf_require(fixture, !violations.bad_outcomes, "%llu outcomes out of range, reported twice, or of an unknown kind",
                 (unsigned long long)violations.bad_outcomes);
    conf_require(fixture, obx_instance_in_flight(instance) == 0, "ops are in flight after stop");
    obx_instance_free(instance);
}

void conf_fixture_close(struct conf_fixture *fixture)
{
    struct obx_instance *instances[] = {fixture->store, fixture->other == fixture->store ? NULL : fixture->other,
                                        fixture->broker};
    for (size_t i = 0; i < sizeof instances / sizeof instances[0]; i++) {
        if (instances[i])
            conf_must(fixture, loop_fixture_stop(&fixture->base, instances[i], error));
        drop(fixture, instances[i]);
    }
    int left = loop_fixture_close(&fixture->base);
    conf_require(fixture, left == 0, "closing the loop gave %d: a handle is still open", left);
    size_t live = fixture->subject->live ? fixture->subject->live() : 0;
    conf_require(fixture, live == 0, "%zu blocks of memory were not freed", live);
    end(fixture, CONF_OK, "");
}
