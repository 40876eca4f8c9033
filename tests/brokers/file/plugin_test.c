/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/file/plugin_test.c - the whole file broker through the plugin interface: queueing, failures, restarts
 *
 * On the fake loop, whose workers run when the seed says, so that publishes queue up during a job.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../../../brokers/file/broker.h"
#include "fake_loop.h"
#include "loop_fixture.h"
#include "mem_fault.h"
#include "sys_fixture.h"

#define SLOTS 40

struct one {
    struct loop_fixture_call call;
    struct outbox_message message;
    struct outbox_publish publish;
    char text[12];
    uint8_t outcome;
    uint32_t reports;
};

struct test {
    struct fake_loop fake; /* first */
    struct loop_fixture base;
    struct obx_instance *broker;
    char dir[40], path[64];
    struct one slots[SLOTS];
};

static bool turn(struct obx_loop *loop)
{
    return fake_loop_step((struct fake_loop *)loop);
}

static int drop(struct obx_loop *loop)
{
    return fake_loop_idle((struct fake_loop *)loop) ? 0 : -1;
}

static void begin(struct test *test)
{
    char yaml[200];
    struct outbox_error error = {0};
    memset(test, 0, sizeof *test);
    strcpy(test->dir, "/tmp/outbox-plugin-XXXXXX");
    cr_assert_not_null(mkdtemp(test->dir));
    snprintf(test->path, sizeof test->path, "%s/events.ndjson", test->dir);
    snprintf(yaml, sizeof yaml, "it: { plugin: file, path: %s }\n", test->path);
    fake_loop_init(&test->fake, 3);
    cr_assert_eq(loop_fixture_open(&test->base, &test->fake.base, turn, drop, NULL, &error), 0);
    cr_assert_eq(loop_fixture_configure(&test->base, "test.yaml", yaml, &error), 0);
    cr_assert_eq(loop_fixture_instance(&test->base, OUTBOX_BROKER, "it", &test->broker, &error), 0, "%s", error.text);
    file_replace_system(obx_instance_self(test->broker), &sys_fixture_sys, FILE_MIN_ROOM);
}

static int start(struct test *test, struct outbox_error *error)
{
    return loop_fixture_broker_start(&test->base, test->broker, error);
}

static void must_start(struct test *test)
{
    struct outbox_error error = {0};
    cr_assert_eq(start(test, &error), 0, "%s", error.text);
}

static void end(struct test *test)
{
    cr_assert_eq(loop_fixture_stop(&test->base, test->broker, NULL), 0);
    cr_assert_eq(sys_fixture_open_files(), 0);
    cr_assert_eq(obx_instance_violations(test->broker).unknown_ops, 0);
    cr_assert_eq(obx_instance_violations(test->broker).bad_outcomes, 0);
    obx_instance_free(test->broker);
    cr_assert_eq(loop_fixture_close(&test->base), 0);
    cr_assert_eq(mem_live(), 0);
    unlink(test->path);
    rmdir(test->dir);
}

static void submit(struct test *test, int slot)
{
    struct one *one = &test->slots[slot];
    memset(one, 0, sizeof *one);
    snprintf(one->text, sizeof one->text, "%d", slot);
    one->message = (struct outbox_message){.topic = {"t", 1}, .key = {"k", 1}, .value = {one->text, strlen(one->text)}};
    one->publish = (struct outbox_publish){
        .struct_size = sizeof one->publish, .count = 1, .messages = &one->message, .stride = sizeof one->message};
    loop_fixture_reset(&one->call);
    one->call.outcomes = &one->outcome;
    one->call.reports = &one->reports;
    obx_broker_publish(test->broker, &one->call.call, &one->publish);
}

static uint8_t finish(struct test *test, int slot)
{
    loop_fixture_wait(&test->base, &test->slots[slot].call);
    cr_assert(test->slots[slot].call.done);
    cr_assert_eq(test->slots[slot].reports, 1);
    return test->slots[slot].outcome;
}

static size_t lines(struct test *test)
{
    FILE *file = fopen(test->path, "r");
    size_t count = 0;
    for (int c; file && (c = getc(file)) != EOF;)
        count += c == '\n';
    if (file)
        fclose(file);
    return count;
}

Test(file, writes_all_queued_publishes_with_one_sync)
{
    struct test test;
    begin(&test);
    must_start(&test);
    sys_fixture_reset();
    for (int i = 0; i < SLOTS; i++)
        submit(&test, i);
    for (int i = 0; i < SLOTS; i++)
        cr_assert_eq(finish(&test, i), OUTBOX_DELIVERED);
    cr_assert_eq(sys_fixture_count(ON_FDATASYNC), 2, "the first alone, all others together");
    cr_assert_eq(lines(&test), SLOTS);
    end(&test);
}

Test(file, reports_no_outcome_before_the_sync)
{
    struct test test;
    begin(&test);
    must_start(&test);
    sys_fixture_reset();
    submit(&test, 0);
    while (!test.slots[0].reports) {
        cr_assert(fake_loop_step(&test.fake));
        cr_assert(!test.slots[0].reports || sys_fixture_count(ON_FDATASYNC) == 1);
    }
    finish(&test, 0);
    end(&test);
}

Test(file, fails_the_queue_after_a_failure_and_reports_itself_lost)
{
    struct test test;
    begin(&test);
    must_start(&test);
    sys_fixture_fail(ON_FDATASYNC, 1, EIO);
    for (int i = 0; i < 3; i++)
        submit(&test, i);
    cr_assert_eq(finish(&test, 0), OUTBOX_UNKNOWN);
    cr_assert_eq(finish(&test, 1), OUTBOX_NOT_CONNECTED);
    cr_assert_eq(finish(&test, 2), OUTBOX_NOT_CONNECTED);
    fake_loop_settle(&test.fake);
    cr_assert_eq(test.base.losses, 1);
    cr_assert_eq(test.base.loss.code, OUTBOX_E_IO);
    submit(&test, 3);
    cr_assert_eq(finish(&test, 3), OUTBOX_NOT_CONNECTED, "nothing overtakes before a restart");
    cr_assert_eq(loop_fixture_stop(&test.base, test.broker, NULL), 0);
    must_start(&test);
    for (int i = 0; i < 4; i++)
        submit(&test, i);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(finish(&test, i), OUTBOX_DELIVERED);
    cr_assert_eq(lines(&test), 4);
    end(&test);
}

Test(file, finishes_the_running_job_before_it_stops)
{
    struct test test;
    struct loop_fixture_call stop = {0};
    begin(&test);
    must_start(&test);
    for (int i = 0; i < 5; i++)
        submit(&test, i);
    loop_fixture_reset(&stop);
    obx_instance_stop(test.broker, &stop.call, 0);
    cr_assert_eq(loop_fixture_wait(&test.base, &stop), 0);
    for (int i = 0; i < 5; i++)
        cr_assert(test.slots[i].call.done && test.slots[i].outcome == OUTBOX_DELIVERED);
    must_start(&test);
    end(&test);
}

Test(file, cancels_the_queue_when_stopping_takes_too_long)
{
    struct test test;
    struct loop_fixture_call stop = {0};
    begin(&test);
    must_start(&test);
    test.fake.work_min_ns = test.fake.work_max_ns = 1000 * OBX_MS;
    for (int i = 0; i < 3; i++)
        submit(&test, i);
    loop_fixture_reset(&stop);
    obx_instance_stop(test.broker, &stop.call, 10);
    cr_assert_eq(loop_fixture_wait(&test.base, &stop), 0, "%s", stop.error.text);
    cr_assert_eq(test.slots[0].outcome, OUTBOX_DELIVERED, "a worker cannot be stopped in the middle");
    cr_assert_eq(test.slots[1].outcome, OUTBOX_NOT_CONNECTED);
    cr_assert_eq(test.slots[2].outcome, OUTBOX_NOT_CONNECTED);
    cr_assert_eq(lines(&test), 1);
    must_start(&test);
    end(&test);
}

Test(file, rejects_single_events_with_a_reason)
{
    struct test test;
    struct outbox_error error;
    begin(&test);
    must_start(&test);
    struct outbox_header header = {{"\xff", 1}, {"x", 1}};
    struct outbox_message messages[] = {{.topic = {"t", 1}},
                                        {.value = {"no topic", 8}},
                                        {.topic = {"t", 1}, .headers = &header, .header_count = 1},
                                        {.topic = {"t", 1}}};
    struct outbox_publish publish = {
        .struct_size = sizeof publish, .count = 4, .messages = messages, .stride = sizeof messages[0]};
    uint8_t outcomes[4] = {0};
    uint32_t reports[4] = {0};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    call.outcomes = outcomes;
    call.reports = reports;
    obx_broker_publish(test.broker, &call.call, &publish);
    cr_assert_eq(loop_fixture_wait(&test.base, &call), 0);
    cr_assert(outcomes[0] == OUTBOX_DELIVERED && outcomes[1] == OUTBOX_REJECTED);
    cr_assert(outcomes[2] == OUTBOX_REJECTED && outcomes[3] == OUTBOX_DELIVERED);
    cr_assert_eq(obx_broker_admit(test.broker, &messages[1], &error), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "write an event: it has no topic");
    cr_assert_eq(obx_broker_admit(test.broker, &messages[2], &error), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "write an event: the name of header 1 is not UTF-8");
    cr_assert_eq(lines(&test), 2);
    end(&test);
}

Test(file, start_fails_with_the_reason)
{
    struct test test;
    struct outbox_error error;
    char expected[200];
    begin(&test);
    sys_fixture_fail(ON_OPENAT, 2, EROFS);
    cr_assert_eq(start(&test, &error), OUTBOX_E_READ_ONLY);
    snprintf(expected, sizeof expected, "open %s: the file system is read-only; mount it for writing", test.path);
    cr_assert_str_eq(error.text, expected);
    cr_assert_eq(error.native, EROFS);
    must_start(&test);
    end(&test);
}

struct findings {
    uint32_t count[3];
    char last[200];
};

static void find(void *arg, const struct outbox_finding *finding)
{
    struct findings *findings = arg;
    findings->count[finding->severity]++;
    snprintf(findings->last, sizeof findings->last, "%s", finding->reason);
    cr_assert((finding->severity == OUTBOX_SEVERITY_OK) == !finding->advice);
}

static int check(struct test *test, struct findings *findings)
{
    struct loop_fixture_call call = {0};
    struct outbox_check check = {.struct_size = sizeof check, .report = find, .arg = findings};
    *findings = (struct findings){{0}, ""};
    loop_fixture_reset(&call);
    obx_broker_check(test->broker, &call.call, 0, &check);
    return loop_fixture_wait(&test->base, &call);
}

Test(file, check_reports_the_file_system)
{
    struct test test;
    struct findings found;
    char expected[200];
    begin(&test);
    must_start(&test);
    submit(&test, 0);
    cr_assert_eq(check(&test, &found), OUTBOX_OK);
    cr_assert(found.count[OUTBOX_SEVERITY_OK] == 1 && found.count[OUTBOX_SEVERITY_ERROR] == 0);
    cr_assert_not_null(strstr(found.last, "can be written, "));
    finish(&test, 0);
    unlink(test.path);
    cr_assert_eq(check(&test, &found), OUTBOX_OK);
    cr_assert_eq(found.count[OUTBOX_SEVERITY_ERROR], 1);
    snprintf(expected, sizeof expected, "%s cannot be inspected: No such file or directory", test.path);
    cr_assert_str_eq(found.last, expected);
    test.fake.fail_offload = 1;
    cr_assert_eq(check(&test, &found), OUTBOX_E_NO_MEMORY);
    end(&test);
}

Test(file, survives_without_a_worker)
{
    struct test test;
    struct outbox_error error;
    char expected[200];
    begin(&test);
    test.fake.fail_offload = 1;
    cr_assert_eq(start(&test, &error), OUTBOX_E_NO_MEMORY);
    snprintf(expected, sizeof expected, "open %s: no worker thread is available", test.path);
    cr_assert_str_eq(error.text, expected);
    must_start(&test);
    test.fake.fail_offload = 1;
    submit(&test, 0);
    cr_assert_eq(finish(&test, 0), OUTBOX_NOT_CONNECTED);
    test.fake.fail_offload = 1;
    cr_assert_eq(loop_fixture_stop(&test.base, test.broker, NULL), 0, "closes on the loop then");
    must_start(&test);
    end(&test);
}

Test(file, survives_the_failure_of_every_allocation)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct test test;
        struct outbox_error error;
        begin(&test);
        mem_fail_at(n, false);
        int code = start(&test, &error);
        if (!code) {
            submit(&test, 0);
            uint8_t outcome = finish(&test, 0);
            cr_assert(outcome == OUTBOX_DELIVERED ? lines(&test) == 1 : lines(&test) == 0);
        }
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert(!code || failed, "%s", error.text);
        end(&test);
    }
}

/* The real thing: a file system of one megabyte that fills up. */
Test(file, waits_on_a_full_disk_until_there_is_space)
{
    struct test test;
    struct outbox_error error;
    static char payload[300000];
    begin(&test);
    if (mount("tmpfs", test.dir, "tmpfs", 0, "size=1m")) {
        end(&test);
        cr_skip_test("needs root to mount a tmpfs");
    }
    must_start(&test);
    memset(payload, 'x', sizeof payload);
    int done = 0;
    for (uint8_t outcome = OUTBOX_DELIVERED; outcome == OUTBOX_DELIVERED; done++) {
        submit(&test, done);
        test.slots[done].message.value = (struct outbox_bytes){payload, sizeof payload};
        outcome = finish(&test, done);
        cr_assert(outcome == OUTBOX_DELIVERED || outcome == OUTBOX_NOT_CONNECTED);
    }
    struct findings found;
    char expected[200];
    cr_assert_eq(done, 4, "three fit");
    cr_assert_eq(check(&test, &found), OUTBOX_OK);
    cr_assert_eq(found.count[OUTBOX_SEVERITY_WARNING], 1, "little space");
    snprintf(expected, sizeof expected, "%s can be written, 0 MiB are free", test.path);
    cr_assert_str_eq(found.last, expected);
    cr_assert_eq(lines(&test), 3, "nothing half written is left");
    fake_loop_settle(&test.fake);
    cr_assert_eq(test.base.loss.code, OUTBOX_E_FULL);
    cr_assert_eq(loop_fixture_stop(&test.base, test.broker, NULL), 0);
    cr_assert_eq(start(&test, &error), OUTBOX_E_FULL, "as long as there is no space");
    cr_assert_eq(mount("tmpfs", test.dir, "tmpfs", MS_REMOUNT, "size=4m"), 0);
    must_start(&test);
    submit(&test, 3);
    cr_assert_eq(finish(&test, 3), OUTBOX_DELIVERED);
    cr_assert_eq(lines(&test), 4);
    cr_assert_eq(loop_fixture_stop(&test.base, test.broker, NULL), 0);
    cr_assert_eq(umount(test.dir), 0);
    end(&test);
}
