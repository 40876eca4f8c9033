/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/transform.h - a transform that adds a header, and fails
 *
 * It fails for a while (AGAIN), and rejects some of the events that can never go. Before it rejects one it changes
 * topic and key, as a careless plugin would: the host must restore them.
 */
#ifndef OBX_TESTS_SIMULATION_TRANSFORM_H
#define OBX_TESTS_SIMULATION_TRANSFORM_H

#include <outbox/plugin.h>

extern const struct outbox_plugin sim_transform_plugin;

#endif
