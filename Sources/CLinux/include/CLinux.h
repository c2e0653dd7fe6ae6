// Linux calls that glibc hides without _GNU_SOURCE or that are variadic, so that Swift does not see them.
#ifndef CLINUX_H
#define CLINUX_H

#include <spawn.h>
#include <stdint.h>

// rename(2) that fails with EEXIST instead of replacing. 0, or -1 and errno.
int CLinux_rename_no_replace(const char *source, const char *target);

// Starts write-back of a range without waiting. A hint: the result does not matter.
void CLinux_start_writeback(int descriptor, int64_t offset, int64_t byte_count);

// Keeps this process out of core dumps and of ptrace by other processes of its user. 0, or -1 and errno.
int CLinux_forbid_dumps(void);

// A pipe whose ends are closed on exec from the start, so that no other thread's child inherits them.
// 0, or -1 and errno.
int CLinux_pipe_close_on_exec(int ends[2]);

// The spawned child closes every descriptor from `lowest` on. 0, or an errno value. glibc 2.34 or newer.
int CLinux_spawn_add_close_from(posix_spawn_file_actions_t *actions, int lowest);

#endif
