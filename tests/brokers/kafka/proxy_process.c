/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/proxy_process.c - the process and its two pipes */
#include "proxy_process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(int in, int out, const char *route)
{
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    execl(getenv("OUTBOX_PROXY"), "outbox-proxy", route, (char *)NULL);
    _exit(127);
}

void proxy_process_open(struct proxy_process *proxy)
{
    int commands[2], answers[2];
    char line[128], route[64];
    snprintf(route, sizeof route, "kafka:%s:%s", getenv("OUTBOX_TEST_KAFKA_BEHIND"), getenv("OUTBOX_TEST_KAFKA_PROXY"));
    snprintf(proxy->bootstrap, sizeof proxy->bootstrap, "127.0.0.1:%s", getenv("OUTBOX_TEST_KAFKA_PROXY"));
    cr_assert_eq(pipe(commands) | pipe(answers), 0);
    proxy->pid = fork();
    if (!proxy->pid)
        run(commands[0], answers[1], route);
    close(commands[0]);
    close(answers[1]);
    proxy->to = fdopen(commands[1], "w");
    proxy->from = fdopen(answers[0], "r");
    cr_assert(fgets(line, sizeof line, proxy->from), "the proxy does not start");
}

void proxy_process_command(struct proxy_process *proxy, const char *command)
{
    char line[256] = "";
    fprintf(proxy->to, "%s\n", command);
    fflush(proxy->to);
    cr_assert(fgets(line, sizeof line, proxy->from) && !strncmp(line, "ok", 2), "%s: %s", command, line);
}

void proxy_process_close(struct proxy_process *proxy)
{
    int status;
    fclose(proxy->to);
    fclose(proxy->from);
    kill(proxy->pid, SIGKILL);
    waitpid(proxy->pid, &status, 0);
}
