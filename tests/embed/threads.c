/* SPDX-License-Identifier: Apache-2.0 */
/* tests/embed/threads.c - one relay, many threads that read statistics and wake it, and one that calls what is refused;
 * has a main(), for the thread sanitizer */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <outbox/outbox.h>

#define ROUNDS 500

static void *read_and_wake(void *arg)
{
    struct outbox *relay = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct outbox_stats stats = {.struct_size = sizeof stats};
        outbox_stats(relay, &stats);
        outbox_wake(relay);
    }
    return NULL;
}

static void must(int status, const struct outbox_error *error)
{
    if (!status)
        return;
    fprintf(stderr, "embed-threads: %s\n", error->text);
    exit(1);
}

static void must_refuse(int status)
{
    if (status == OUTBOX_E_INVALID)
        return;
    fprintf(stderr, "embed-threads: a wrong call gave %s\n", outbox_error_name(status));
    exit(1);
}

/* While the relay runs. */
static void misuse(struct outbox *relay)
{
    struct outbox_stats unset = {.struct_size = 0};
    for (int i = 0; i < ROUNDS; i++) {
        must_refuse(outbox_start(relay, NULL));
        must_refuse(outbox_stats(relay, &unset));
        must_refuse(outbox_stats(relay, NULL));
        must_refuse(outbox_start(NULL, NULL));
        must_refuse(outbox_stop(NULL, 0, NULL));
        outbox_wake(NULL);
        outbox_free(relay);
    }
}

int main(void)
{
    const struct outbox_options options = {
        .struct_size = sizeof options,
        .config_text = "relays: {orders: {store: {plugin: memory, events: 20000}, broker: {plugin: memory}}}\n"};
    struct outbox *relay;
    struct outbox_error error = {0};
    struct outbox_stats stats = {.struct_size = sizeof stats};
    pthread_t threads[4];
    must(outbox_new(&options, &relay, &error), &error);
    must(outbox_start(relay, &error), &error);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, read_and_wake, relay);
    misuse(relay);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    must(outbox_stop(relay, 60000, &error), &error);
    outbox_stats(relay, &stats);
    outbox_free(relay);
    return stats.delivered == stats.settled ? 0 : 1;
}
