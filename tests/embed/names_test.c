/* SPDX-License-Identifier: Apache-2.0 */
/* tests/embed/names_test.c - every thread that a relay adds has a name; libuv 1.50 names its workers itself */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <outbox/outbox.h>

struct names {
    int relay, worker, other;
};

static void count(struct names *names, const char *task)
{
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.200s/comm", task);
    FILE *file = fopen(path, "r");
    if (!file)
        return; /* it has ended */
    cr_assert_not_null(fgets(name, sizeof name, file));
    fclose(file);
    names->relay += !strcmp(name, "outbox-relay\n");
    bool worker = !strcmp(name, "outbox-worker\n") || !strcmp(name, "libuv-worker\n");
    names->worker += worker;
    names->other += !worker && strncmp(name, "outbox-", 7) != 0;
}

static struct names read_names(void)
{
    struct names names = {0};
    DIR *tasks = opendir("/proc/self/task");
    cr_assert_not_null(tasks);
    for (struct dirent *task; (task = readdir(tasks));)
        if (task->d_name[0] != '.')
            count(&names, task->d_name);
    closedir(tasks);
    return names;
}

/* SQLite and files block: they need workers. */
Test(embed_names, threads_of_a_relay_have_names)
{
    char directory[] = "/tmp/outbox-names.XXXXXX", text[400], path[100];
    struct outbox_options options = {.struct_size = sizeof options, .config_text = text};
    struct outbox_error error = {0};
    struct outbox *relay;
    cr_assert_not_null(mkdtemp(directory));
    snprintf(text, sizeof text,
             "relays: {orders: {store: {plugin: sqlite, path: %s/db}, broker: {plugin: file, path: %s/events}}}",
             directory, directory);
    const struct names before = read_names();
    cr_assert_eq(outbox_new(&options, &relay, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_eq(outbox_init(relay, 20000, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_eq(outbox_start(relay, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_eq(outbox_drain(relay, 60000, &error), OUTBOX_OK, "%s", error.text);
    const struct names during = read_names();
    cr_expect_eq(during.relay, 1);
    cr_expect_gt(during.worker, 0);
    cr_expect_eq(during.other, before.other, "%d threads have no name", during.other - before.other);
    cr_assert_eq(outbox_stop(relay, 60000, &error), OUTBOX_OK);
    outbox_free(relay);
    static const char *const files[] = {"db", "db-wal", "db-shm", "events"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        unlink(path);
    }
    rmdir(directory);
}
