/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/logger_test.c - format of log lines, and a reader that stops reading */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mem_fault.h"
#include "cli/logger.h"

#define WALL INT64_C(1700000000123456)

Test(logger, text_line_is_logfmt)
{
    struct obx_buf line = {0};
    obx_logger_line(&line, OBX_LOG_TEXT, WALL, OUTBOX_LOG_WARN, "orders", "a \"b\"\n\x01");
    cr_expect_str_eq(obx_buf_text(&line),
                     "time=2023-11-14T22:13:20.123Z level=warn subject=\"orders\" msg=\"a \\\"b\\\"\\n\\u0001\"\n");
    obx_buf_free(&line);
    cr_assert_eq(mem_live(), 0);
}

Test(logger, text_of_a_server_stays_in_its_field)
{
    struct obx_buf line = {0};
    obx_logger_line(&line, OBX_LOG_TEXT, WALL, OUTBOX_LOG_WARN, "o", "\x1b[2J\xc2\x9b\xe2\x80\xae\xff\" level=info");
    cr_expect_str_eq(obx_buf_text(&line), "time=2023-11-14T22:13:20.123Z level=warn subject=\"o\" "
                                          "msg=\"\\u001b[2J\\u009b\\u202e\xef\xbf\xbd\\\" level=info\"\n");
    obx_buf_free(&line);
    cr_assert_eq(mem_live(), 0);
}

Test(logger, json_line_is_one_object)
{
    struct obx_buf line = {0};
    obx_logger_line(&line, OBX_LOG_JSON, WALL, OUTBOX_LOG_ERROR, "s", "back\\slash \xff");
    cr_expect_str_eq(obx_buf_text(&line),
                     "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"error\",\"subject\":\"s\","
                     "\"msg\":\"back\\\\slash \xef\xbf\xbd\"}\n");
    obx_buf_free(&line);
    cr_assert_eq(mem_live(), 0);
}

static ssize_t drain_pipe(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t got;
    while ((got = read(fd, text + used, size - used - 1)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    return (ssize_t)used;
}

Test(logger, messages_that_would_block_are_dropped_and_counted)
{
    static char text[1 << 20];
    int ends[2];
    struct obx_logger *logger;
    struct outbox_error error;
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    cr_assert_eq(obx_logger_new(ends[1], OUTBOX_LOG_INFO, OBX_LOG_TEXT, &logger, &error), OUTBOX_OK);
    const struct obx_log *log = obx_logger_log(logger);
    for (int i = 0; i < 5000; i++)
        obx_log_write(log, OUTBOX_LOG_INFO, "test", "message %d of many that fill the pipe", i);
    uint64_t dropped = obx_logger_dropped(logger);
    cr_expect_gt(dropped, 0);
    cr_expect_lt(dropped, 5000);
    drain_pipe(ends[0], text, sizeof text);
    cr_expect_null(strstr(text, "were dropped"));
    obx_log_write(log, OUTBOX_LOG_INFO, "test", "after");
    drain_pipe(ends[0], text, sizeof text);
    cr_expect_not_null(strstr(text, "messages were dropped: the reader of the log is too slow"));
    cr_expect_not_null(strstr(text, "msg=\"after\""));
    cr_expect_eq(obx_logger_dropped(logger), dropped);
    cr_expect_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0, "the flags of the shared descriptor are unchanged");
    obx_logger_free(logger);
    close(ends[0]);
    close(ends[1]);
    cr_assert_eq(mem_live(), 0);
}

static size_t content(int fd, char *text, size_t size)
{
    ssize_t got = pread(fd, text, size - 1, 0);
    cr_assert_geq(got, 0);
    text[got] = '\0';
    return (size_t)got;
}

Test(logger, full_file_is_reported_with_its_reason_on_a_new_line)
{
    static char text[4096];
    struct obx_logger *logger;
    struct outbox_error error;
    struct rlimit limit;
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(obx_logger_new(fileno(file), OUTBOX_LOG_INFO, OBX_LOG_TEXT, &logger, &error), OUTBOX_OK);
    const struct obx_log *log = obx_logger_log(logger);
    struct rlimit small = {.rlim_cur = 100, .rlim_max = limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    obx_log_write(log, OUTBOX_LOG_INFO, "test", "whole");
    obx_log_write(log, OUTBOX_LOG_INFO, "test", "cut in the middle");
    obx_log_write(log, OUTBOX_LOG_INFO, "test", "not at all");
    cr_expect_eq(content(fileno(file), text, sizeof text), 100);
    cr_expect_eq(obx_logger_dropped(logger), 2);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    obx_log_write(log, OUTBOX_LOG_INFO, "test", "after");
    content(fileno(file), text, sizeof text);
    cr_expect_str_eq(strchr(text + 100, 'l'), strstr(text, "level=warn subject=\"log\""));
    cr_expect_eq(text[100], '\n');
    cr_expect_not_null(strstr(text, "msg=\"2 messages were dropped: File too large\"\n"));
    cr_expect_not_null(strstr(text, "msg=\"after\"\n"));
    obx_logger_free(logger);
    fclose(file);
    cr_assert_eq(mem_live(), 0);
}

Test(logger, level_and_format_can_change)
{
    int ends[2];
    char text[4096];
    struct obx_logger *logger;
    struct outbox_error error;
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    cr_assert_eq(obx_logger_new(ends[1], OUTBOX_LOG_WARN, OBX_LOG_TEXT, &logger, &error), OUTBOX_OK);
    obx_log_write(obx_logger_log(logger), OUTBOX_LOG_INFO, "t", "hidden");
    obx_logger_set(logger, OUTBOX_LOG_INFO, OBX_LOG_JSON);
    obx_log_write(obx_logger_log(logger), OUTBOX_LOG_INFO, "t", "shown");
    drain_pipe(ends[0], text, sizeof text);
    cr_expect_null(strstr(text, "hidden"));
    cr_expect_not_null(strstr(text, "\"msg\":\"shown\""));
    obx_logger_free(logger);
    close(ends[0]);
    close(ends[1]);
    cr_assert_eq(mem_live(), 0);
}
