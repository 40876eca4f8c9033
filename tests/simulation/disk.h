/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/disk.h - the file system under brokers/file: written bytes, synced bytes, and the content after a
 * power cut
 *
 *   disk.c     files, names, and how they lose unsynced content
 *   calls.c    the system calls of brokers/file/sys.h on them, and their faults
 *   sink.c     a decorator over the real file broker, and the checks of the disk's content
 *
 * One directory on one machine, on which all relays run. A file has two contents: the page cache, which reads return,
 * and the disk; a sync makes them equal. A failed sync loses the pages that it should have written and marks them
 * clean: the next sync succeeds without them. Names are on the disk only after a sync of the directory.
 *
 * After a power cut any part of the unsynced content may exist: a shorter file, zeros instead of data, or names from
 * before some of the last changes. Every process ends.
 */
#ifndef OBX_TESTS_SIMULATION_DISK_H
#define OBX_TESTS_SIMULATION_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_FILES 1024
#define SIM_NAME_SIZE 32
#define SIM_NO_FILE UINT32_MAX

struct sim_node;

struct sim_file {
    char *cached, *stored; /* two contents, in memory of the same size */
    uint64_t cached_size, stored_size, room;
    uint64_t clean;   /* up to there a sync has nothing to write */
    uint64_t floor;   /* since the last sync the file was not shorter than that */
    uint64_t synced;  /* confirmed by a sync that succeeded */
    uint64_t checked; /* sink.c: lines up to there were checked */
    uint64_t changed_ns;
    int locked_by; /* a descriptor; -1: none */
};

/* At most two names change in a rotation, and every rotation syncs the directory; some may fail to. */
struct sim_name {
    char text[SIM_NAME_SIZE];
    uint32_t file;
};
struct sim_names {
    struct sim_name items[SIM_FILES];
    uint32_t count;
};
struct sim_rename { /* or a creation: `from` is empty */
    char from[SIM_NAME_SIZE], to[SIM_NAME_SIZE];
    uint32_t file;
};

struct sim_disk {
    struct sim_file *files;
    uint32_t file_count, file_room;
    struct sim_names cached, stored;
    struct sim_rename *changes; /* that are not synced */
    uint32_t change_count, change_room;
    bool full;
};

void sim_disk_init(void);

/* ---- files and names, in the page cache -------------------------------------------------------------------------- */
struct sim_file *sim_file(uint32_t number);
uint32_t sim_name_find(const struct sim_names *names, const char *text); /* SIM_NO_FILE: no such */
uint32_t sim_file_create(const char *name);
void sim_file_rename(const char *from, const char *to);
void sim_file_append(struct sim_file *file, const char *data, size_t size);
void sim_file_cut(struct sim_file *file, uint64_t size);

/* ---- durable content --------------------------------------------------------------------------------------------- */
void sim_file_sync(struct sim_file *file);
void sim_file_fail_sync(struct sim_file *file);
void sim_file_forget(struct sim_file *file); /* clean pages are read from the disk again */
void sim_dir_sync(void);
void sim_disk_lose_power(void);

/* ---- calls.c ----------------------------------------------------------------------------------------------------- */
void sim_calls_init(void);
void sim_calls_crash(const struct sim_node *node); /* its descriptors are closed */
/* Did the process die in this system call? */
enum sim_doom { SIM_LIVES, SIM_DIED, SIM_POWERLESS };
enum sim_doom sim_calls_doom(void);

#endif
