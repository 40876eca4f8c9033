/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/oracle/main.c - outbox-oracle: checks files, prints the verdict
 *
 *     outbox-oracle --ledger FILE... --published FILE... [--left FILE] [--dead FILE]
 *                   [--window N] [--scattered] [--incidents N]
 *
 * Exit codes: 0 all guarantees kept, 1 a guarantee violated, 64 usage, 65 a ledger is unreadable or invalid.
 */
#include <getopt.h>
#include <stdlib.h>

#include "oracle.h"

enum { OPT_LEDGER = 1, OPT_PUBLISHED, OPT_LEFT, OPT_DEAD, OPT_WINDOW, OPT_INCIDENTS, OPT_SCATTERED };

static const struct option options[] = {
    {"ledger", required_argument, NULL, OPT_LEDGER}, {"published", required_argument, NULL, OPT_PUBLISHED},
    {"left", required_argument, NULL, OPT_LEFT},     {"dead", required_argument, NULL, OPT_DEAD},
    {"window", required_argument, NULL, OPT_WINDOW}, {"incidents", required_argument, NULL, OPT_INCIDENTS},
    {"scattered", no_argument, NULL, OPT_SCATTERED}, {0}};

typedef int (*reader)(struct oracle *oracle, const char *path, struct outbox_error *error);
static const reader readers[] = {oracle_read_ledger, oracle_read_published, oracle_read_left, oracle_read_dead};

/* One pass over the arguments for each kind of file, since ledgers must come first. */
static int read_kind(struct oracle *oracle, int argc, char **argv, int kind, struct outbox_error *error)
{
    int option, result = OUTBOX_OK;
    optind = 1;
    while (result == OUTBOX_OK && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (option == kind)
            result = readers[kind - OPT_LEDGER](oracle, optarg, error);
    return result;
}

static int usage(void)
{
    fputs("usage: outbox-oracle --ledger FILE... --published FILE... [--left FILE] [--dead FILE]\n"
          "                     [--window LINES] [--scattered] [--incidents N]\n",
          stderr);
    return 64;
}

static int check(struct oracle *oracle, int argc, char **argv)
{
    struct outbox_error error = {0};
    for (int kind = OPT_LEDGER; kind <= OPT_DEAD; kind++) {
        if (read_kind(oracle, argc, argv, kind, &error) != OUTBOX_OK) {
            fprintf(stderr, "outbox-oracle: %s\n", error.text);
            return 65;
        }
    }
    struct oracle_verdict verdict;
    bool kept = oracle_judge(oracle, &verdict);
    oracle_print(&verdict, stdout);
    puts(kept ? "verdict: all guarantees kept" : "verdict: VIOLATED");
    return kept ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct oracle_rules rules = {.incidents = UINT64_MAX, .report = stdout};
    int option;
    bool ledger = false;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return usage();
        ledger |= option == OPT_LEDGER;
        rules.scattered |= option == OPT_SCATTERED;
        if (option == OPT_WINDOW)
            rules.window = strtoull(optarg, NULL, 10);
        if (option == OPT_INCIDENTS)
            rules.incidents = strtoull(optarg, NULL, 10);
    }
    if (!ledger || optind != argc)
        return usage();
    struct oracle *oracle;
    if (oracle_new(&rules, &oracle) != OUTBOX_OK)
        return 71;
    int code = check(oracle, argc, argv);
    oracle_free(oracle);
    return code;
}
