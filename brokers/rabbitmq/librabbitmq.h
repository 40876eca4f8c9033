/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of librabbitmq: since 0.12 in a folder of their own, and the old names, all that Debian 12 has, warn. */
#ifndef OBX_BROKERS_RABBITMQ_LIBRABBITMQ_H
#define OBX_BROKERS_RABBITMQ_LIBRABBITMQ_H

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

#endif
