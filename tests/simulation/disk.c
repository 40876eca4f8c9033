/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/disk.c - see disk.h */
#include "disk.h"

#include <stdio.h>
#include <string.h>

#include "sim.h"

/* The disk belongs to the simulated machine, not to a process. */
static void *grow(void *array, uint64_t count, size_t size)
{
    struct sim_owner *before = sim_own(&sim->memory);
    void *grown = obx_resize(array, count * size);
    sim_own(before);
    if (!grown)
        sim_fail("the simulator is out of memory");
    return grown;
}

void sim_disk_init(void)
{
    sim->disk = obx_alloc(sizeof *sim->disk);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static struct sim_name *entry(struct sim_names *names, const char *text)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (!strcmp(names->items[i].text, text))
            return &names->items[i];
    }
    return NULL;
}

uint32_t sim_name_find(const struct sim_names *names, const char *text)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (!strcmp(names->items[i].text, text))
            return names->items[i].file;
    }
    return SIM_NO_FILE;
}

static void apply(struct sim_names *names, const struct sim_rename *change)
{
    struct sim_name *at = entry(names, change->to), *from = entry(names, change->from);
    if (!at && names->count == SIM_FILES)
        sim_fail("the disk has no room for another name");
    if (!at)
        at = &names->items[names->count++];
    *at = (struct sim_name){.file = change->file};
    memcpy(at->text, change->to, sizeof at->text);
    if (from)
        *from = names->items[--names->count];
}

static void change_name(const char *from, const char *to, uint32_t file)
{
    struct sim_disk *disk = sim->disk;
    struct sim_rename change = {.file = file};
    if (disk->change_count == disk->change_room) {
        disk->change_room = disk->change_room ? disk->change_room * 2 : 8;
        disk->changes = grow(disk->changes, disk->change_room, sizeof *disk->changes);
    }
    snprintf(change.from, sizeof change.from, "%s", from);
    snprintf(change.to, sizeof change.to, "%s", to);
    disk->changes[disk->change_count++] = change;
    apply(&disk->cached, &change);
}

uint32_t sim_file_create(const char *name)
{
    struct sim_disk *disk = sim->disk;
    if (disk->file_count == disk->file_room) {
        disk->file_room = disk->file_room ? disk->file_room * 2 : 8;
        disk->files = grow(disk->files, disk->file_room, sizeof *disk->files);
    }
    disk->files[disk->file_count] = (struct sim_file){.locked_by = -1};
    change_name("", name, disk->file_count);
    return disk->file_count++;
}

void sim_file_rename(const char *from, const char *to)
{
    change_name(from, to, sim_name_find(&sim->disk->cached, from));
}

void sim_dir_sync(void)
{
    struct sim_disk *disk = sim->disk;
    for (uint32_t i = 0; i < disk->change_count; i++)
        apply(&disk->stored, &disk->changes[i]);
    disk->change_count = 0;
}

/* ---- contents ---------------------------------------------------------------------------------------------------- */

struct sim_file *sim_file(uint32_t number)
{
    return &sim->disk->files[number];
}

void sim_file_append(struct sim_file *file, const char *data, size_t size)
{
    uint64_t end = file->cached_size + size;
    if (end > file->room) {
        file->room = OBX_MAX(end, file->room * 2);
        file->cached = grow(file->cached, file->room, 1);
        file->stored = grow(file->stored, file->room, 1);
    }
    memcpy(file->cached + file->cached_size, data, size);
    file->cached_size = end;
    file->changed_ns = sim->now_ns;
}

void sim_file_cut(struct sim_file *file, uint64_t size)
{
    file->cached_size = OBX_MIN(file->cached_size, size);
    file->clean = OBX_MIN(file->clean, size);
    file->floor = OBX_MIN(file->floor, size);
    file->synced = OBX_MIN(file->synced, size);
    file->changed_ns = sim->now_ns;
}

static void is_stored(struct sim_file *file)
{
    file->stored_size = file->clean = file->floor = file->cached_size;
}

void sim_file_sync(struct sim_file *file)
{
    if (file->cached_size > file->clean)
        memcpy(file->stored + file->clean, file->cached + file->clean, file->cached_size - file->clean);
    is_stored(file);
    file->synced = file->cached_size;
}

void sim_file_fail_sync(struct sim_file *file)
{
    if (file->cached_size > file->clean)
        memset(file->stored + file->clean, 0, file->cached_size - file->clean);
    is_stored(file);
}

void sim_file_forget(struct sim_file *file)
{
    if (file->clean)
        memcpy(file->cached, file->stored, file->clean);
}

/* ---- power cut --------------------------------------------------------------------------------------------------- */

/* Runs of the bytes from `first` on were written, or not. */
static void write_some(struct sim_file *file, uint64_t first, uint64_t end)
{
    while (first < end) {
        uint64_t length = sim_pick(1, sim_pick(1, 8192));
        length = OBX_MIN(length, end - first);
        if (sim_pick(0, 2))
            memcpy(file->stored + first, file->cached + first, length);
        else
            memset(file->stored + first, 0, length);
        first += length;
    }
}

static void lose_content(struct sim_file *file)
{
    bool cut = file->floor < file->stored_size;
    if (!cut || sim_pick(0, 1)) { /* else it is as long as it was, with the old content */
        uint64_t size = file->cached_size;
        if (size > file->clean && sim_pick(0, 2))
            size = sim_pick(file->clean, size);
        write_some(file, file->clean, size);
        file->stored_size = size;
    }
    if (file->stored_size)
        memcpy(file->cached, file->stored, file->stored_size);
    file->cached_size = file->clean = file->floor = file->stored_size;
    file->locked_by = -1;
}

void sim_disk_lose_power(void)
{
    struct sim_disk *disk = sim->disk;
    uint32_t kept = (uint32_t)sim_pick(0, disk->change_count);
    SIM_TRACE("the power goes; %u of %u changes of names are on the disk", kept, disk->change_count);
    for (uint32_t i = 0; i < kept; i++)
        apply(&disk->stored, &disk->changes[i]);
    disk->change_count = 0;
    disk->cached = disk->stored;
    for (uint32_t i = 0; i < disk->file_count; i++)
        lose_content(sim_file(i));
}
