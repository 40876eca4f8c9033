/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/main.c - outbox-conformance: checks the requirements of a store or a broker
 *
 *     outbox-conformance [-c FILE] [--plugin-dir DIR] [--only PART | --no-fork NAME] [--json]
 *
 * The file has a section `store:` or `broker:` (or both) as a relay has, and may have `conformance:` with hints. Every
 * check prints one line; the last line counts. A failure that prevents every check (a missing plugin, a wrong option)
 * is reported once. Exit codes: 0 all passed, 1 some failed, 64 usage, 78 bad file.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "fixture.h"
#include "embed/plugin_dir.h"

struct hints {
    bool alone;
    bool text_only;
    const char *fence;
    const char *prepare;
    const char *read;
    const char *refuse, *accept, *break_, *repair, *pause, *resume;
};

#define COMMAND(name_, member_, help_)                                                                     \
    {                                                                                                      \
        .name = name_, .type = OUTBOX_OPT_STRING, .offset = offsetof(struct hints, member_), .help = help_ \
    }

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
    COMMAND("refuse", refuse, "from this command on the server refuses some messages and takes others, until"),
    COMMAND("accept", accept, "this command"),
    COMMAND("break", break_, "this command ends the server, as kill -9 does, until"),
    COMMAND("repair", repair, "this command"),
    COMMAND("pause", pause, "from this command on the server does not answer, as after SIGSTOP, until"),
    COMMAND("resume", resume, "this command"),
};

struct arguments {
    const char *file, *directory, *only;
    bool help, json, in_process;
};

static void print_usage(FILE *to)
{
    fputs("usage: outbox-conformance [-c FILE] [--plugin-dir DIR] [--only PART]\n"
          "\n"
          "  -c FILE           YAML with `store:`, `broker:` or `transform:`; default outbox-conformance.yaml.\n"
          "                    ${OUTBOX_TMP} is an empty directory, ${OUTBOX_CHECK} the name of the running check,\n"
          "                    ${OUTBOX_TOPIC} what the names of its topics begin with\n"
          "  --plugin-dir DIR  where outbox-store-NAME.so and outbox-broker-NAME.so are;\n"
          "                    default $OUTBOX_PLUGIN_DIR, or where outbox is installed\n"
          "  --only PART       just the checks whose name contains this\n"
          "  --no-fork NAME    run one check in this process: gdb --args outbox-conformance --no-fork NAME\n"
          "  --json            one JSON object a line for each check\n"
          "\n"
          "`conformance:` in the file may hold:\n",
          to);
    for (size_t i = 0; i < OBX_COUNT(hint_options); i++)
        fprintf(to, "  %-16s  %s\n", hint_options[i].name, hint_options[i].help);
    fputs("\n"
          "In the environment: OUTBOX_CONFORMANCE_VERBOSE=1 shows what the plugin logs, OUTBOX_CONFORMANCE_KEEP=1 "
          "leaves\n"
          "the directories of the checks in /tmp.\n",
          to);
}

static bool read_arguments(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {{"plugin-dir", required_argument, NULL, 'd'},
                                            {"only", required_argument, NULL, 'o'},
                                            {"no-fork", required_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    *arguments = (struct arguments){.file = "outbox-conformance.yaml"};
    int option;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'c')
            arguments->file = optarg;
        else if (option == 'd')
            arguments->directory = optarg;
        else if (option == 'o')
            arguments->only = optarg;
        else if (option == 'n')
            arguments->only = optarg, arguments->in_process = true;
        else if (option == 'j')
            arguments->json = true;
        else if (option == 'h')
            arguments->help = true;
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

static void print_result(const struct conf_check *check, enum conf_result result, const char *why, bool json)
{
    static const char *const words[] = {"ok     ", "skipped", "not ok "}, *const results[] = {"ok", "skipped",
                                                                                              "failed"};
    if (json) {
        json_t *object = json_pack("{s:s, s:s, s:s}", "check", check->name, "result", results[result], "why", why);
        json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        json_decref(object);
        puts("");
    } else if (result == CONF_OK) {
        printf("ok      %s\n", check->name);
    } else {
        printf("%s %s: %s\n", words[result], check->name, why);
    }
    fflush(stdout);
}

static void run_check(const struct conf_check *check, const struct conf_subject *subject, struct counts *counts,
                      bool json)
{
    char why[CONF_WHY_SIZE] = "";
    enum conf_result result = conf_run(check, subject, why);
    counts->passed += result == CONF_OK;
    counts->skipped += result == CONF_SKIPPED;
    counts->failed += result == CONF_FAILED;
    print_result(check, result, why, json);
}

static const char *section_of(enum outbox_kind kind)
{
    return kind == OUTBOX_STORE ? "store" : kind == OUTBOX_BROKER ? "broker" : "transform";
}

static void configure(struct conf_fixture *fixture, enum outbox_kind kind)
{
    struct outbox_error error;
    struct obx_instance *instance;
    if (loop_fixture_instance(&fixture->base, kind, section_of(kind), &instance, &error))
        conf_skip(fixture, error.text); /* without a source location, which does not matter here */
    obx_instance_free(instance);
}

static void configure_store(struct conf_fixture *fixture)
{
    configure(fixture, OUTBOX_STORE);
}

static void configure_broker(struct conf_fixture *fixture)
{
    configure(fixture, OUTBOX_BROKER);
}

static void configure_transform(struct conf_fixture *fixture)
{
    configure(fixture, OUTBOX_TRANSFORM);
}

/* Can there be an instance of each plugin at all? */
static bool can_begin(const struct obx_section *root, const struct conf_subject *subject)
{
    static const struct conf_check checks[] = {{"configuration", OUTBOX_STORE, configure_store},
                                               {"configuration", OUTBOX_BROKER, configure_broker},
                                               {"configuration", OUTBOX_TRANSFORM, configure_transform}};
    bool any = false;
    for (size_t i = 0; i < OBX_COUNT(checks); i++) {
        char why[CONF_WHY_SIZE] = "";
        if (!obx_section_has(root, section_of(checks[i].kind)))
            continue;
        any = true;
        if (conf_run(&checks[i], subject, why) != CONF_OK) {
            fprintf(stderr, "outbox-conformance: %s\n", why);
            return false;
        }
    }
    if (!any)
        fprintf(stderr,
                "outbox-conformance: %s has neither `store:`, `broker:` nor `transform:`; give the section of the "
                "plugin as in "
                "outbox.yaml\n",
                subject->name);
    return any;
}

static bool is_chosen(const struct conf_check *check, const struct arguments *arguments)
{
    if (arguments->in_process)
        return strcmp(check->name, arguments->only) == 0;
    return !arguments->only || strstr(check->name, arguments->only);
}

static int run_all(const struct obx_section *root, const struct conf_subject *subject,
                   const struct arguments *arguments)
{
    struct counts counts = {0};
    if (!arguments->in_process && !can_begin(root, subject))
        return 78;
    for (const struct conf_check *check = conf_checks; check->name; check++)
        if (obx_section_has(root, section_of(check->kind)) && is_chosen(check, arguments))
            run_check(check, subject, &counts, arguments->json);
    if (!counts.passed && !counts.failed && !counts.skipped) {
        fprintf(stderr, "outbox-conformance: no check of this plugin has the name '%s'\n", arguments->only);
        return 64;
    }
    if (!arguments->json)
        printf("%u passed, %u failed, %u skipped\n", counts.passed, counts.failed, counts.skipped);
    return counts.failed || !counts.passed;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    bool usable = read_arguments(&arguments, argc, argv);
    if (!usable || arguments.help) {
        print_usage(usable ? stdout : stderr);
        return usable ? 0 : 64;
    }
    struct obx_buf text = {0};
    struct obx_config *config = NULL;
    struct hints hints = {0};
    struct outbox_error error = {0};
    char directory[4096];
    int code = 78;
    obx_plugin_path(arguments.directory, directory, sizeof directory);
    if (read_file(arguments.file, &text, &error) ||
        obx_config_parse(arguments.file, obx_buf_text(&text), text.size, &config, &error) ||
        read_hints(config, &hints, &error)) {
        fprintf(stderr, "outbox-conformance: %s\n", error.text);
    } else {
        struct conf_subject subject = {.name = arguments.file,
                                       .yaml = obx_buf_text(&text),
                                       .directory = directory,
                                       .alone = hints.alone,
                                       .text_only = hints.text_only,
                                       .fence = hints.fence,
                                       .prepare = hints.prepare,
                                       .read = hints.read,
                                       .refuse = hints.refuse,
                                       .accept = hints.accept,
                                       .break_ = hints.break_,
                                       .repair = hints.repair,
                                       .pause = hints.pause,
                                       .resume = hints.resume,
                                       .in_process = arguments.in_process};
        code = run_all(obx_config_root(config), &subject, &arguments);
    }
    obx_config_free(config);
    obx_buf_free(&text);
    return code;
}
