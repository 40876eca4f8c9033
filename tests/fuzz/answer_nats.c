/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/answer_nats.c - arbitrary answers of JetStream
 *
 * Only an answer with a number and without an error is a delivery; every other outcome has an error with a text.
 */
#include "fuzz.h"

#include <jansson.h>
#include <string.h>

#include "../../brokers/nats/broker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outbox_error error = {.code = OUTBOX_OK};
    natsMsg *answer = NULL;
    FUZZ_CHECK(nats_Open(-1) == NATS_OK); /* it does nothing the second time */
    FUZZ_CHECK(natsMsg_Create(&answer, "inbox.1", NULL, (const char *)data, (int)size) == NATS_OK);
    json_t *body = json_loadb((const char *)data, size, 0, NULL);
    bool stored = json_is_integer(json_object_get(body, "seq")) && !json_object_get(body, "error");
    uint32_t outcome = nats_outcome(answer, &error);
    FUZZ_CHECK((outcome == OUTBOX_DELIVERED) == stored);
    if (!stored)
        FUZZ_CHECK(error.code && strnlen(error.text, sizeof error.text) < sizeof error.text);
    json_decref(body);
    natsMsg_Destroy(answer);
    return 0;
}
