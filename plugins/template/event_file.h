/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/template/event_file.h - an event as a file TOPIC.ID of a directory; for both brokers of the template
 *
 * The file has the event field by field: "NAME SIZE", the bytes, a line end. The size of a null is -1. A file is
 * written under a temporary name, synced, and renamed. read.py prints the files as NDJSON, in the order of their
 * numbers.
 */
#ifndef TEMPLATE_EVENT_FILE_H
#define TEMPLATE_EVENT_FILE_H

#include <outbox/plugin_util.h>

/* Can it be a file? OUTBOX_OK, or the error. Any thread: it reads only the message. */
int event_file_admit(const struct outbox_message *message, struct outbox_error *error);
/* 0, or an errno. *last: the number of the last file, for one thread at a time. The caller syncs the directory. */
int event_file_write(int dir, uint64_t *last, const struct outbox_message *message);

#endif
