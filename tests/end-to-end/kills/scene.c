/* SPDX-License-Identifier: Apache-2.0 */
/* tests/end-to-end/kills/scene.c - directory, configurations, writers, relays and the final check */
#include "scene.h"

#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELAY_PATH (SCENE_PATH + 32)

static void path_of(const struct scene *scene, char path[RELAY_PATH], const char *name)
{
    snprintf(path, RELAY_PATH, "%s/%s", scene->directory, name);
}

uint64_t scene_random(struct scene *scene, uint64_t below)
{
    uint64_t z = (scene->random += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % below;
}

/* ---- configurations ---------------------------------------------------------------------------------------------- */

static void write_plugin(FILE *file, const char *section, const char *plugin, const char *fault)
{
    if (fault)
        fprintf(file, "    %s: {plugin: fault, %s, wraps: {%s}}\n", section, fault, plugin);
    else
        fprintf(file, "    %s: {%s}\n", section, plugin);
}

/* Small claims, short intervals, and a small byte budget: a small window of duplicates. */
static bool write_config(const struct scene *scene, const char *path, enum scene_fault where, const char *fault)
{
    char store[RELAY_PATH + 64], broker[RELAY_PATH + 64];
    snprintf(store, sizeof store, "plugin: sqlite, path: %s/shop.db", scene->directory);
    snprintf(broker, sizeof broker, "plugin: file, path: %s/events.ndjson, max_size: 2MiB", scene->directory);
    FILE *file = fopen(path, "we");
    if (!file) {
        perror(path);
        return false;
    }
    fputs("relays:\n  orders:\n    claim_rows: 100\n    max_in_flight_bytes: 256KiB\n    lease: 1s\n    "
          "standby_poll_interval: 10ms\n"
          "    retry_min: 1ms\n    retry_max: 20ms\n",
          file);
    write_plugin(file, "store", store, where == SCENE_FAULT_STORE ? fault : NULL);
    write_plugin(file, "broker", broker, where == SCENE_FAULT_BROKER ? fault : NULL);
    return fclose(file) == 0;
}

bool scene_open(struct scene *scene)
{
    const char *root = getenv("OUTBOX_KILLS_DIR");
    snprintf(scene->directory, sizeof scene->directory, "%s/outbox-kills-XXXXXX", root ? root : "/tmp");
    scene->random = scene->seed;
    if (!mkdtemp(scene->directory)) {
        perror(scene->directory);
        return false;
    }
    snprintf(scene->log, sizeof scene->log, "%s/log", scene->directory);
    char config[RELAY_PATH];
    path_of(scene, config, "outbox.yaml");
    const char *const init[] = {scene->outbox, "init", "-c", config, NULL};
    if (!write_config(scene, config, SCENE_NO_FAULT, NULL))
        return false;
    int code = proc_run(init, scene->log);
    if (code != 0)
        fprintf(stderr, "kills: outbox init ended with %d; see %s\n", code, scene->log);
    return code == 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void scene_close(struct scene *scene, bool keep)
{
    for (unsigned i = 0; i < SCENE_WRITERS; i++)
        if (scene->writers[i] > 0)
            proc_kill(scene->writers[i]);
    if (keep)
        fprintf(stderr, "kills: all files are kept in %s\n", scene->directory);
    else
        nftw(scene->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- what was published ------------------------------------------------------------------------------------------ */

static int is_output(const struct dirent *entry)
{
    return strncmp(entry->d_name, "events.ndjson", 13) == 0;
}

/* Rotated files first, in order; the current one last. */
static int in_order(const struct dirent **a, const struct dirent **b)
{
    size_t long_a = strlen((*a)->d_name), long_b = strlen((*b)->d_name);
    return long_a == long_b ? strcmp((*a)->d_name, (*b)->d_name) : long_a > long_b ? -1 : 1;
}

uint64_t scene_published(const struct scene *scene)
{
    struct dirent **entries = NULL;
    uint64_t bytes = 0;
    int count = scandir(scene->directory, &entries, is_output, in_order);
    for (int i = 0; i < count; i++) {
        char path[RELAY_PATH + 256];
        snprintf(path, sizeof path, "%s/%s", scene->directory, entries[i]->d_name);
        bytes += proc_file_size(path);
        free(entries[i]);
    }
    free(entries);
    return bytes;
}

struct goal {
    const struct scene *scene;
    uint64_t bytes;
};

static bool is_reached(void *arg)
{
    const struct goal *goal = arg;
    return scene_published(goal->scene) >= goal->bytes;
}

bool scene_until_published(const struct scene *scene, uint64_t bytes, uint64_t timeout_ms)
{
    struct goal goal = {scene, bytes};
    return proc_until(is_reached, &goal, timeout_ms);
}

/* ---- writers ----------------------------------------------------------------------------------------------------- */

static bool start_writer(struct scene *scene, unsigned which, unsigned rate)
{
    char db[RELAY_PATH], ledger[RELAY_PATH], number[24], seed[24], rates[24];
    path_of(scene, db, "shop.db");
    snprintf(ledger, sizeof ledger, "%s/ledger.%u", scene->directory, scene->ledgers);
    snprintf(number, sizeof number, "%u", scene->ledgers++);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)scene->seed);
    snprintf(rates, sizeof rates, "%u", rate);
    const char *const argv[] = {scene->writer, "--db",       db,   "--ledger", ledger, "--writer",
                                number,        "--seed",     seed, "--rate",   rates,  "--keys",
                                "40",          "--rollback", "15", "--binary", NULL};
    scene->writers[which] = proc_start(argv, scene->log);
    return scene->writers[which] > 0;
}

static unsigned rate_of_writers;

bool scene_start_writers(struct scene *scene, unsigned rate)
{
    rate_of_writers = rate;
    for (unsigned i = 0; i < SCENE_WRITERS; i++)
        if (!start_writer(scene, i, rate))
            return false;
    return true;
}

bool scene_replace_writer(struct scene *scene, unsigned which)
{
    proc_kill(scene->writers[which]);
    return start_writer(scene, which, rate_of_writers);
}

bool scene_stop_writers(struct scene *scene)
{
    bool ok = true;
    for (unsigned i = 0; i < SCENE_WRITERS; i++) {
        kill(scene->writers[i], SIGTERM);
        int status = proc_end(scene->writers[i]);
        scene->writers[i] = 0;
        if (status == 0)
            continue;
        fprintf(stderr, "kills: a writer ended with status %d; see %s\n", status, scene->log);
        ok = false;
    }
    return ok;
}

/* ---- relays ------------------------------------------------------------------------------------------------------ */

pid_t scene_start_relay(struct scene *scene, enum scene_fault where, const char *fault)
{
    char config[RELAY_PATH];
    path_of(scene, config, fault ? "faulty.yaml" : "outbox.yaml");
    if (fault && !write_config(scene, config, where, fault))
        return -1;
    const char *const argv[] = {scene->outbox, "run", "-c", config, NULL};
    return proc_start(argv, scene->log);
}

/* A relay without a fault, killed at a system call. */
enum trace_end scene_trace_relay(struct scene *scene, const struct trace_point *point)
{
    char config[RELAY_PATH];
    path_of(scene, config, "outbox.yaml");
    const char *const argv[] = {scene->outbox, "run", "-c", config, NULL};
    return trace_kill(argv, scene->log, point);
}

bool scene_drain(struct scene *scene)
{
    char config[RELAY_PATH];
    path_of(scene, config, "outbox.yaml");
    const char *const argv[] = {scene->outbox, "drain", "-c", config, NULL};
    int code = proc_run(argv, scene->log);
    if (code != 0)
        fprintf(stderr, "kills: outbox drain ended with %d; see %s\n", code, scene->log);
    return code == 0;
}

/* ---- the oracle ---------------------------------------------------------------------------------------------------
 */

static bool print_left(const struct scene *scene, const char *to)
{
    char db[RELAY_PATH];
    path_of(scene, db, "shop.db");
    const char *const argv[] = {scene->writer, "--db", db, "--left", NULL};
    return proc_run(argv, to) == 0;
}

/* Each value is allocated; see free_values(). */
static void add(const char **argv, size_t *count, const char *option, const char *value)
{
    argv[(*count)++] = option;
    argv[(*count)++] = strdup(value);
}

static void free_values(const char **argv, size_t count)
{
    for (size_t i = 2; i < count; i += 2)
        free((void *)(uintptr_t)argv[i]);
}

bool scene_check(struct scene *scene, unsigned window)
{
    const char *argv[2048] = {scene->oracle};
    char path[RELAY_PATH + 256], left[RELAY_PATH], verdict[RELAY_PATH], number[24];
    size_t count = 1;
    for (unsigned i = 0; i < scene->ledgers && count < 1024; i++) {
        snprintf(path, sizeof path, "%s/ledger.%u", scene->directory, i);
        add(argv, &count, "--ledger", path);
    }
    struct dirent **entries = NULL;
    int files = scandir(scene->directory, &entries, is_output, in_order);
    for (int i = 0; i < files && count < 2000; i++) {
        snprintf(path, sizeof path, "%s/%s", scene->directory, entries[i]->d_name);
        add(argv, &count, "--published", path);
        free(entries[i]);
    }
    free(entries);
    path_of(scene, left, "left");
    path_of(scene, verdict, "verdict");
    add(argv, &count, "--left", left);
    snprintf(number, sizeof number, "%u", window);
    add(argv, &count, "--window", number);
    snprintf(number, sizeof number, "%llu", (unsigned long long)scene->incidents);
    add(argv, &count, "--incidents", number);
    int code = print_left(scene, left) ? proc_run(argv, verdict) : -1;
    free_values(argv, count);
    FILE *file = fopen(verdict, "re");
    for (int c; file && (c = getc(file)) != EOF;)
        putchar(c);
    if (file)
        fclose(file);
    return code == 0;
}
