/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/recover.c - a file of any content is opened by the file broker
 *
 * A refused file stays unchanged. Otherwise the file becomes the longest run of whole lines at its start without a zero
 * byte, and recovering it again changes nothing.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "../../brokers/file/sink.h"

static const uint8_t *content;
static off_t length, reads;

static ssize_t read_at(int fd, void *data, size_t size, off_t offset)
{
    (void)fd;
    if (++reads % 7 == 3) {
        errno = EINTR;
        return -1;
    }
    size_t left = offset < length ? (size_t)(length - offset) : 0;
    size = size < left ? size : left;
    if (size > 3 && reads % 5 == 0)
        size /= 2;
    if (size)
        memcpy(data, content + offset, size);
    return (ssize_t)size;
}

static int cut_at(int fd, off_t size)
{
    (void)fd;
    FUZZ_CHECK(size < length);
    length = size;
    return 0;
}

static int drop_cache(int fd, off_t offset)
{
    (void)fd, (void)offset;
    return 0;
}

static off_t whole_lines(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t end = zero ? (size_t)(zero - data) : size;
    while (end && data[end - 1] != '\n')
        end--;
    return (off_t)end;
}

static int recover(struct file_sink *sink)
{
    struct outbox_error error = {0};
    sink->id.st_size = length;
    return file_recover(sink, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct file_sys sys = {.pread = read_at, .ftruncate = cut_at, .drop_cache = drop_cache};
    struct file_sink sink = {.host = &fuzz_host, .sys = &sys, .path = "/file", .name = "file"};
    content = data;
    length = (off_t)size;
    reads = 0;
    if (recover(&sink)) {
        FUZZ_CHECK(length == (off_t)size);
        FUZZ_CHECK(size);
        return 0;
    }
    FUZZ_CHECK(length == whole_lines(data, size));
    FUZZ_CHECK(sink.size == length && sink.durable == length);
    off_t once = length;
    FUZZ_CHECK(recover(&sink) == OUTBOX_OK && length == once);
    return 0;
}
