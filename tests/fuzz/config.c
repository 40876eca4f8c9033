/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/config.c - a configuration of any text
 *
 * An error names a location inside the text. Reading the same text again gives the same result: settings within their
 * bounds, or an error that begins with the name of the file.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "config/config.h"
#include "relay/settings.h"

static void check_error(const struct outbox_error *error, const char *text, size_t size)
{
    unsigned line, column, lines = 1;
    FUZZ_CHECK(error->text[0] && obx_utf8_valid(error->text, strlen(error->text)));
    if (sscanf(error->text, "f.yaml:%u:%u: ", &line, &column) != 2)
        return;
    for (size_t i = 0; i < size; i++) /* YAML has more line ends than '\n' */
        lines += text[i] == '\n' || text[i] == '\r' || (unsigned char)text[i] == 0x85 || (unsigned char)text[i] >= 0xa8;
    FUZZ_CHECK(line >= 1 && line <= lines + 1);
    FUZZ_CHECK(column >= 1 && column <= size + 2);
}

static void read_settings(const struct obx_section *section, const char *text, size_t size)
{
    struct obx_relay_settings settings = {0};
    struct outbox_error error = {0};
    if (obx_relay_settings_parse(section, &settings, &error)) {
        FUZZ_CHECK(!strncmp(error.text, "f.yaml", 6));
        check_error(&error, text, size);
        return;
    }
    FUZZ_CHECK(settings.claim_rows >= 1 && settings.max_in_flight_bytes > 0 && settings.max_attempts >= 1);
    FUZZ_CHECK(settings.retry_min_ms <= settings.retry_max_ms);
}

static void walk(const struct obx_section *section, const char *text, size_t size, int depth)
{
    const char *key;
    read_settings(section, text, size);
    for (uint32_t i = 0; depth < 8 && (key = obx_section_key(section, i)); i++) {
        const struct obx_section *child;
        struct outbox_error error = {0};
        FUZZ_CHECK(obx_section_has(section, key));
        if (obx_section_child(section, key, &child, &error) == OUTBOX_OK)
            walk(child, text, size, depth + 1);
        else
            check_error(&error, text, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct obx_config *config = NULL, *again = NULL;
    struct outbox_error error = {0};
    char *text = fuzz_whole_text(data, size);
    bool reads_files = size > 4 && (strstr(text, "file:") || memchr(text, 0, size)); /* of this machine */
    int code = reads_files ? OUTBOX_E_CONFIG : obx_config_parse("f.yaml", text, size, &config, &error);
    if (!code) {
        walk(obx_config_root(config), text, size, 0);
        FUZZ_CHECK(obx_config_parse("f.yaml", text, size, &again, &error) == OUTBOX_OK);
        FUZZ_CHECK(obx_section_same(obx_config_root(config), obx_config_root(again)));
    } else if (!reads_files) {
        FUZZ_CHECK(code == OUTBOX_E_CONFIG);
        check_error(&error, text, size);
    }
    obx_config_free(config);
    obx_config_free(again);
    free(text);
    return 0;
}
