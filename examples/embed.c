/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/embed.c - an application that writes events and relays them itself
 *
 *     embed CONFIG DATABASE COUNT
 *
 * CONFIG is an outbox.yaml with one relay, which reads DATABASE (outbox init has created its tables). The relay runs on
 * a separate thread. After each commit outbox_wake() wakes it, so no event waits for the next poll. At the end all
 * events are published, or stay in the outbox for the next start.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <outbox/outbox.h>
#include <outbox/sqlite.h>

static struct outbox_bytes text(const char *string)
{
    return (struct outbox_bytes){string, strlen(string)};
}

static void on_state(void *arg, enum outbox_state state, const char *why)
{
    (void)arg;
    printf("relay: %s%s%s\n", outbox_state_name(state), *why ? ": " : "", why);
}

/* One business transaction: its own rows would be written here too. */
static int place_order(sqlite3 *db, int number, struct outbox_error *error)
{
    char payload[64];
    snprintf(payload, sizeof payload, "{\"order\":%d}", number);
    const struct outbox_event event = {.struct_size = sizeof event,
                                       .aggregate_type = text("order"),
                                       .aggregate_id = text("customer-1"),
                                       .type = text("placed"),
                                       .payload = text(payload)};
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return OUTBOX_E_AGAIN;
    int status = outbox_sqlite_add(db, NULL, &event, NULL, error);
    sqlite3_exec(db, status ? "ROLLBACK" : "COMMIT", NULL, NULL, NULL);
    return status;
}

static uint64_t settled(struct outbox *relay)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    outbox_stats(relay, &stats);
    return stats.settled;
}

int main(int argc, char **argv)
{
    struct outbox_options options = {.struct_size = sizeof options, .on_state = on_state};
    struct outbox_error error = {0};
    struct outbox *relay = NULL;
    sqlite3 *db = NULL;
    if (argc != 4) {
        fputs("usage: embed CONFIG DATABASE COUNT\n", stderr);
        return 64;
    }
    uint64_t count = strtoull(argv[3], NULL, 10);
    options.config_path = argv[1];
    int status = outbox_new(&options, &relay, &error);
    if (!status)
        status = outbox_start(relay, &error);
    if (!status && sqlite3_open(argv[2], &db) == SQLITE_OK)
        sqlite3_busy_timeout(db, 5000);
    for (uint64_t i = 1; !status && i <= count; i++) {
        status = place_order(db, (int)i, &error);
        outbox_wake(relay);
    }
    for (int i = 0; !status && i < 1000 && settled(relay) < count; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    if (status)
        fprintf(stderr, "embed: %s\n", error.text);
    else
        printf("written %" PRIu64 ", published %" PRIu64 "\n", count, settled(relay));
    if (relay)
        outbox_stop(relay, 5000, &error);
    outbox_free(relay);
    sqlite3_close(db);
    return status ? 1 : 0;
}
