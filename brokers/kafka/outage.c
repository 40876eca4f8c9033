/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/outage.c - events wait because no broker answers: logged once when it begins and once when it ends
 *
 * librdkafka reconnects without end, so connections that come and go are logged at debug level only. An outage is one
 * of two conditions: all connections are lost while events wait (or two seconds after the next event, since a broker
 * may just have closed an idle connection), or no message was reported for eight seconds. The last connection error is
 * the reason.
 *
 * Before 2.10 librdkafka takes a coordinator without an address for a broker that is down. Its report that all are down
 * then comes while one is up. So the connections of a transactional producer are counted (transactional.c).
 */
#include "broker.h"

#include <stdio.h>
#include <string.h>

#define RECONNECT_US 2000000u /* for a connection that was closed to be opened again */
#define STALL_NS 8000000000u  /* without a delivery report, while events wait */
#define REASON_VALID_NS 60000000000u

void kafka_outage_reset(struct kafka_broker *self)
{
    struct outbox_timer *timer = self->outage.timer;
    self->outage = (struct kafka_outage){.timer = timer, .progress_at = self->host->now(self->host)};
    self->host->timer_clear(timer);
}

const char *kafka_outage_reason(const struct kafka_broker *self)
{
    const struct kafka_outage *outage = &self->outage;
    return self->host->now(self->host) - outage->reason_at < REASON_VALID_NS ? outage->reason : "";
}

void kafka_outage_note_reason(struct kafka_broker *self, const char *text)
{
    kafka_connect_text(text, self->outage.reason, sizeof self->outage.reason);
    self->outage.reason_at = self->host->now(self->host);
}

static bool events_wait(const struct kafka_broker *self)
{
    return self->in_flight || self->pending;
}

static void begin(struct kafka_broker *self, const char *what)
{
    const char *reason = kafka_outage_reason(self);
    if (self->outage.logged || !events_wait(self))
        return;
    self->outage.logged = true;
    self->outage.began_at = self->host->now(self->host);
    self->host->log(self->host, OUTBOX_LOG_WARN, "%s, events wait: %s", what,
                    reason[0] ? reason : "no connection error is known; are enough replicas in sync?");
}

bool kafka_outage_lasts(const struct kafka_broker *self)
{
    return self->outage.suspected && !atomic_load(&self->transaction.up);
}

void kafka_outage_due(void *plugin)
{
    struct kafka_broker *self = plugin;
    if (kafka_outage_lasts(self))
        begin(self, "no broker answers");
}

void kafka_outage_suspect(struct kafka_broker *self, const char *text)
{
    if (!kafka_outage_reason(self)[0])
        kafka_outage_note_reason(self, text);
    self->outage.suspected = true;
    self->outage.suspected_at = self->host->now(self->host);
    if (kafka_outage_lasts(self))
        begin(self, "no broker answers");
    else /* the last connection may not be counted as lost yet */
        self->host->timer_set(self->outage.timer, RECONNECT_US);
}

void kafka_outage_events_wait(struct kafka_broker *self)
{
    if (self->in_flight)
        return;
    self->outage.progress_at = self->host->now(self->host);
    if (self->outage.suspected && !self->outage.logged)
        self->host->timer_set(self->outage.timer, RECONNECT_US);
}

void kafka_outage_check_progress(struct kafka_broker *self)
{
    if (events_wait(self) && self->host->now(self->host) - self->outage.progress_at >= STALL_NS)
        begin(self, "no delivery report for 8 s");
}

void kafka_outage_note_progress(struct kafka_broker *self)
{
    self->outage.progress_at = self->host->now(self->host);
    if (!self->outage.suspected && !self->outage.logged)
        return;
    if (self->outage.suspected)
        self->host->reconnected(self->host);
    if (self->outage.logged)
        self->host->log(self->host, OUTBOX_LOG_INFO, "the brokers answer again, after %llu s",
                        (unsigned long long)((self->outage.progress_at - self->outage.began_at) / 1000000000u));
    self->outage.suspected = self->outage.logged = false;
    self->outage.reason[0] = '\0';
    self->host->timer_clear(self->outage.timer);
}
