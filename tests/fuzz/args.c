/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/args.c - the command line of a verb: options are taken or refused with the usage exit code */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/exit_code.h"

#define WORDS 12

static const struct obx_verb verb = {.name = "verb", .synopsis = "", .summary = "a verb"};
static const struct option options[] = {OBX_ARGS_COMMON,
                                        {"payload", required_argument, NULL, 'p'},
                                        {"ndjson", no_argument, NULL, 'n'},
                                        {"number", optional_argument, NULL, 'o'},
                                        {0}};

/* An option takes its value from the line, and nothing else. */
static bool is_of_line(const char *value, char **words, int count)
{
    for (int i = 0; i < count; i++) {
        if (value >= words[i] && value <= words[i] + strlen(words[i]))
            return true;
    }
    return false;
}

static void parse(char **words, int count)
{
    char *line[WORDS + 2];
    struct obx_args args = {.verb = &verb, .options = options, .argc = count, .argv = line};
    memcpy(line, words, ((size_t)count + 1) * sizeof *line);
    optind = 0;
    for (int found, rounds = 0; (found = obx_args_next(&args)) != -1; rounds++) {
        FUZZ_CHECK(found == 'p' || found == 'n' || found == 'o');
        FUZZ_CHECK(found != 'p' || is_of_line(optarg, words, count));
        FUZZ_CHECK(rounds < 256);
    }
    FUZZ_CHECK(!args.config || is_of_line(args.config, words, count));
    FUZZ_CHECK(!args.relay || is_of_line(args.relay, words, count));
    if (!args.finished) {
        int rest = -1;
        char **words_left = obx_args_rest(&args, 0, 3, &rest);
        FUZZ_CHECK(args.finished || (rest >= 0 && rest <= 3 && words_left));
    }
    FUZZ_CHECK(!args.finished || args.exit == OBX_EXIT_OK || args.exit == OBX_EXIT_USAGE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char program[] = "verb", *words[WORDS + 2] = {program}, *text = fuzz_whole_text(data, size), *at = text;
    int count = 1;
    while (count <= WORDS && at < text + size) {
        words[count++] = at;
        at += strcspn(at, "\n");
        *at++ = 0;
    }
    words[count] = NULL;
    parse(words, count);
    free(text);
    return 0;
}
