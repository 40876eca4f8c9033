/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/inbox/window_tool.c - the window of the C library, driven by lines: window.py and simulation.py use it
 *
 *     open PARTITIONS LOG_START LOG_END SPAN FEWEST MOST NEXT WINDOW   (-1: no row)   ->  ok SEEK | error CODE TEXT
 *     judge OFFSET POSITION ID      ("-": the message has no such header)     ->  new | duplicate | by id | error ...
 *     save                                                                    ->  row NEXT WINDOW | nothing
 *
 * A save succeeds: the databases' own statements are tested on real servers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "window.h"

static struct outbox_window *window;
static struct outbox_error error;

static void print_error(void)
{
    printf("error %d %s\n", error.code, error.text);
}

static void open_window(const char *line)
{
    struct outbox_window_place place = {
        .struct_size = sizeof place, .consumer = "billing", .topic = "orders", .partition = 0};
    struct window_row row;
    outbox_window_close(window);
    window = NULL;
    if (sscanf(line, "%" SCNd32 " %" SCNd64 " %" SCNd64 " %" SCNu32 " %" SCNd32 " %" SCNd32 " %" SCNd64 " %" SCNd64,
               &place.partitions, &place.log_start, &place.log_end, &place.span, &row.fewest, &row.most,
               &row.next_offset, &row.window_offset) != 8)
        printf("error 0 open: arguments\n");
    else if (window_new(&place, &row, &window, &error))
        print_error();
    else
        printf("ok %" PRId64 "\n", outbox_window_seek(window));
}

static struct outbox_bytes header_of(const char *text)
{
    bool none = !strcmp(text, "-");
    return (struct outbox_bytes){none ? NULL : text, none ? 0 : strlen(text)};
}

static void judge(const char *line)
{
    static const char *const names[] = {"duplicate", "new", "by id"};
    char position[200], id[100];
    int64_t offset;
    enum outbox_window_verdict verdict;
    if (sscanf(line, "%" SCNd64 " %199s %99s", &offset, position, id) != 3)
        printf("error 0 judge: arguments\n");
    else if (outbox_window_judge(window, offset, header_of(position), header_of(id), &verdict, &error))
        print_error();
    else
        printf("%s\n", names[verdict]);
}

static void save(void)
{
    struct window_row row;
    if (window_to_save(window, &row)) {
        window_set_saved(window, &row);
        printf("row %" PRId64 " %" PRId64 "\n", row.next_offset, row.window_offset);
    } else {
        printf("nothing\n");
    }
}

int main(void)
{
    char line[400];
    while (fgets(line, sizeof line, stdin)) {
        if (!strncmp(line, "open ", 5))
            open_window(line + 5);
        else if (!strncmp(line, "judge ", 6) && window)
            judge(line + 6);
        else if (!strncmp(line, "save", 4) && window)
            save();
        else
            printf("error 0 what?\n");
        fflush(stdout);
    }
    outbox_window_close(window);
    return 0;
}
