/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/kills/scene.h - a database, writers that commit and roll back, relays that are killed, a judge
 *
 * Everything lies in one directory that is removed when all went well. Functions that return bool say on stderr what
 * went wrong; the names of the files to look at are in the message.
 */
#ifndef OBX_TESTS_END_TO_END_KILLS_SCENE_H
#define OBX_TESTS_END_TO_END_KILLS_SCENE_H

#include "proc.h"
#include "trace.h"

#define SCENE_WRITERS 2
#define SCENE_PATH 256

struct scene {
    const char *outbox, *oracle, *writer; /* the programs */
    uint64_t seed, random;
    char directory[SCENE_PATH];
    char log[SCENE_PATH + 16]; /* what relays and writers said */
    pid_t writers[SCENE_WRITERS];
    unsigned ledgers;
    uint64_t incidents; /* crashes of relays, hangs and take-overs */
};

bool scene_open(struct scene *scene);
void scene_close(struct scene *scene, bool keep);

uint64_t scene_draw(struct scene *scene, uint64_t below);
/* Bytes published so far, in all files. */
uint64_t scene_published(const struct scene *scene);
/* Wait until there are so many; false when the patience is over. */
bool scene_until_published(const struct scene *scene, uint64_t bytes, uint64_t patience_ms);

bool scene_start_writers(struct scene *scene, unsigned rate);
bool scene_replace_writer(struct scene *scene, unsigned which); /* kill it at once, start another */
bool scene_stop_writers(struct scene *scene);

/* A relay; fault: options of the fault decorator in YAML, over the store or the broker; NULL: none. */
enum scene_over { SCENE_PLAIN, SCENE_OVER_STORE, SCENE_OVER_BROKER };
pid_t scene_start_relay(struct scene *scene, enum scene_over over, const char *fault);
enum trace_end scene_trace_relay(struct scene *scene, const struct trace_point *point);
bool scene_drain(struct scene *scene);
/* Ask the oracle; window: how many events may be in flight. */
bool scene_judge(struct scene *scene, unsigned window);

#endif
