/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/nats/inbox.c - answers and errors, from threads of libnats to the loop
 *
 * Each becomes a note in a queue. The loop uses the memory of a note again for a later answer. A note that cannot be
 * allocated is an answer that never comes: its event gets the outcome of a time-out.
 */
#include <stdlib.h>

#include "broker.h"

/* ---- threads of libnats ------------------------------------------------------------------------------------------ */

static struct nats_note *new_note(struct nats_broker *broker)
{
    pthread_mutex_lock(&broker->mutex);
    struct nats_note *note = broker->spare;
    if (note)
        broker->spare = note->next;
    pthread_mutex_unlock(&broker->mutex);
    return note ? note : malloc(sizeof *note);
}

static void append(struct nats_broker *broker, natsMsg *answer, const char *text)
{
    struct nats_note *note = new_note(broker);
    if (!note) {
        natsMsg_Destroy(answer);
        return;
    }
    note->answer = answer;
    snprintf(note->text, sizeof note->text, "%s", text);
    outbox_queue_push(&broker->notes, &note->item);
}

void nats_on_answer(natsConnection *connection, natsSubscription *subscription, natsMsg *answer, void *arg)
{
    (void)connection, (void)subscription;
    append(arg, answer, "");
}

static const char *text_of(natsConnection *connection, natsStatus status)
{
    const char *text = NULL;
    natsConnection_GetLastError(connection, &text);
    return text && *text ? text : natsStatus_GetText(status);
}

void nats_on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *arg)
{
    (void)subscription;
    append(arg, NULL, text_of(connection, status));
}

/* The last callback of a connection. */
void nats_on_closed(natsConnection *connection, void *arg)
{
    struct nats_broker *broker = arg;
    pthread_mutex_lock(&broker->mutex);
    broker->closed = true;
    snprintf(broker->closed_text, sizeof broker->closed_text, "%s", text_of(connection, NATS_CONNECTION_CLOSED));
    broker->host->post(broker->host, &broker->task);
    pthread_cond_signal(&broker->ended);
    pthread_mutex_unlock(&broker->mutex);
}

/* The last callback of the subscription. */
void nats_on_answers_ended(void *arg)
{
    struct nats_broker *broker = arg;
    pthread_mutex_lock(&broker->mutex);
    broker->answers_ended = true;
    pthread_cond_signal(&broker->ended);
    pthread_mutex_unlock(&broker->mutex);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static void read_answer(struct nats_broker *broker, natsMsg *answer)
{
    const char *subject = natsMsg_GetSubject(answer);
    size_t prefix = strlen(broker->inbox_subject);
    struct outbox_error error;
    if (strncmp(subject, broker->inbox_subject, prefix) != 0)
        return; /* of an earlier connection */
    uint64_t number = strtoull(subject + prefix, NULL, 16);
    struct nats_message *message = (struct nats_message *)(void *)outbox_in_flight_find(&broker->in_flight, number);
    if (message) {
        uint32_t outcome = nats_outcome(answer, &error);
        nats_report(message, outcome, &error);
    }
}

void nats_read_note(void *arg, struct outbox_queue_item *item)
{
    struct nats_broker *broker = arg;
    struct nats_note *note = (struct nats_note *)(void *)item;
    if (note->answer)
        read_answer(broker, note->answer);
    else if (broker->ready)
        nats_refuse_subject(broker, note->text);
    natsMsg_Destroy(note->answer);
    pthread_mutex_lock(&broker->mutex);
    note->next = broker->spare;
    broker->spare = note;
    pthread_mutex_unlock(&broker->mutex);
}

/* Answers that came before the end of the connection count. */
void nats_on_task(struct outbox_task *task)
{
    struct nats_broker *broker = task->arg;
    struct outbox_error error;
    outbox_queue_flush(&broker->notes);
    pthread_mutex_lock(&broker->mutex);
    bool closed = broker->closed;
    pthread_mutex_unlock(&broker->mutex);
    if (!closed) {
        nats_arm(broker);
    } else if (broker->ready) {
        outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "connection to %s: ended: %s", broker->servers,
                         broker->closed_text);
        nats_connection_lost(broker, &error);
    }
}

void nats_free_notes(struct nats_broker *broker)
{
    for (struct nats_note *note; (note = broker->spare);) {
        broker->spare = note->next;
        free(note);
    }
}
