/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/dead_act.c - select dead letters, and list, show, replay or drop them
 *
 * A filter, --limit and --dry-run first read the letters and note the numbers of those that fit. The action is one
 * operation of the store, on these numbers: later letters are not touched, but by --all with more than
 * OBX_DEAD_NUMBERS. Nothing is dropped on a terminal before somebody has confirmed the number.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "relay/order.h"
#include "verbs/dead_render.h"
#include "verbs/dead_request.h"

/* ---- rows -------------------------------------------------------------------------------------------------------- */

uint32_t obx_dead_request_find(const struct obx_dead_request *request, uint64_t number)
{
    uint32_t i = 0;
    while (i < request->count && request->numbers[i] != number)
        i++;
    return i;
}

static void mark_found(void *arg, const struct outbox_dead_letter *letter)
{
    struct obx_dead_request *request = arg;
    uint32_t i = obx_dead_request_find(request, letter->number);
    if (i < request->count)
        request->found[i] = true;
}

static void print_letter(const struct obx_dead_request *request, const struct outbox_dead_letter *letter)
{
    if (request->json)
        obx_dead_print_json(letter);
    else if (request->action == OUTBOX_DEAD_SHOW)
        obx_dead_print_fields(letter);
    else
        obx_dead_print_line(letter);
}

/* Of show with numbers. */
static void print_numbered(void *arg, const struct outbox_dead_letter *letter)
{
    mark_found(arg, letter);
    print_letter(arg, letter);
}

static uint32_t limit_of(const struct obx_dead_request *request)
{
    return request->limit ? OBX_MIN(request->limit, (uint32_t)OBX_DEAD_NUMBERS) : OBX_DEAD_NUMBERS;
}

static bool only_reads(const struct obx_dead_request *request)
{
    return request->action == OUTBOX_DEAD_LIST || request->action == OUTBOX_DEAD_SHOW;
}

static void note_letter(struct obx_dead_request *request, const struct outbox_dead_letter *letter)
{
    struct outbox_message message = {.topic = letter->topic, .key = letter->key};
    request->keys[request->count] =
        obx_order_key(request->order, &message, (struct outbox_position){letter->number, UINT64_MAX});
    request->numbers[request->count++] = letter->number;
}

/* Prints the letters that fit, or notes their numbers. */
static void select_letter(void *arg, const struct outbox_dead_letter *letter)
{
    struct obx_dead_request *request = arg;
    bool reads = only_reads(request);
    if (!obx_dead_filter_matches(&request->filter, letter))
        return;
    request->matched++;
    if (reads ? request->limit && request->matched > request->limit : request->count == limit_of(request))
        return;
    if (reads || request->dry_run)
        print_letter(request, letter);
    if (!reads)
        note_letter(request, letter);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static int run_on(struct obx_oneshot *oneshot, enum outbox_dead_action action, struct obx_dead_request *request,
                  const uint64_t *numbers, uint32_t count,
                  void (*row)(void *arg, const struct outbox_dead_letter *letter), uint64_t *affected,
                  struct outbox_error *error)
{
    struct outbox_dead dead = {.struct_size = sizeof dead,
                               .action = (uint32_t)action,
                               .numbers = numbers,
                               .count = count,
                               .limit = only_reads(request) && !request->filter.any ? request->limit : 0,
                               .row = row,
                               .arg = request,
                               .set_column = request->set_column[0] ? request->set_column : NULL,
                               .set_text = request->set_text};
    obx_store_dead(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &dead);
    int status = obx_oneshot_wait(oneshot, error);
    *affected = dead.affected;
    return status;
}

int obx_dead_run(struct obx_oneshot *oneshot, enum outbox_dead_action action, struct obx_dead_request *request,
                 const uint64_t *numbers, uint32_t count, uint64_t *affected, struct outbox_error *error)
{
    return run_on(oneshot, action, request, numbers, count, NULL, affected, error);
}

static int run_action(struct obx_oneshot *oneshot, enum outbox_dead_action action, struct obx_dead_request *request,
                      void (*row)(void *arg, const struct outbox_dead_letter *letter), uint64_t *affected,
                      struct outbox_error *error)
{
    return run_on(oneshot, action, request, request->numbers, request->count, row, affected, error);
}

/* List the missing numbers: the store only counts. */
static int refuse_missing(const struct obx_dead_request *request, uint64_t missing, struct outbox_error *error)
{
    char list[200] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < request->count && used < sizeof list - 30; i++)
        if (!request->found[i])
            used +=
                (size_t)snprintf(list + used, sizeof list - used, "%s %" PRIu64, used ? "," : ":", request->numbers[i]);
    return obx_error_set(error, OUTBOX_E_REJECTED, "%" PRIu64 " of %" PRIu32 " numbers are no dead letters of %s%s%s",
                         missing, request->count, request->relay, list, used < sizeof list - 30 ? "" : " ...");
}

/* On a terminal. Nobody is asked where nobody can reply. */
static bool confirms(const struct obx_dead_request *request, uint64_t count)
{
    char line[16];
    if (request->yes || !isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "delete %" PRIu64 " dead letters of %s for ever? [y/N] ", count, request->relay);
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static int act_on_numbers(struct obx_oneshot *oneshot, struct obx_dead_request *request, uint64_t *affected,
                          struct outbox_error *error)
{
    bool drops = request->action == OUTBOX_DEAD_DROP;
    int status = OUTBOX_OK;
    if (request->action != OUTBOX_DEAD_SHOW) /* before the rows are gone */
        status = run_action(oneshot, OUTBOX_DEAD_SHOW, request, mark_found, affected, error);
    if (!status && drops && !confirms(request, *affected)) {
        *affected = 0;
        return OUTBOX_OK;
    }
    if (!status)
        status = run_action(oneshot, request->action, request, print_numbered, affected, error);
    if (!status && *affected < request->count)
        return refuse_missing(request, request->count - *affected, error);
    return status;
}

/* ---- a selection ------------------------------------------------------------------------------------------------- */

/* Without a filter, a limit and a rate all letters are meant, however many they are. */
static bool means_all(const struct obx_dead_request *request)
{
    return request->all && !request->filter.any && !request->limit && !request->rate;
}

static int act_on_selection(struct obx_oneshot *oneshot, struct obx_dead_request *request, uint64_t *affected,
                            struct outbox_error *error)
{
    int status = run_action(oneshot, request->action == OUTBOX_DEAD_SHOW ? OUTBOX_DEAD_SHOW : OUTBOX_DEAD_LIST, request,
                            select_letter, affected, error);
    if (status || only_reads(request))
        return status;
    uint64_t count = means_all(request) ? request->matched : request->count;
    *affected = request->dry_run ? count : 0;
    bool drops = request->action == OUTBOX_DEAD_DROP;
    if (request->dry_run || !count || (drops && !confirms(request, count)))
        return OUTBOX_OK;
    if (request->rate)
        return obx_dead_pace(oneshot, request, affected, error);
    if (means_all(request) && request->matched > request->count) /* more than one operation takes by their numbers */
        request->count = 0;
    return run_action(oneshot, request->action, request, NULL, affected, error);
}

static void print_result(const struct obx_dead_request *request, uint64_t affected)
{
    static const char *const done[] = {[OUTBOX_DEAD_REPLAY] = "back in the outbox", [OUTBOX_DEAD_DROP] = "dropped"};
    if (only_reads(request))
        return;
    printf("%s: %" PRIu64 " %s%s", request->relay, affected, request->dry_run ? "would be " : "",
           done[request->action]);
    if (request->set_column[0])
        printf(" for topic %s, by %s '%s'", request->to_topic, request->set_column, request->set_text);
    putchar('\n');
    if (!means_all(request) && request->matched > request->count)
        printf("%s: %" PRIu64 " more fit\n", request->relay, request->matched - request->count);
}

int obx_dead_act(struct obx_oneshot *oneshot, struct obx_dead_request *request, struct outbox_error *error)
{
    uint64_t affected = 0;
    int status = request->count ? act_on_numbers(oneshot, request, &affected, error)
                                : act_on_selection(oneshot, request, &affected, error);
    if (!status || error->code == OUTBOX_E_REJECTED || (request->rate && affected))
        print_result(request, affected);
    return status;
}
