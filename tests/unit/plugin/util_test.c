/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/util_test.c - the helpers of plugin_util.h and broker_util.h that need no host, or its memory only
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/plugin_util.h>

static void becomes(const char *bytes, size_t size, const char *text)
{
    char out[OUTBOX_BASE64_SIZE(16) + 1];
    memset(out, '#', sizeof out);
    cr_assert_eq(outbox_base64(out, bytes, size), strlen(text));
    cr_assert_str_eq(out, text);
    cr_assert_eq(out[OUTBOX_BASE64_SIZE(size)], '#', "nothing is written beyond the size of %zu bytes", size);
}

/* The first ones are those of RFC 4648, section 10. */
Test(plugin_util, bytes_become_base64)
{
    becomes(NULL, 0, "");
    becomes("f", 1, "Zg==");
    becomes("fo", 2, "Zm8=");
    becomes("foo", 3, "Zm9v");
    becomes("foob", 4, "Zm9vYg==");
    becomes("fooba", 5, "Zm9vYmE=");
    becomes("foobar", 6, "Zm9vYmFy");
    becomes("\0\xff\xfe\xfb", 4, "AP/++w==");
}

Test(plugin_util, null_equals_null_only)
{
    struct outbox_bytes null = {NULL, 0}, empty = {"", 0}, a = {"a", 1}, b = {"b", 1};
    cr_assert(outbox_bytes_equal(null, null));
    cr_assert(!outbox_bytes_equal(null, empty));
    cr_assert(outbox_bytes_equal(empty, empty));
    cr_assert(!outbox_bytes_equal(a, b));
    cr_assert(!outbox_bytes_equal(a, empty));
}

Test(plugin_util, a_text_is_cut_between_characters)
{
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* of 1, 2, 3, 4 and 1 bytes */
    static const int whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t most = 0; most < sizeof whole / sizeof *whole; most++) {
        struct outbox_bytes bytes = {text, sizeof text - 1};
        cr_assert_eq(outbox_cut(text, most), whole[most], "%zu bytes", most);
        cr_assert_eq(outbox_cut_bytes(bytes, most), whole[most], "%zu bytes", most);
    }
    cr_assert_eq(outbox_cut_bytes((struct outbox_bytes){NULL, 0}, 3), 0);
    cr_assert_eq(outbox_cut(NULL, 3), 0);
    cr_assert_eq(outbox_cut("\x80\x80\x80\x80\x80\x80\x80", 5), 5, "what is not UTF-8 is cut anywhere");
    cr_assert_eq(outbox_cut("\x80\x80\x80", 2), 2);
    char cut[8];
    snprintf(cut, sizeof cut, "%.*s", OUTBOX_CUT(text, 2));
    cr_assert_str_eq(cut, "a");
}

Test(plugin_util, a_member_is_there_if_the_structure_reaches_behind_it)
{
    struct outbox_claim claim = {.ahead = 1};
    claim.struct_size = offsetof(struct outbox_claim, ahead);
    cr_assert(OUTBOX_HAS_MEMBER(&claim, log_percent));
    cr_assert(!OUTBOX_HAS_MEMBER(&claim, ahead));
    OUTBOX_SET_MEMBER(&claim, ahead, 2);
    cr_assert_eq(claim.ahead, 1);
    claim.struct_size += (uint32_t)sizeof claim.ahead - 1;
    cr_assert(!OUTBOX_HAS_MEMBER(&claim, ahead), "half of it is not enough");
    claim.struct_size++;
    OUTBOX_SET_MEMBER(&claim, ahead, 2);
    cr_assert_eq(claim.ahead, 2);
}

Test(plugin_util, indexes_of_outcomes_are_a_range_or_a_list)
{
    static const uint32_t list[] = {7, 2};
    struct outbox_outcomes range = {.first = 5, .count = 2}, listed = {.indexes = list, .count = 2};
    cr_assert_eq(outbox_outcomes_index(&range, 1), 6);
    cr_assert_eq(outbox_outcomes_index(&listed, 1), 2);
}

/* ---- messages in flight ------------------------------------------------------------------------------------------ */

enum { MESSAGES = 3 * OUTBOX_IN_FLIGHT_SLOTS };

/* More than there are slots, answered in an order of their own. */
Test(plugin_util, message_in_flight_is_found_by_its_number)
{
    static struct outbox_in_flight set;
    static struct outbox_in_flight_item items[MESSAGES];
    set.next_number = 1;
    for (uint64_t i = 0; i < MESSAGES; i++)
        outbox_in_flight_add(&set, &items[i], 100 + i);
    cr_assert(set.first == &items[0] && set.last == &items[MESSAGES - 1]);
    for (uint64_t i = 0; i < MESSAGES; i += 2) {
        cr_assert_eq(outbox_in_flight_find(&set, i + 1), &items[i]);
        outbox_in_flight_remove(&set, &items[i]);
        cr_assert_null(outbox_in_flight_find(&set, i + 1), "an answer that is late finds nothing");
        cr_assert_eq(items[i].number, 0);
    }
    cr_assert_eq(set.count, MESSAGES / 2);
    for (uint64_t i = 1; set.first; i += 2) {
        cr_assert(set.first == &items[i] && set.first->sent_ns == 100 + i, "the oldest is the first");
        outbox_in_flight_remove(&set, set.first);
    }
    cr_assert(!set.last && !set.count && set.next_number == MESSAGES + 1);
}

/* ---- findings ---------------------------------------------------------------------------------------------------- */

static int blocks;
static bool has_memory;

static void *take(const struct outbox_host *host, size_t size)
{
    (void)host;
    blocks += has_memory;
    return has_memory ? malloc(size) : NULL;
}

static void give_back(const struct outbox_host *host, void *block)
{
    (void)host;
    blocks--;
    free(block);
}

static void print(void *arg, const struct outbox_finding *finding)
{
    char *text = arg;
    snprintf(text + strlen(text), 200, "%u|%s|%s|%s|%s|%d\n", finding->severity, finding->subject, finding->reason,
             finding->advice ? finding->advice : "", finding->command ? finding->command : "", finding->code);
}

Test(plugin_util, findings_are_reported_in_their_order)
{
    char text[600] = "", large[600];
    const struct outbox_host host = {.alloc = take, .release = give_back};
    const struct outbox_check check = {.struct_size = sizeof check, .report = print, .arg = text};
    struct outbox_findings findings = {.host = &host};
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    has_memory = true;
    outbox_findings_about(&findings, "topic %d", 1);
    outbox_find_command(outbox_find(&findings, OUTBOX_SEVERITY_ERROR, "make it", "no %s", "topic"), "make %d", 1);
    outbox_find_code(findings.last, OUTBOX_E_PERMISSION);
    outbox_findings_about(&findings, "topic %d", 2);
    outbox_find_command(outbox_find(&findings, OUTBOX_SEVERITY_OK, NULL, "fine"), "%s", large);
    has_memory = false;
    outbox_find_command(outbox_find(&findings, OUTBOX_SEVERITY_OK, NULL, "dropped"), "nothing");
    outbox_find_code(NULL, OUTBOX_E_PERMISSION);
    outbox_findings_report(&findings, &check);
    cr_assert_str_eq(text, "2|topic 1|no topic|make it|make 1|-10\n0|topic 2|fine|||0\n");
    has_memory = true;
    outbox_find(&findings, OUTBOX_SEVERITY_OK, NULL, "of a check that was canceled");
    outbox_findings_report(&findings, NULL);
    cr_assert_eq(blocks, 0);
}

Test(plugin_util, failure_of_a_check_keeps_its_cause)
{
    char text[600] = "";
    const struct outbox_check check = {.struct_size = sizeof check, .report = print, .arg = text};
    const struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .text = "connect: refused"};
    outbox_report_failure(&check, "url", &error, NULL);
    cr_assert_str_eq(text, "2|url|connect: refused|||-4\n");
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static void splits(const char *text, const char *host, int port)
{
    char out[16] = "";
    cr_expect_eq(outbox_split_address(text, 7, out, sizeof out), port, "%s", text);
    if (port)
        cr_expect_str_eq(out, host, "%s", text);
}

Test(plugin_util, address_is_a_host_and_maybe_a_port)
{
    splits("host", "host", 7);
    splits("host:1", "host", 1);
    splits("host:65535", "host", 65535);
    splits("[::1]", "::1", 7);
    splits("[::1]:9", "::1", 9);
    splits("a.name.of.15.cc", "a.name.of.15.cc", 7);
    static const char *const wrong[] = {"",     ":1", "host:0", "host:65536",       "host:x", "host:1x",
                                        "[::1", "[]", "[]:1",   "a.name.of.16.ccc", "host:"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        splits(wrong[i], "", 0);
}
