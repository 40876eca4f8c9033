/* SPDX-License-Identifier: Apache-2.0 */
/* tests/plugins/pile.c - see pile.h */
#include "pile.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../../brokers/memory/memory.h"
#include "mem_fault.h"
#include "plugin/internal.h"

static bool turn(struct obx_loop *loop)
{
    return fake_loop_step((struct fake_loop *)loop);
}

static int drop(struct obx_loop *loop)
{
    return fake_loop_idle((struct fake_loop *)loop) ? 0 : -1;
}

int pile_try(struct pile *pile, enum outbox_kind kind, const char *yaml, struct outbox_error *error)
{
    memset(pile, 0, sizeof *pile);
    fake_loop_init(&pile->fake, 7);
    cr_assert_eq(harness_open(&pile->harness, &pile->fake.base, turn, drop, NULL, error), 0, "%s", error->text);
    cr_assert_eq(harness_configure(&pile->harness, "pile.yaml", yaml, error), 0, "%s", error->text);
    return harness_instance(&pile->harness, kind, "it", &pile->top, error);
}

void pile_open(struct pile *pile, enum outbox_kind kind, const char *yaml)
{
    struct outbox_error error = {0};
    cr_assert_eq(pile_try(pile, kind, yaml, &error), 0, "%s", error.text);
}

void pile_start(struct pile *pile)
{
    struct outbox_error error = {0};
    cr_assert_eq(harness_broker_start(&pile->harness, pile->top, &error), 0, "%s", error.text);
}

void pile_close(struct pile *pile)
{
    struct outbox_error error = {0};
    if (pile->top) {
        cr_assert_eq(harness_stop(&pile->harness, pile->top, &error), 0, "%s", error.text);
        cr_assert_eq(obx_instance_violations(pile->top).unknown_ops, 0);
        cr_assert_eq(obx_instance_violations(pile->top).bad_outcomes, 0);
        cr_assert_eq(obx_instance_in_flight(pile->top), 0);
    }
    obx_instance_free(pile->top);
    cr_assert_eq(harness_close(&pile->harness), 0, "timers or tasks are left");
    cr_assert_eq(mem_live(), 0);
}

/* ---- publishing -------------------------------------------------------------------------------------------------- */

static void take_word(struct pile_publish *publish, const char *word, size_t size)
{
    uint32_t i = publish->publish.count++;
    cr_assert(i < PILE_EVENTS && size < sizeof publish->text[i]);
    char *text = publish->text[i];
    memcpy(text, word, size);
    publish->messages[i] = (struct outbox_message){
        .topic = {"t", 1}, .value = {text, size}, .id = {text, size}, .created_us = INT64_MIN, .partition = -1};
    if (*text != '-')
        publish->messages[i].key = (struct outbox_bytes){text, 1};
}

void pile_submit(struct pile *pile, int slot, const char *events)
{
    struct pile_publish *publish = &pile->slots[slot];
    memset(publish, 0, sizeof *publish);
    publish->publish.struct_size = sizeof publish->publish;
    publish->publish.messages = publish->messages;
    publish->publish.stride = sizeof publish->messages[0];
    for (size_t size; *events; events += size + (events[size] == ' ')) {
        size = strcspn(events, " ");
        take_word(publish, events, size);
    }
    harness_reset(&publish->call);
    publish->call.outcomes = publish->outcomes;
    publish->call.told = publish->told;
    obx_broker_publish(pile->top, &publish->call.call, &publish->publish);
}

const char *pile_outcomes(struct pile *pile, int slot)
{
    static char text[PILE_EVENTS + 1];
    struct pile_publish *publish = &pile->slots[slot];
    uint32_t i = 0;
    for (; i < publish->publish.count; i++) {
        text[i] = ".DTRUN"[publish->outcomes[i]];
        cr_assert_leq(publish->told[i], 1, "event %u was told twice", i);
    }
    text[i] = 0;
    return text;
}

const char *pile_finish(struct pile *pile, int slot)
{
    harness_wait(&pile->harness, &pile->slots[slot].call);
    cr_assert(pile->slots[slot].call.done);
    return pile_outcomes(pile, slot);
}

const char *pile_send(struct pile *pile, const char *events)
{
    pile_submit(pile, 0, events);
    return pile_finish(pile, 0);
}

void *pile_bottom(struct pile *pile)
{
    struct obx_instance *bottom = pile->top;
    while (bottom->inner)
        bottom = bottom->inner;
    return obx_instance_self(bottom);
}

const char *pile_there(struct pile *pile)
{
    static char text[1024];
    void *broker = pile_bottom(pile);
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < outbox_memory_broker_count(broker); i++) {
        const struct outbox_message *message = outbox_memory_broker_at(broker, i);
        used += (size_t)snprintf(text + used, sizeof text - used, i ? " %.*s" : "%.*s", (int)message->value.size,
                                 (const char *)message->value.data);
    }
    return text;
}
