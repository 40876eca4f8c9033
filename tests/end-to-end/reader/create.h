/* SPDX-License-Identifier: Apache-2.0 */
/* tests/end-to-end/reader/create.h - make a topic as Kafka's TopicCommand does, without the start of a Java machine */
#ifndef OBX_TESTS_END_TO_END_READER_CREATE_H
#define OBX_TESTS_END_TO_END_READER_CREATE_H

/* Options: --partitions N, --config NAME=VALUE. Returns the exit code: 0, 64 usage, 69 the topic was not made. */
int create_topic(const char *bootstrap, const char *name, int count, char **options);

#endif
