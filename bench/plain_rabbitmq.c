/* SPDX-License-Identifier: Apache-2.0 */
/* bench/plain_rabbitmq.c - the plainest publisher over librabbitmq: PORT QUEUE EVENTS BYTES; 2,000 without confirmation
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../brokers/rabbitmq/librabbitmq.h"

/* The highest tag that is confirmed; the server confirms in order, mostly several at a time. */
static uint64_t read_confirmation(amqp_connection_state_t connection, uint64_t confirmed)
{
    amqp_frame_t frame;
    if (amqp_simple_wait_frame(connection, &frame) != AMQP_STATUS_OK || frame.frame_type != AMQP_FRAME_METHOD ||
        frame.payload.method.id != AMQP_BASIC_ACK_METHOD) {
        fprintf(stderr, "plain_rabbitmq: no confirmation\n");
        exit(1);
    }
    const amqp_basic_ack_t *ack = frame.payload.method.decoded;
    amqp_maybe_release_buffers(connection);
    return ack->multiple ? ack->delivery_tag : confirmed + 1;
}

int main(int argc, char **argv)
{
    enum { WINDOW = 2000, PERSISTENT = 2 };
    if (argc != 5)
        return 64;
    uint64_t events = strtoull(argv[3], NULL, 10), confirmed = 0;
    size_t bytes = strtoul(argv[4], NULL, 10);
    char *payload = malloc(bytes);
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = PERSISTENT};
    memset(payload, 'x', bytes);
    if (amqp_socket_open(socket, "127.0.0.1", (int)strtol(argv[1], NULL, 10)) ||
        amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type !=
            AMQP_RESPONSE_NORMAL)
        exit(1);
    amqp_channel_open(connection, 1);
    amqp_confirm_select(connection, 1);
    for (uint64_t sent = 0; sent < events || confirmed < sent;) {
        if (sent < events && sent - confirmed < WINDOW) {
            amqp_basic_publish(connection, 1, amqp_cstring_bytes(""), amqp_cstring_bytes(argv[2]), 1, 0, &properties,
                               (amqp_bytes_t){bytes, payload});
            sent++;
        } else {
            confirmed = read_confirmation(connection, confirmed);
        }
    }
    amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(connection);
    free(payload);
    return 0;
}
