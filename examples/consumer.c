/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/consumer.c - reads events line by line and has them applied batch by batch; see consumer.h
 *
 *     consumer_postgres [--follow] NAME FILE CONNINFO
 *
 * NAME is the consumer's in the inbox. FILE.NAME.position holds how far FILE was applied. It is written after the
 * commit: after a crash between the two the last batch is read again, and the inbox drops it. With --follow it waits at
 * the end of FILE for more.
 */
#include "consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char position_path[1000];

static long load_position(void)
{
    long position = 0;
    FILE *file = fopen(position_path, "r");
    if (file && fscanf(file, "%ld", &position) != 1)
        position = 0;
    if (file)
        fclose(file);
    return position;
}

static void save_position(long position)
{
    char made[1010];
    snprintf(made, sizeof made, "%s.new", position_path);
    FILE *file = fopen(made, "w");
    if (!file || fprintf(file, "%ld\n", position) < 0 || fclose(file) || rename(made, position_path))
        perror(position_path);
}

/* The text of "name":"text" in a line of the file broker. */
static struct outbox_bytes member(const char *line, const char *name)
{
    struct outbox_bytes value = {NULL, 0};
    char pattern[40];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
    const char *at = strstr(line, pattern);
    if (at) {
        value.data = at + strlen(pattern);
        value.size = strcspn(value.data, "\"");
    }
    return value;
}

/* A line that is not complete yet stays in the file: its writer may be in the middle of it. */
static bool read_line(FILE *file, char *line)
{
    long start = ftell(file);
    if (fgets(line, LINE_SIZE, file) && strchr(line, '\n'))
        return true;
    clearerr(file);
    fseek(file, start, SEEK_SET);
    return false;
}

static void read_batch(FILE *file, struct batch *batch)
{
    for (batch->count = 0; batch->count < BATCH && read_line(file, batch->lines[batch->count]); batch->count++) {
        struct outbox_bytes key = member(batch->lines[batch->count], "key");
        batch->ids[batch->count] = member(batch->lines[batch->count], "id");
        snprintf(batch->customers[batch->count], KEY_SIZE, "%.*s", (int)key.size,
                 key.data ? (const char *)key.data : "");
    }
}

static bool consume(const char *consumer, FILE *file, bool follow)
{
    static struct batch batch;
    for (;;) {
        read_batch(file, &batch);
        if (!batch.count && !follow)
            return true;
        if (!batch.count)
            usleep(5000);
        else if (!database_apply(consumer, &batch))
            return false;
        else
            save_position(ftell(file));
    }
}

int main(int argc, char **argv)
{
    bool follow = argc > 1 && !strcmp(argv[1], "--follow");
    argv += 1 + follow;
    if (argc - follow < 4) {
        fprintf(stderr, "usage: consumer_... [--follow] NAME FILE DATABASE...\n");
        return 64;
    }
    snprintf(position_path, sizeof position_path, "%s.%s.position", argv[1], argv[0]);
    FILE *file = fopen(argv[1], "r");
    if (!file || fseek(file, load_position(), SEEK_SET)) {
        perror(argv[1]);
        return 66;
    }
    bool fine = database_open(argv + 2) && consume(argv[0], file, follow);
    database_close();
    fclose(file);
    return fine ? 0 : 75;
}
