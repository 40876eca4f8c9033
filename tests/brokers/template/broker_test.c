/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/template/broker_test.c - plugins/template, which authors copy: what conformance cannot make happen */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fixture.h"

static char directory[] = "/tmp/outbox-template.XXXXXX";

static void make_directory(void)
{
    cr_assert(mkdtemp(directory));
}

static void remove_directory(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(template, .init = make_directory, .fini = remove_directory, .timeout = 300);

/* Descriptors of this process that are the directory. */
static unsigned open_directories(void)
{
    char path[300], target[300];
    unsigned count = 0;
    DIR *all = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(all));) {
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        ssize_t size = readlink(path, target, sizeof target - 1);
        target[size > 0 ? size : 0] = '\0';
        count += strstr(target, directory) != NULL;
    }
    closedir(all);
    return count;
}

static void stop_during_start(const char *plugin)
{
    struct outbox_error error;
    struct loop_fixture_call call = {0};
    cr_assert_eq(fixture_try(&error, "plugin: %s\n path: %s", plugin, directory), OUTBOX_OK, "%s", error.text);
    loop_fixture_reset(&call);
    obx_broker_start(broker, &call.call, 0, &obx_no_outbox);
    cr_assert_eq(fixture_stop_within(0), OUTBOX_OK);
    cr_assert_eq(loop_fixture_wait(&base, &call), OUTBOX_OK, "%s", call.error.text);
    cr_assert_eq(open_directories(), 0, "stop left the client open");
    fixture_close();
}

Test(template, stop_during_start_leaves_nothing_open)
{
    stop_during_start("asyncdir");
    stop_during_start("maildir");
}

static void fail_a_sync(const char *plugin)
{
    fixture_open("plugin: %s\n path: %s", plugin, directory);
    cr_assert_eq(fixture_publish("fine").outcome, OUTBOX_DELIVERED);
    setenv("TEST_FAIL_DIRECTORY_SYNC", "1", 1);
    struct result result = fixture_publish("unsynced");
    unsetenv("TEST_FAIL_DIRECTORY_SYNC");
    cr_assert_eq(result.outcome, OUTBOX_UNKNOWN, "%s: outcome %u, though the file is there", plugin, result.outcome);
    fixture_close();
}

Test(template, event_whose_directory_is_not_synced_may_be_there)
{
    fail_a_sync("asyncdir");
    fail_a_sync("maildir");
}
