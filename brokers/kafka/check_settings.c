/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check_settings.c - the settings of a topic or of a broker, by DescribeConfigs
 *
 * A request is lost with the broker that it was sent to, so it is repeated once. Failure modes: this user may not
 * describe the resource; no answer comes, and then the findings note it, so that nothing else waits as long. On a
 * worker.
 */
#include "check.h"

static rd_kafka_event_t *request(struct kafka_broker *self, rd_kafka_ResourceType_t type, const char *name)
{
    static const int tries_ms[] = {2000, 4000};
    rd_kafka_t *rk = self->clients[KAFKA_MAIN].rk;
    rd_kafka_event_t *event = NULL;
    for (size_t i = 0; i < sizeof tries_ms / sizeof *tries_ms && !event && !atomic_load(&self->cancel_workers); i++) {
        rd_kafka_queue_t *answers = rd_kafka_queue_new(rk);
        rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(type, name);
        rd_kafka_DescribeConfigs(rk, &resource, 1, NULL, answers);
        event = rd_kafka_queue_poll(answers, tries_ms[i]);
        rd_kafka_ConfigResource_destroy(resource);
        rd_kafka_queue_destroy(answers);
    }
    return event;
}

static rd_kafka_resp_err_t read_event(rd_kafka_event_t *event, kafka_each_setting *each, void *arg)
{
    size_t resources = 0, count = 0;
    if (rd_kafka_event_error(event))
        return rd_kafka_event_error(event);
    const rd_kafka_ConfigResource_t **resource =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &resources);
    if (!resources || rd_kafka_ConfigResource_error(resource[0]))
        return resources ? rd_kafka_ConfigResource_error(resource[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
    const rd_kafka_ConfigEntry_t **settings = rd_kafka_ConfigResource_configs(resource[0], &count);
    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(settings[i]);
        each(arg, rd_kafka_ConfigEntry_name(settings[i]), value ? value : "");
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t kafka_check_settings(struct kafka_broker *self, struct kafka_findings *findings,
                                         rd_kafka_ResourceType_t type, const char *name, kafka_each_setting *each,
                                         void *arg)
{
    rd_kafka_event_t *event = findings->silent ? NULL : request(self, type, name);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    findings->silent = !event;
    if (event) {
        err = read_event(event, each, arg);
        rd_kafka_event_destroy(event);
    }
    return err;
}
