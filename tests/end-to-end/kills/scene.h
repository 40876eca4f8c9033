/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/kills/scene.h - a database, writers that commit and roll back, relays that are killed, and the
 * oracle
 *
 * All files are in one directory, which is removed after success. Functions that return bool print errors on stderr,
 * with the names of the files to inspect.
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
    char log[SCENE_PATH + 16]; /* output of relays and writers */
    pid_t writers[SCENE_WRITERS];
    unsigned ledgers;
    uint64_t incidents; /* crashes of relays, hangs and take-overs */
};

bool scene_open(struct scene *scene);
void scene_close(struct scene *scene, bool keep);

uint64_t scene_random(struct scene *scene, uint64_t below);
/* Bytes published so far, in all files. */
uint64_t scene_published(const struct scene *scene);
/* Wait until at least `bytes` are published; false after timeout_ms. */
bool scene_until_published(const struct scene *scene, uint64_t bytes, uint64_t timeout_ms);

bool scene_start_writers(struct scene *scene, unsigned rate);
bool scene_replace_writer(struct scene *scene, unsigned which); /* kill it at once, start another */
bool scene_stop_writers(struct scene *scene);

/* A relay. fault: options in YAML of the fault decorator that wraps the store or the broker; NULL: none. */
enum scene_fault { SCENE_NO_FAULT, SCENE_FAULT_STORE, SCENE_FAULT_BROKER };
pid_t scene_start_relay(struct scene *scene, enum scene_fault where, const char *fault);
enum trace_end scene_trace_relay(struct scene *scene, const struct trace_point *point);
bool scene_drain(struct scene *scene);
/* Run the oracle. window: maximum events in flight. */
bool scene_check(struct scene *scene, unsigned window);

#endif
