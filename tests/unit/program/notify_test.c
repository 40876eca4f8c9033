/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/notify_test.c - datagrams to systemd */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/notify.h"

/* An address in the abstract name space of this process alone. */
static int listen_for(char *name, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(name, size, "@outbox-test-%ld", (long)getpid());
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, (socklen_t)(sizeof address.sun_family + strlen(name))), 0);
    return fd;
}

Test(notify, state_is_sent_as_a_datagram)
{
    char name[64], text[128] = "";
    int fd = listen_for(name, sizeof name);
    setenv("NOTIFY_SOCKET", name, 1);
    cr_expect(obx_notify("READY=1\nSTATUS=1 of 1 relays relaying"));
    cr_expect_gt(recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 0);
    cr_expect_str_eq(text, "READY=1\nSTATUS=1 of 1 relays relaying");
    obx_notify_reloading();
    memset(text, 0, sizeof text);
    cr_expect_gt(recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 0);
    cr_expect_eq(strncmp(text, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    close(fd);
}

Test(notify, without_a_socket_nothing_is_sent)
{
    unsetenv("NOTIFY_SOCKET");
    cr_expect_not(obx_notify("READY=1"));
    setenv("NOTIFY_SOCKET", "relative", 1);
    cr_expect_not(obx_notify("READY=1"));
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    cr_expect_not(obx_notify("READY=1"));
}

Test(notify, watchdog_interval_is_half_of_the_timeout)
{
    char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("NOTIFY_SOCKET", "@x", 1);
    unsetenv("WATCHDOG_USEC");
    cr_expect_eq(obx_notify_watchdog_ns(), 0);
    setenv("WATCHDOG_USEC", "3000000", 1);
    cr_expect_eq(obx_notify_watchdog_ns(), 1500000000);
    setenv("WATCHDOG_PID", pid, 1);
    cr_expect_eq(obx_notify_watchdog_ns(), 1500000000);
    setenv("WATCHDOG_PID", "1", 1);
    cr_expect_eq(obx_notify_watchdog_ns(), 0, "meant for another process");
}
