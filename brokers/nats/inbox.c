/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/nats/inbox.c - answers and errors, from threads of libnats to the loop
 *
 * Each becomes a note in a list, and the task on the loop takes the whole list. A note that cannot be allocated is an
 * answer that never comes: its event gets the outcome of a time-out.
 */
#include <stdlib.h>

#include "broker.h"

/* ---- threads of libnats ------------------------------------------------------------------------------------------ */

static void append(struct nats_broker *broker, natsMsg *answer, const char *text)
{
    struct nats_note *note = calloc(1, sizeof *note);
    if (!note) {
        natsMsg_Destroy(answer);
        return;
    }
    note->answer = answer;
    snprintf(note->text, sizeof note->text, "%s", text);
    pthread_mutex_lock(&broker->mutex);
    *broker->notes_end = note;
    broker->notes_end = &note->next;
    pthread_mutex_unlock(&broker->mutex);
    broker->host->post(broker->host, &broker->task);
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

static struct nats_note *take(struct nats_broker *broker, bool *closed)
{
    pthread_mutex_lock(&broker->mutex);
    struct nats_note *notes = broker->notes;
    *closed = broker->closed;
    broker->notes = NULL;
    broker->notes_end = &broker->notes;
    pthread_mutex_unlock(&broker->mutex);
    return notes;
}

static void read_answer(struct nats_broker *broker, natsMsg *answer)
{
    const char *subject = natsMsg_GetSubject(answer);
    size_t prefix = strlen(broker->inbox_subject);
    struct outbox_error error;
    if (strncmp(subject, broker->inbox_subject, prefix) != 0)
        return; /* of an earlier connection */
    struct nats_message *message = nats_find(broker, strtoull(subject + prefix, NULL, 16));
    if (message) {
        uint32_t outcome = nats_outcome(answer, &error);
        nats_report(message, outcome, &error);
    }
}

static void read_notes(struct nats_broker *broker, struct nats_note *notes)
{
    struct nats_note *next;
    for (struct nats_note *note = notes; note; note = next) {
        next = note->next;
        if (note->answer)
            read_answer(broker, note->answer);
        else if (broker->ready)
            nats_refuse_subject(broker, note->text);
        natsMsg_Destroy(note->answer);
        free(note);
    }
}

void nats_read_notes(struct outbox_task *task)
{
    struct nats_broker *broker = task->arg;
    struct outbox_error error;
    bool closed;
    struct nats_note *notes = take(broker, &closed);
    read_notes(broker, notes);
    if (!closed) {
        nats_arm(broker);
    } else if (broker->ready) {
        outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "the connection to NATS ended: %s", broker->closed_text);
        nats_connection_lost(broker, &error);
    }
}

void nats_drop_notes(struct nats_broker *broker)
{
    bool closed;
    struct nats_note *notes = take(broker, &closed), *next;
    for (struct nats_note *note = notes; note; note = next) {
        next = note->next;
        natsMsg_Destroy(note->answer);
        free(note);
    }
}
