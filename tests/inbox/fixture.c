/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/fixture.c - see fixture.h */
#include "fixture.h"

#include <stdarg.h>
#include <unistd.h>

static char directory[] = "/tmp/outbox-inbox-XXXXXX";

static void remove_directory(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command))
        perror("rm");
}

static void write_configuration(void)
{
    static bool written;
    if (written)
        return;
    written = true;
    cr_assert_not_null(mkdtemp(directory));
    atexit(remove_directory);
    cr_assert_eq(setenv("INBOX_DIR", directory, 1), 0);
    char path[100];
    snprintf(path, sizeof path, "%s/outbox.yaml", directory);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs("relays:\n  billing:\n    store: ", file);
    fprintf(file, "%s\n", client_store);
    fclose(file);
}

void fixture_init(const char *options, char *out, size_t size)
{
    char command[600];
    write_configuration();
    snprintf(command, sizeof command, "'%s' init --inbox %s -c %s/outbox.yaml 2>&1", getenv("INBOX_OUTBOX"), options,
             directory);
    FILE *pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    char text[8000];
    size_t got = fread(text, 1, sizeof text - 1, pipe);
    text[got] = '\0';
    cr_assert_eq(pclose(pipe), 0, "%s: %s", command, text);
    if (out)
        snprintf(out, size, "%s", text);
}

struct session *fixture_open(void)
{
    write_configuration();
    struct session *session = client_open(NULL);
    client_run(session, "DROP TABLE IF EXISTS outbox_inbox");
    client_run(session, "DROP TABLE IF EXISTS outbox_inbox_position");
    fixture_init("", NULL, 0);
    return session;
}

int64_t run(struct session *session, const char *sql)
{
    int64_t value = client_run(session, sql);
    cr_assert_neq(value, INT64_MIN, "%s", sql);
    return value;
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

void batch_open(struct batch *batch, size_t room)
{
    *batch = (struct batch){.ids = calloc(room, sizeof *batch->ids),
                            .texts = calloc(room, sizeof *batch->texts),
                            .is_new = calloc(room, sizeof *batch->is_new)};
}

void batch_close(struct batch *batch)
{
    free(batch->ids);
    free(batch->texts);
    free(batch->is_new);
}

void batch_add(struct batch *batch, unsigned number)
{
    unsigned spread = number * 2654435761u; /* one to one */
    char *text = batch->texts[batch->count];
    snprintf(text, 37, "%08x-0000-4000-8000-%012x", spread, number);
    batch->ids[batch->count++] = (struct outbox_bytes){text, 36};
}

int batch_take(struct batch *batch, struct session *session, const char *consumer)
{
    batch->error = (struct outbox_error){0};
    return client_take(session, consumer, batch->ids, batch->count, batch->is_new, &batch->error);
}

size_t batch_new(const struct batch *batch)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        count += batch->is_new[i];
    return count;
}

void expect_take(struct session *session, const char *consumer, const char *answer, ...)
{
    struct batch batch;
    char got[64] = "";
    size_t count = strlen(answer);
    batch_open(&batch, count);
    va_list list;
    va_start(list, answer);
    for (size_t i = 0; i < count; i++)
        batch_add(&batch, (unsigned)va_arg(list, int));
    va_end(list);
    memset(batch.is_new, 2, count); /* nothing that take() left alone looks like an answer */
    cr_assert_eq(batch_take(&batch, session, consumer), 0, "%s", batch.error.text);
    for (size_t i = 0; i < count; i++) {
        unsigned char raw;
        memcpy(&raw, &batch.is_new[i], 1);
        got[i] = (char)('0' + raw);
    }
    cr_assert_str_eq(got, answer);
    batch_close(&batch);
}
