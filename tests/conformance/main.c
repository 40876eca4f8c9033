/*
 * tests/conformance/main.c - outbox-conformance: does my plugin do what a store or a broker must?
 *
 *     outbox-conformance [-c FILE] [--plugin-dir DIR] [--only PART]
 *
 * The file has a section `store:` or `broker:` (or both) as a relay has, and may have `conformance:` with hints. Every
 * check prints one line; the last line counts. Exit codes: 0 all passed, 1 some failed, 64 usage, 78 bad file.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "conformance.h"

struct hints {
    bool alone;
    bool text_only;
    const char *fence;
    const char *prepare;
    const char *read;
};

static const struct outbox_option hint_options[] = {
    {.name = "alone",
     .type = OUTBOX_OPT_BOOL,
     .offset = offsetof(struct hints, alone),
     .help = "each instance of the store has an outbox of its own, so that a second one cannot stand by"},
    {.name = "text_only",
     .type = OUTBOX_OPT_BOOL,
     .offset = offsetof(struct hints, text_only),
     .help = "payloads must be UTF-8"},
    {.name = "fence",
     .type = OUTBOX_OPT_STRING,
     .offset = offsetof(struct hints, fence),
     .help = "a shell command that ends the database session of the owner"},
    {.name = "prepare",
     .type = OUTBOX_OPT_STRING,
     .offset = offsetof(struct hints, prepare),
     .help = "a shell command that runs before each check"},
    {.name = "read",
     .type = OUTBOX_OPT_STRING,
     .offset = offsetof(struct hints, read),
     .help = "a shell command that prints what was published, as NDJSON"},
};

struct arguments {
    const char *file, *directory, *only;
};

static int usage(void)
{
    fputs("usage: outbox-conformance [-c FILE] [--plugin-dir DIR] [--only PART]\n"
          "\n"
          "  -c FILE           YAML with `store:` or `broker:` as in outbox.yaml; default outbox-conformance.yaml.\n"
          "                    ${OUTBOX_TMP} is an empty directory, ${OUTBOX_CHECK} the name of the running check,\n"
          "                    ${OUTBOX_TOPIC} what the names of its topics begin with\n"
          "  --plugin-dir DIR  where outbox-store-NAME.so and outbox-broker-NAME.so are; default $OUTBOX_PLUGIN_DIR\n"
          "  --only PART       just the checks whose name contains this\n"
          "\n"
          "`conformance:` in the file may hold:\n",
          stderr);
    for (size_t i = 0; i < OBX_COUNT(hint_options); i++)
        fprintf(stderr, "  %-16s  %s\n", hint_options[i].name, hint_options[i].help);
    return 64;
}

static bool read_arguments(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {
        {"plugin-dir", required_argument, NULL, 'd'}, {"only", required_argument, NULL, 'o'}, {0}};
    *arguments = (struct arguments){.file = "outbox-conformance.yaml", .directory = getenv("OUTBOX_PLUGIN_DIR")};
    int option;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'c')
            arguments->file = optarg;
        else if (option == 'd')
            arguments->directory = optarg;
        else if (option == 'o')
            arguments->only = optarg;
        else
            return false;
    }
    return optind == argc;
}

static int read_file(const char *path, struct obx_buf *text, struct outbox_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return obx_error_set(error, OUTBOX_E_NOT_FOUND, "open %s: %s", path, strerror(errno));
    size_t got;
    char chunk[4096];
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        obx_buf_add(text, chunk, got);
    fclose(file);
    return obx_buf_failed(text) ? obx_error_no_memory(error) : OUTBOX_OK;
}

static int read_hints(struct obx_config *config, struct hints *hints, struct outbox_error *error)
{
    const struct obx_section *section;
    int result = obx_section_child(obx_config_root(config), "conformance", &section, error);
    return result ? result
                  : obx_options_apply(hint_options, OBX_COUNT(hint_options), sizeof hint_options[0], NULL, section,
                                      hints, error);
}

struct counts {
    unsigned passed, skipped, failed;
};

static void run_check(const struct conf_check *check, const struct conf_subject *subject, struct counts *counts)
{
    char why[CONF_WHY_SIZE] = "";
    switch (conf_run(check, subject, why)) {
    case CONF_OK:
        counts->passed++;
        printf("ok      %s\n", check->name);
        break;
    case CONF_SKIPPED:
        counts->skipped++;
        printf("skipped %s: %s\n", check->name, why);
        break;
    default:
        counts->failed++;
        printf("not ok  %s: %s\n", check->name, why);
    }
    fflush(stdout);
}

static int run_all(const struct obx_section *root, const struct conf_subject *subject, const char *only)
{
    struct counts counts = {0};
    for (const struct conf_check *check = conf_checks; check->name; check++) {
        const char *section = check->kind == OUTBOX_STORE ? "store" : "broker";
        if (obx_section_has(root, section) && (!only || strstr(check->name, only)))
            run_check(check, subject, &counts);
    }
    printf("%u passed, %u failed, %u skipped\n", counts.passed, counts.failed, counts.skipped);
    return counts.failed || !counts.passed;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    if (!read_arguments(&arguments, argc, argv))
        return usage();
    struct obx_buf text = {0};
    struct obx_config *config = NULL;
    struct hints hints = {0};
    struct outbox_error error = {0};
    int code = 78;
    if (read_file(arguments.file, &text, &error) ||
        obx_config_parse(arguments.file, obx_buf_text(&text), text.size, &config, &error) ||
        read_hints(config, &hints, &error)) {
        fprintf(stderr, "outbox-conformance: %s\n", error.text);
    } else {
        struct conf_subject subject = {.name = arguments.file,
                                       .yaml = obx_buf_text(&text),
                                       .directory = arguments.directory,
                                       .alone = hints.alone,
                                       .text_only = hints.text_only,
                                       .fence = hints.fence,
                                       .prepare = hints.prepare,
                                       .read = hints.read};
        code = run_all(obx_config_root(config), &subject, arguments.only);
    }
    obx_config_free(config);
    obx_buf_free(&text);
    return code;
}
