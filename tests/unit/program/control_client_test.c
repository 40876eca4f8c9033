/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/control_client_test.c - the client of the control socket before a service that is slow */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/control.h"
#include "http/address.h"

enum { INTERRUPTS = 20 };

struct service {
    int listener;
    pthread_t client;
    atomic_int interrupted;
};

static atomic_int *count;

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(count, 1);
}

/* Interrupts the client while it reads, some times, and answers then. */
static void *serve(void *arg)
{
    struct service *service = arg;
    char request[200];
    struct pollfd connection = {.fd = service->listener, .events = POLLIN}; /* the listener does not block */
    while (poll(&connection, 1, -1) < 1) {
    }
    int fd = accept(service->listener, NULL, NULL);
    while (read(fd, request, sizeof request) > 0) {
    }
    for (int sent = 1; sent <= INTERRUPTS; sent++) {
        pthread_kill(service->client, SIGUSR1);
        while (atomic_load(&service->interrupted) < sent)
            usleep(1000);
    }
    static const char answer[] = "0 resumed\n";
    cr_assert_eq(write(fd, answer, sizeof answer - 1), (ssize_t)sizeof answer - 1);
    close(fd);
    return NULL;
}

Test(control_client, read_that_a_signal_interrupts_goes_on)
{
    struct service service = {.client = pthread_self()};
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART */
    struct outbox_error error = {0};
    pthread_t thread;
    char directory[] = "/tmp/outbox-control-XXXXXX", path[64], address[80];
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/socket", directory);
    snprintf(address, sizeof address, "unix:%s", path);
    count = &service.interrupted;
    sigaction(SIGUSR1, &action, NULL);
    cr_assert_eq(obx_listen_on_path("control", path, 0600, &service.listener, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_eq(pthread_create(&thread, NULL, serve, &service), 0);
    cr_assert_eq(obx_control_send(address, "resume", "orders", NULL, NULL, &error), 0, "%s", error.text);
    cr_assert_str_eq(error.text, "resumed");
    pthread_join(thread, NULL);
    close(service.listener);
    unlink(path);
    rmdir(directory);
}
