/* SPDX-License-Identifier: Apache-2.0 */
/* bench/plain_nats.c - the plainest publisher over libnats: URL SUBJECT EVENTS BYTES; waits for all acknowledgements */
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    natsConnection *connection = NULL;
    jsCtx *stream = NULL;
    if (argc != 5)
        return 64;
    int events = (int)strtol(argv[3], NULL, 10), bytes = (int)strtol(argv[4], NULL, 10);
    char *payload = malloc((size_t)bytes);
    memset(payload, 'x', (size_t)bytes);
    natsStatus status = natsConnection_ConnectTo(&connection, argv[1]);
    if (status == NATS_OK)
        status = natsConnection_JetStream(&stream, connection, NULL);
    for (int i = 0; i < events && status == NATS_OK; i++)
        status = js_PublishAsync(stream, argv[2], payload, bytes, NULL);
    if (status == NATS_OK)
        status = js_PublishAsyncComplete(stream, NULL);
    if (status != NATS_OK)
        fprintf(stderr, "plain_nats: %s\n", natsStatus_GetText(status));
    jsCtx_Destroy(stream);
    natsConnection_Destroy(connection);
    free(payload);
    return status != NATS_OK;
}
