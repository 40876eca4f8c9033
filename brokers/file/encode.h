/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/encode.h - one event as one line of JSON
 *
 * Lines go through a buffer of fixed size: when it is full its flush() is called, also in the middle of a line, so
 * that the size of an event costs no memory. A flush that fails makes everything after it do nothing.
 */
#ifndef OBX_BROKERS_FILE_ENCODE_H
#define OBX_BROKERS_FILE_ENCODE_H

#include <outbox/plugin.h>

/* The largest step of the encoder: a buffer must have at least this much room. */
#define FILE_STEP 4096u
#define FILE_MIN_ROOM (6u * FILE_STEP + 64u)

struct file_out {
    char *data; /* the caller's */
    size_t size, room;
    int (*flush)(void *arg, const char *data, size_t size); /* 0, or what `failed` becomes */
    void *arg;
    bool last; /* the owner's: this flush comes before a sync, nothing is formatted meanwhile */
    int failed;
};

/* Write out what is buffered; gives `failed`. */
int file_flush(struct file_out *out);
void file_encode(struct file_out *out, const struct outbox_message *message);

bool file_is_utf8(const void *data, size_t size);

/* 2026-01-31T23:59:59.123456Z into text, without a NUL; 0 for years that RFC 3339 cannot write, else the length. */
#define FILE_TIME_SIZE 27u
size_t file_time(char text[FILE_TIME_SIZE], int64_t us);

#endif
