/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/encode.h - one event as one line of JSON
 *
 * Lines go through a buffer of fixed size. When it is full, flush() is called, also in the middle of a line, so the
 * size of an event needs no memory. After a flush that failed nothing more is written.
 */
#ifndef OBX_BROKERS_FILE_ENCODE_H
#define OBX_BROKERS_FILE_ENCODE_H

#include <outbox/plugin.h>

/* The largest step of the encoder, and the least room of a buffer. */
#define FILE_STEP ((size_t)4096)
#define FILE_MIN_ROOM (6u * FILE_STEP + 64u)

struct file_out {
    char *data; /* the caller's */
    size_t size, room;
    int (*flush)(void *arg, const char *data, size_t size); /* 0, or what `failed` becomes */
    void *arg;
    bool last; /* the caller's: a sync follows this flush, and nothing is formatted meanwhile */
    int failed;
};

/* Writes the buffered bytes; gives `failed`. */
int file_flush(struct file_out *out);
void file_encode(struct file_out *out, const struct outbox_message *message);

bool file_is_utf8(const void *data, size_t size);

/* 2026-01-31T23:59:59.123456Z into text, without a NUL; 0 for years that RFC 3339 cannot write, else the length. */
#define FILE_TIME_SIZE 27u
size_t file_time(char text[FILE_TIME_SIZE], int64_t us);

#endif
