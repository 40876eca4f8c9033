/* SPDX-License-Identifier: Apache-2.0 */
/* tests/plugins/held_test.c - the keys whose order a fault has interrupted */
#include <criterion/criterion.h>
#include <string.h>

#include "../../plugins/fault/held.h"
#include "base/mem.h"
#include "mem_fault.h"

static void *alloc(const struct outbox_host *host, size_t size)
{
    (void)host;
    return obx_alloc(size);
}

static void release(const struct outbox_host *host, void *memory)
{
    (void)host;
    obx_free(memory);
}

static const struct outbox_host host = {.struct_size = sizeof host, .alloc = alloc, .release = release};

/* "a1": key a, id a1. */
static struct outbox_message message(const char *word)
{
    return (struct outbox_message){.topic = {"t", 1}, .key = {word, 1}, .id = {word, strlen(word)}};
}

static enum held_answer ask(struct held *held, const char *word)
{
    struct outbox_message asked = message(word);
    return held_ask(held, 1, &asked, false);
}

static enum held_answer strike(struct held *held, const char *word)
{
    struct outbox_message struck = message(word);
    return held_ask(held, 1, &struck, true);
}

/* An answer whose publish is completed at once. */
static enum held_answer ask_and_hear(struct held *held, const char *word)
{
    enum held_answer answer = ask(held, word);
    held_landed(held, 1);
    return answer;
}

static void end(struct held *held)
{
    held_clear(held);
    cr_assert_eq(held->count, 0);
    cr_assert_eq(mem_live(), 0);
}

Test(held, lets_everything_pass_while_nothing_failed)
{
    struct held held = {.host = &host};
    cr_assert_eq(ask(&held, "a1"), HELD_PASS);
    cr_assert_eq(held.count, 0);
    end(&held);
}

Test(held, refuses_what_comes_behind_until_the_failed_one_comes_again)
{
    struct held held = {.host = &host};
    cr_assert_eq(strike(&held, "a1"), HELD_STRUCK);
    cr_assert_eq(ask(&held, "a2"), HELD_REFUSE);
    cr_assert_eq(ask(&held, "b1"), HELD_PASS, "another key");
    cr_assert_eq(ask(&held, "a1"), HELD_PASS);
    cr_assert_eq(ask(&held, "a3"), HELD_REFUSE, "a2 is still to come");
    cr_assert_eq(ask(&held, "a2"), HELD_PASS);
    cr_assert_eq(ask(&held, "a3"), HELD_PASS);
    cr_assert_eq(held.count, 0);
    end(&held);
}

Test(held, refuses_what_was_sent_behind_a_second_failure)
{
    struct held held = {.host = &host};
    strike(&held, "a1");
    ask(&held, "a2");
    cr_assert_eq(strike(&held, "a1"), HELD_STRUCK);
    cr_assert_eq(ask(&held, "a2"), HELD_REFUSE);
    cr_assert_eq(ask(&held, "a1"), HELD_PASS);
    cr_assert_eq(ask(&held, "a2"), HELD_PASS);
    end(&held);
}

Test(held, lets_pass_when_the_host_has_given_the_older_one_up)
{
    struct held held = {.host = &host};
    strike(&held, "a1");
    held_landed(&held, 1);
    cr_assert_eq(ask_and_hear(&held, "a2"), HELD_REFUSE);
    cr_assert_eq(ask(&held, "a2"), HELD_PASS, "nobody sends a1 any more");
    cr_assert_eq(held.count, 0);
    strike(&held, "a1");
    held_landed(&held, 1);
    cr_assert_eq(ask_and_hear(&held, "a9"), HELD_REFUSE, "new ones cost one refusal");
    cr_assert_eq(ask(&held, "a9"), HELD_PASS);
    end(&held);
}

/* A later publish may be completed before an earlier one: then the host does not know yet what it must send first. */
Test(held, gives_nothing_up_that_the_host_has_not_heard_of)
{
    struct held held = {.host = &host};
    struct outbox_message first = message("a1");
    cr_assert_eq(held_ask(&held, 7, &first, true), HELD_STRUCK);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(ask_and_hear(&held, "a2"), HELD_REFUSE);
    held_landed(&held, 7);
    cr_assert_eq(ask_and_hear(&held, "a2"), HELD_REFUSE, "the host heard only now");
    cr_assert_eq(ask(&held, "a2"), HELD_PASS);
    end(&held);
}

Test(held, does_not_strike_out_of_turn)
{
    struct held held = {.host = &host};
    strike(&held, "a1");
    cr_assert_eq(strike(&held, "a2"), HELD_REFUSE);
    cr_assert_eq(ask(&held, "a1"), HELD_PASS);
    cr_assert_eq(strike(&held, "a2"), HELD_STRUCK);
    end(&held);
}

Test(held, keeps_no_order_where_there_is_none)
{
    struct held held = {.host = &host};
    struct outbox_message no_key = message("a1"), no_id = message("a1");
    no_key.key.data = NULL;
    no_id.id.size = 0;
    cr_assert_eq(held_ask(&held, 1, &no_key, true), HELD_STRUCK);
    cr_assert_eq(held_ask(&held, 1, &no_id, true), HELD_STRUCK);
    cr_assert_eq(held.count, 0);
    end(&held);
}

Test(held, tells_topics_apart)
{
    struct held held = {.host = &host};
    struct outbox_message other = message("a2");
    other.topic.data = "u";
    strike(&held, "a1");
    cr_assert_eq(held_ask(&held, 1, &other, false), HELD_PASS);
    end(&held);
}

Test(held, says_when_memory_is_out)
{
    struct held held = {.host = &host};
    mem_fail_at(1, false);
    cr_assert_eq(strike(&held, "a1"), HELD_NO_MEMORY);
    cr_assert_eq(strike(&held, "a1"), HELD_STRUCK);
    mem_fail_at(1, false);
    cr_assert_eq(ask(&held, "a2"), HELD_NO_MEMORY);
    end(&held);
}
