/* SPDX-License-Identifier: Apache-2.0 */
/* tests/oracle/oracle_test.c - the oracle finds each kind of violation, and only violations */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "mem_fault.h"
#include "oracle.h"

#define LEDGER_MAX 4096

static char directory[] = "/tmp/oracle-XXXXXX";

static const char *write_file(const char *name, const char *text)
{
    static char path[3][64];
    static unsigned next;
    char *file = path[next++ % 3];
    snprintf(file, sizeof path[0], "%s/%s", directory, name);
    FILE *out = fopen(file, "we");
    cr_assert(out);
    fputs(text, out);
    fclose(out);
    return file;
}

static void open_directory(void)
{
    cr_assert(mkdtemp(strcpy(directory, "/tmp/oracle-XXXXXX")));
}

static void drop_directory(void)
{
    static const char *const names[] = {"ledger", "published", "left"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    cr_assert_eq(rmdir(directory), 0);
}

/* A ledger with the payload "p" in place of each '#'. */
static const char *ledger_of(const char *text)
{
    static char full[LEDGER_MAX];
    size_t size = 0;
    for (; *text; text++) {
        if (*text == '#')
            size += (size_t)snprintf(full + size, sizeof full - size, "%016" PRIx64, (uint64_t)XXH3_64bits("p", 1));
        else
            full[size++] = *text;
    }
    full[size] = '\0';
    return full;
}

/* One line of the file broker for each id:key, e.g. "a:k b:k". */
static const char *published_of(const char *events)
{
    static char full[LEDGER_MAX];
    size_t size = 0;
    char id[8], key[8];
    for (int used; sscanf(events, " %7[^:]:%7s%n", id, key, &used) == 2; events += used)
        size += (size_t)snprintf(full + size, sizeof full - size,
                                 "{\"topic\":\"t\",\"key\":\"%s\",\"id\":\"%s\",\"payload\":\"p\"}\n", key, id);
    full[size] = '\0';
    return full;
}

static bool check(struct oracle_rules rules, const char *ledger, const char *published, const char *left,
                  struct oracle_verdict *verdict)
{
    struct oracle *oracle;
    struct outbox_error error = {0};
    open_directory();
    cr_assert_eq(oracle_new(&rules, &oracle), 0);
    cr_assert_eq(oracle_read_ledger(oracle, write_file("ledger", ledger_of(ledger)), &error), 0, "%s", error.text);
    cr_assert_eq(oracle_read_published(oracle, write_file("published", published), &error), 0, "%s", error.text);
    cr_assert_eq(oracle_read_left(oracle, write_file("left", left), &error), 0, "%s", error.text);
    bool ok = oracle_judge(oracle, verdict);
    oracle_free(oracle);
    drop_directory();
    cr_assert_eq(mem_live(), 0);
    return ok;
}

static const struct oracle_rules no_limits = {.incidents = UINT64_MAX};

Test(oracle, committed_events_are_accepted)
{
    struct oracle_verdict v;
    cr_assert(check(no_limits, "B 1\nE a k 1 #\nE b k 2 #\nC 1\nB 2\nE c k 3 #\nR 2\nB 3\nE d k 3 #\nC 3\n",
                    published_of("a:k b:k"), "d\n", &v));
    cr_assert_eq(v.committed, 3u);
    cr_assert_eq(v.rolled_back, 1u);
    cr_assert_eq(v.published, 2u);
    cr_assert_eq(v.left, 1u);
}

Test(oracle, lost_event_is_found)
{
    struct oracle_verdict v;
    cr_assert_not(check(no_limits, "B 1\nE a k 1 #\nE b k 2 #\nC 1\n", published_of("a:k"), "", &v));
    cr_assert_eq(v.lost, 1u);
}

Test(oracle, uncommitted_events_are_found)
{
    struct oracle_verdict v;
    cr_assert_not(check(no_limits, "B 1\nE a k 1 #\nR 1\n", published_of("a:k z:k"), "y\n", &v));
    cr_assert_eq(v.invented, 3u);
}

Test(oracle, disorder_within_a_key_is_found)
{
    struct oracle_verdict v;
    cr_assert_not(check(no_limits, "B 1\nE a k 1 #\nE b k 2 #\nE c l 1 #\nC 1\n", published_of("c:l b:k a:k"), "", &v));
    cr_assert_eq(v.disordered, 1u);
}

Test(oracle, overtaken_row_is_found)
{
    struct oracle_verdict v;
    cr_assert_not(check(no_limits, "B 1\nE a k 1 #\nE b k 2 #\nC 1\n", published_of("b:k"), "a\n", &v));
    cr_assert_eq(v.overtaken, 1u);
    cr_assert_eq(v.lost, 0u);
}

Test(oracle, changed_key_and_payload_are_found)
{
    struct oracle_verdict v;
    cr_assert_not(check(no_limits, "B 1\nE a k 1 #\nE b k 2 0\nC 1\n", published_of("a:x b:k"), "", &v));
    cr_assert_eq(v.changed, 2u);
}

Test(oracle, duplicates_are_counted_and_their_distance_checked)
{
    struct oracle_rules rules = {.window = 2, .incidents = 1};
    struct oracle_verdict v;
    const char *ledger = "B 1\nE a k 1 #\nE b k 2 #\nE c k 3 #\nC 1\n";
    cr_assert(check(rules, ledger, published_of("a:k b:k a:k b:k c:k"), "", &v));
    cr_assert_eq(v.duplicates, 2u);
    cr_assert_not(check(rules, ledger, published_of("a:k b:k c:k a:k"), "", &v));
    cr_assert_eq(v.far, 1u);
    cr_assert_eq(v.furthest, 3u);
    rules.scattered = true;
    cr_assert(check(rules, ledger, published_of("a:k b:k c:k a:k"), "", &v));
    rules.scattered = false;
    cr_assert_not(check(rules, ledger, published_of("a:k b:k b:k c:k c:k c:k"), "", &v));
    cr_assert_eq(v.surplus, 1u);
}

Test(oracle, differing_duplicate_is_found)
{
    struct oracle_verdict v;
    cr_assert_not(check(no_limits, "B 1\nE a k 1 #\nC 1\n",
                        "{\"id\":\"a\",\"key\":\"k\",\"payload\":\"p\"}\n"
                        "{\"id\":\"a\",\"key\":\"k\",\"payload\":\"p\",\"headers\":{\"x\":\"1\"}}\n",
                        "", &v));
    cr_assert_eq(v.unlike, 1u);
}

Test(oracle, transaction_in_doubt_is_whole_or_absent)
{
    struct oracle_verdict v;
    const char *ledger = "B 1\nE a k 1 #\nE b l 1 #\n";
    cr_assert(check(no_limits, ledger, "", "", &v));
    cr_assert_eq(v.in_doubt, 2u);
    cr_assert(check(no_limits, ledger, published_of("a:k"), "b\n", &v));
    cr_assert_not(check(no_limits, ledger, published_of("a:k"), "", &v));
    cr_assert_eq(v.torn, 1u);
}

Test(oracle, garbled_lines_are_counted_and_a_torn_tail_is_accepted)
{
    struct oracle_verdict v;
    cr_assert_not(check(no_limits, "", "{\"id\"\n[1]\n{\"key\":\"k\"}\n{\"id\":\"to", "", &v));
    cr_assert_eq(v.garbled, 3u);
    cr_assert_eq(v.unfinished, 9u);
}

Test(oracle, kcat_and_base64_are_read)
{
    struct oracle_verdict v;
    cr_assert(check(no_limits, "B 1\nE a k 1 #\nE b - 0 #\nC 1\n",
                    "{\"topic\":\"t\",\"partition\":0,\"key\":\"k\",\"headers\":[\"id\",\"a\"],\"payload\":\"p\"}\n"
                    "{\"topic\":\"t\",\"key\":null,\"id\":\"b\",\"payload_base64\":\"cA==\"}\n",
                    "", &v));
}

static int read_bad_ledger(const char *text, struct outbox_error *error)
{
    struct oracle *oracle;
    open_directory();
    cr_assert_eq(oracle_new(&no_limits, &oracle), 0);
    int result = oracle_read_ledger(oracle, write_file("ledger", text), error);
    oracle_free(oracle);
    drop_directory();
    return result;
}

Test(oracle, invalid_ledger_is_refused)
{
    struct outbox_error error = {0};
    cr_assert_eq(read_bad_ledger("C 1\n", &error), OUTBOX_E_CORRUPT);
    cr_assert(strstr(error.text, "ledger:1: not a line of a ledger: C 1"), "%s", error.text);
    cr_assert_eq(read_bad_ledger("B 1\nE a k 1 0\nE a k 2 0\n", &error), OUTBOX_E_CORRUPT);
    cr_assert(strstr(error.text, "ledger:3: event id a was used before"), "%s", error.text);
}

Test(oracle, every_failed_allocation_is_reported)
{
    bool failed = true;
    open_directory();
    for (size_t n = 1; failed; n++) {
        struct outbox_error error = {0};
        struct oracle *oracle = NULL;
        const char *path = write_file("ledger", "B 1\nE a k 1 0\nC 1\n");
        mem_fail_at(n, false);
        int result = oracle_new(&no_limits, &oracle);
        if (result == OUTBOX_OK)
            result = oracle_read_ledger(oracle, path, &error);
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_eq(result, failed ? OUTBOX_E_NO_MEMORY : OUTBOX_OK);
        oracle_free(oracle);
        cr_assert_eq(mem_live(), 0);
    }
    drop_directory();
}
