/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/template/client.c - see client.h */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct client {
    int dir;
    uint64_t number;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct client_request *first, **last;
    bool closing;
};

/* NULL: the client is closed, and nothing is left. */
static struct client_request *next_request(struct client *client)
{
    pthread_mutex_lock(&client->lock);
    while (!client->first && !client->closing)
        pthread_cond_wait(&client->wake, &client->lock);
    struct client_request *request = client->first;
    if (request) {
        client->first = request->next;
        if (!client->first)
            client->last = &client->first;
        if (client->closing)
            request->status = CLIENT_CLOSED;
    }
    pthread_mutex_unlock(&client->lock);
    return request;
}

static void *run(void *arg)
{
    struct client *client = arg;
    pthread_setname_np(pthread_self(), "outbox-template");
    for (struct client_request *request; (request = next_request(client));) {
        if (request->status != CLIENT_CLOSED)
            request->status = event_file_write(client->dir, &client->number, request->message);
        if (!request->status && fsync(client->dir)) {
            request->status = errno;
            request->maybe = true; /* the file is there, but its name may not survive a crash */
        }
        request->answered(request);
    }
    return NULL;
}

int client_open(const char *path, struct client **out)
{
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        return ENOMEM;
    client->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = client->dir < 0 ? errno : 0;
    client->last = &client->first;
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->wake, NULL);
    if (!failed)
        failed = pthread_create(&client->thread, NULL, run, client);
    if (!failed) {
        *out = client;
        return 0;
    }
    if (client->dir >= 0)
        close(client->dir);
    free(client);
    return failed;
}

void client_send(struct client *client, struct client_request *request)
{
    pthread_mutex_lock(&client->lock);
    request->next = NULL;
    request->status = 0;
    request->maybe = false;
    *client->last = request;
    client->last = &request->next;
    pthread_cond_signal(&client->wake);
    pthread_mutex_unlock(&client->lock);
}

void client_close(struct client *client)
{
    pthread_mutex_lock(&client->lock);
    client->closing = true;
    pthread_cond_signal(&client->wake);
    pthread_mutex_unlock(&client->lock);
    pthread_join(client->thread, NULL);
    close(client->dir);
    free(client);
}
