/* SPDX-License-Identifier: Apache-2.0 */
/* tests/plugins/order_guard_test.c - the keys whose order a fault has interrupted */
#include <criterion/criterion.h>
#include <string.h>

#include "../../plugins/fault/order_guard.h"
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

static enum order_verdict decide(struct order_guard *guard, const char *word)
{
    struct outbox_message decided = message(word);
    return order_guard_check(guard, 1, &decided, false);
}

static enum order_verdict inject(struct order_guard *guard, const char *word)
{
    struct outbox_message failed = message(word);
    return order_guard_check(guard, 1, &failed, true);
}

/* An answer whose publish is completed at once. */
static enum order_verdict decide_and_complete(struct order_guard *guard, const char *word)
{
    enum order_verdict answer = decide(guard, word);
    order_guard_completed(guard, 1);
    return answer;
}

static void end(struct order_guard *guard)
{
    order_guard_clear(guard);
    cr_assert_eq(guard->count, 0);
    cr_assert_eq(mem_live(), 0);
}

Test(guard, passes_every_event_without_failures)
{
    struct order_guard guard = {.host = &host};
    cr_assert_eq(decide(&guard, "a1"), ORDER_PASS);
    cr_assert_eq(guard.count, 0);
    end(&guard);
}

Test(guard, refuses_later_events_until_the_failed_one_comes_again)
{
    struct order_guard guard = {.host = &host};
    cr_assert_eq(inject(&guard, "a1"), ORDER_INJECT);
    cr_assert_eq(decide(&guard, "a2"), ORDER_REFUSE);
    cr_assert_eq(decide(&guard, "b1"), ORDER_PASS, "another key");
    cr_assert_eq(decide(&guard, "a1"), ORDER_PASS);
    cr_assert_eq(decide(&guard, "a3"), ORDER_REFUSE, "a2 is still to come");
    cr_assert_eq(decide(&guard, "a2"), ORDER_PASS);
    cr_assert_eq(decide(&guard, "a3"), ORDER_PASS);
    cr_assert_eq(guard.count, 0);
    end(&guard);
}

Test(guard, refuses_events_after_a_second_failure)
{
    struct order_guard guard = {.host = &host};
    inject(&guard, "a1");
    decide(&guard, "a2");
    cr_assert_eq(inject(&guard, "a1"), ORDER_INJECT);
    cr_assert_eq(decide(&guard, "a2"), ORDER_REFUSE);
    cr_assert_eq(decide(&guard, "a1"), ORDER_PASS);
    cr_assert_eq(decide(&guard, "a2"), ORDER_PASS);
    end(&guard);
}

Test(guard, passes_an_event_when_the_host_has_dropped_the_older_one)
{
    struct order_guard guard = {.host = &host};
    inject(&guard, "a1");
    order_guard_completed(&guard, 1);
    cr_assert_eq(decide_and_complete(&guard, "a2"), ORDER_REFUSE);
    cr_assert_eq(decide(&guard, "a2"), ORDER_PASS, "a1 was dropped");
    cr_assert_eq(guard.count, 0);
    inject(&guard, "a1");
    order_guard_completed(&guard, 1);
    cr_assert_eq(decide_and_complete(&guard, "a9"), ORDER_REFUSE, "new ones cost one refusal");
    cr_assert_eq(decide(&guard, "a9"), ORDER_PASS);
    end(&guard);
}

/* A later publish may be completed before an earlier one: then the host does not know yet what it must send first. */
Test(guard, keeps_an_event_until_the_host_knows_of_its_failure)
{
    struct order_guard guard = {.host = &host};
    struct outbox_message first = message("a1");
    cr_assert_eq(order_guard_check(&guard, 7, &first, true), ORDER_INJECT);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(decide_and_complete(&guard, "a2"), ORDER_REFUSE);
    order_guard_completed(&guard, 7);
    cr_assert_eq(decide_and_complete(&guard, "a2"), ORDER_REFUSE, "the host knows only now");
    cr_assert_eq(decide(&guard, "a2"), ORDER_PASS);
    end(&guard);
}

Test(guard, does_not_inject_out_of_turn)
{
    struct order_guard guard = {.host = &host};
    inject(&guard, "a1");
    cr_assert_eq(inject(&guard, "a2"), ORDER_REFUSE);
    cr_assert_eq(decide(&guard, "a1"), ORDER_PASS);
    cr_assert_eq(inject(&guard, "a2"), ORDER_INJECT);
    end(&guard);
}

Test(guard, events_without_a_key_have_no_order)
{
    struct order_guard guard = {.host = &host};
    struct outbox_message no_key = message("a1"), no_id = message("a1");
    no_key.key.data = NULL;
    no_id.id.size = 0;
    cr_assert_eq(order_guard_check(&guard, 1, &no_key, true), ORDER_INJECT);
    cr_assert_eq(order_guard_check(&guard, 1, &no_id, true), ORDER_INJECT);
    cr_assert_eq(guard.count, 0);
    end(&guard);
}

Test(guard, distinguishes_topics)
{
    struct order_guard guard = {.host = &host};
    struct outbox_message other = message("a2");
    other.topic.data = "u";
    inject(&guard, "a1");
    cr_assert_eq(order_guard_check(&guard, 1, &other, false), ORDER_PASS);
    end(&guard);
}

Test(guard, reports_a_failed_allocation)
{
    struct order_guard guard = {.host = &host};
    mem_fail_at(1, false);
    cr_assert_eq(inject(&guard, "a1"), ORDER_NO_MEMORY);
    cr_assert_eq(inject(&guard, "a1"), ORDER_INJECT);
    mem_fail_at(1, false);
    cr_assert_eq(decide(&guard, "a2"), ORDER_NO_MEMORY);
    end(&guard);
}
