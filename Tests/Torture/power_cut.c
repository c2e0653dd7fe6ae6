// Loses power in the middle of a program: loaded with LD_PRELOAD, it records what the program does to files and, at a chosen
// operation, takes back what was not synchronized, wholly or in part, and kills the process.
//
//   POWER_CUT_FOLDER  only files below it whose name contains ".db" are recorded
//   POWER_CUT_ASIDE   a folder on the same file system, for names that may come back
//   POWER_CUT_AT      the operation, from 1, before which the power goes; if the program ends earlier, at its end
//   POWER_CUT_SEED    decides what survives
//   POWER_CUT_REPORT  gets one line: the operation, and how many changes were not synchronized
//
// What can be lost: writes and truncations since the last fsync of the file, sector by sector (512 bytes) and in any order;
// renames and removals since the last fsync of the folder, the last ones first, as with the journal of a file system. A file
// that was made stays, empty. Files are opened again by name when the power goes, and never kept open meanwhile: closing a
// descriptor would drop the locks that SQLite has on the file. Every call goes to the kernel directly (syscall), so nothing
// here calls itself. One mutex makes an operation and its record one step.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SECTOR = 512 };

// A file that has changes, and the name under which it is now.
struct file {
  dev_t device;
  ino_t inode;
  char path[PATH_MAX];
};

struct change {
  size_t file;
  int is_truncation, is_synchronized;
  off_t offset, old_size, new_size;
  size_t old_count, new_count;
  char *old_bytes, *new_bytes;
};

// A rename (target is not empty) or a removal. `backup` is another name of what disappeared, or empty.
struct move {
  char source[PATH_MAX], target[PATH_MAX], backup[PATH_MAX];
  int is_synchronized;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static struct change *changes;
static struct move *moves;
static size_t file_count, change_count, move_count;
static long operation, wanted = -1;
static uint64_t state;
static const char *folder, *aside, *report;

__attribute__((constructor)) static void begin(void) {
  folder = getenv("POWER_CUT_FOLDER");
  aside = getenv("POWER_CUT_ASIDE");
  report = getenv("POWER_CUT_REPORT");
  const char *at = getenv("POWER_CUT_AT"), *seed = getenv("POWER_CUT_SEED");
  if (folder && aside && report && at && seed) {
    wanted = atol(at);
    state = strtoull(seed, NULL, 10);
  }
}

static uint64_t draw(void) {  // SplitMix64
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static void *grown(void *list, size_t count, size_t size) {
  if (count % 64) return list;
  list = realloc(list, (count + 64) * size);
  if (!list) abort();
  return list;
}

static int is_recorded(const char *path) {
  size_t count = wanted < 0 ? 0 : strlen(folder);
  if (!count || strncmp(path, folder, count) || path[count] != '/') return 0;
  const char *name = strrchr(path, '/'), *end = path + strlen(path);
  return strstr(name, ".db") && !(end - name > 4 && !strcmp(end - 4, "-shm"));
}

// The name of an open file that is recorded; 0 for any other.
static int path_of(int descriptor, char path[PATH_MAX]) {
  char link[64];
  if (wanted < 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  long count = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
  if (count <= 0) return 0;
  path[count] = 0;
  return 1;
}

static size_t file_of(int descriptor, const char *path) {
  struct stat status;
  memset(&status, 0, sizeof status);
  fstat(descriptor, &status);
  for (size_t index = 0; index < file_count; index++)
    if (files[index].device == status.st_dev && files[index].inode == status.st_ino) {
      snprintf(files[index].path, PATH_MAX, "%s", path);
      return index;
    }
  files = grown(files, file_count, sizeof *files);
  files[file_count].device = status.st_dev;
  files[file_count].inode = status.st_ino;
  snprintf(files[file_count].path, PATH_MAX, "%s", path);
  return file_count++;
}

static void write_all(int descriptor, const char *bytes, size_t count, off_t offset) {
  while (count > 0) {
    long written = syscall(SYS_pwrite64, descriptor, bytes, count, offset);
    if (written <= 0) abort();
    bytes += written;
    count -= (size_t)written;
    offset += written;
  }
}

static void undo(int descriptor, const struct change *change) {
  if (change->old_count) write_all(descriptor, change->old_bytes, change->old_count, change->offset);
  syscall(SYS_ftruncate, descriptor, change->old_size);
}

// Part of a write survives up to or from a boundary between sectors of the file.
static void redo(int descriptor, const struct change *change, uint64_t rate) {
  int survives = draw() % 1000 >= rate, part = (int)(draw() % 4);
  uint64_t cut = draw();
  if (change->is_truncation) {
    if (survives) syscall(SYS_ftruncate, descriptor, change->new_size);
    return;
  }
  size_t start = 0, end = change->new_count;
  if (!survives) {
    off_t first = change->offset / SECTOR + 1, last = (change->offset + (off_t)change->new_count - 1) / SECTOR;
    if (part > 1 || first > last) return;
    size_t boundary = (size_t)((first + (off_t)(cut % (uint64_t)(last - first + 1))) * SECTOR - change->offset);
    if (part == 0) end = boundary;
    else start = boundary;
  }
  write_all(descriptor, change->new_bytes + start, end - start, change->offset + (off_t)start);
}

static void lose_data(size_t index, uint64_t rate) {
  int descriptor = (int)syscall(SYS_openat, AT_FDCWD, files[index].path, O_RDWR | O_CLOEXEC, 0);
  if (descriptor < 0) return;  // Removed for good.
  struct stat status;
  if (fstat(descriptor, &status) || status.st_ino != files[index].inode) return;
  for (size_t i = change_count; i-- > 0;)
    if (changes[i].file == index && !changes[i].is_synchronized) undo(descriptor, &changes[i]);
  for (size_t i = 0; i < change_count; i++)
    if (changes[i].file == index && !changes[i].is_synchronized) redo(descriptor, &changes[i], rate);
}

static void lose_moves(void) {
  size_t waiting = 0;
  for (size_t i = 0; i < move_count; i++) waiting += !moves[i].is_synchronized;
  size_t lost = waiting ? draw() % (waiting + 1) : 0;
  for (size_t i = move_count; i-- > 0 && lost > 0;) {
    if (moves[i].is_synchronized) continue;
    lost--;
    if (moves[i].target[0]) syscall(SYS_renameat2, AT_FDCWD, moves[i].target, AT_FDCWD, moves[i].source, 0);
    const char *name = moves[i].target[0] ? moves[i].target : moves[i].source;
    if (moves[i].backup[0]) syscall(SYS_renameat2, AT_FDCWD, moves[i].backup, AT_FDCWD, name, 0);
  }
}

static void lose_power(void) {
  size_t waiting = 0;
  for (size_t i = 0; i < change_count; i++) waiting += !changes[i].is_synchronized;
  // Everything is lost, or each change with one rate: with a fair coin hardly ever a whole transaction would be.
  uint64_t rate = draw() % 4 == 0 ? 1001 : draw() % 1001;
  for (size_t index = 0; index < file_count; index++) lose_data(index, rate);
  lose_moves();
  char line[128];
  int count = snprintf(line, sizeof line, "%ld %zu\n", operation, waiting);
  int descriptor = (int)syscall(SYS_openat, AT_FDCWD, report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (descriptor >= 0) syscall(SYS_write, descriptor, line, count);
}

// Counts an operation; the lock is held from here to `done`.
static void next(void) {
  pthread_mutex_lock(&lock);
  if (++operation != wanted) return;
  lose_power();
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static void done(void) { pthread_mutex_unlock(&lock); }

__attribute__((destructor)) static void end(void) {
  if (wanted < 0 || operation >= wanted) return;
  pthread_mutex_lock(&lock);
  lose_power();
}

static struct change *recorded(int descriptor, const char *path, off_t offset, size_t overwritten) {
  struct stat status;
  fstat(descriptor, &status);
  changes = grown(changes, change_count, sizeof *changes);
  struct change *change = &changes[change_count];
  memset(change, 0, sizeof *change);
  change->file = file_of(descriptor, path);
  change->offset = offset;
  change->old_size = status.st_size;
  if (offset < status.st_size) {
    size_t rest = (size_t)(status.st_size - offset);
    change->old_count = rest < overwritten ? rest : overwritten;
    change->old_bytes = malloc(change->old_count + 1);
    long count = syscall(SYS_pread64, descriptor, change->old_bytes, change->old_count, offset);
    if (count < 0 && errno == EBADF) {
      // Open for writing only, so SQLite has no lock on it that closing another descriptor could drop.
      int reader = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
      count = syscall(SYS_pread64, reader, change->old_bytes, change->old_count, offset);
      syscall(SYS_close, reader);
    }
    if (count != (long)change->old_count) abort();
  }
  return change;
}

static ssize_t recorded_write(int descriptor, const void *bytes, size_t count, off_t offset, int has_offset) {
  char path[PATH_MAX];
  if (!path_of(descriptor, path) || !is_recorded(path) || count == 0)
    return has_offset ? syscall(SYS_pwrite64, descriptor, bytes, count, offset)
                      : syscall(SYS_write, descriptor, bytes, count);
  next();
  off_t place = has_offset ? offset : syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
  struct change *change = recorded(descriptor, path, place, count);
  ssize_t written = has_offset ? syscall(SYS_pwrite64, descriptor, bytes, count, offset)
                               : syscall(SYS_write, descriptor, bytes, count);
  if (written > 0) {
    change->new_count = (size_t)written;
    change->new_bytes = malloc(change->new_count);
    memcpy(change->new_bytes, bytes, change->new_count);
    change_count++;
  }
  int failure = errno;
  done();
  errno = failure;
  return written;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  return recorded_write(descriptor, bytes, count, offset, 1);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
  return recorded_write(descriptor, bytes, count, offset, 1);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  return recorded_write(descriptor, bytes, count, 0, 0);
}

int ftruncate(int descriptor, off_t size) {
  char path[PATH_MAX];
  if (!path_of(descriptor, path) || !is_recorded(path)) return (int)syscall(SYS_ftruncate, descriptor, size);
  next();
  struct change *change = recorded(descriptor, path, size, SIZE_MAX);
  change->is_truncation = 1;
  change->new_size = size;
  int result = (int)syscall(SYS_ftruncate, descriptor, size), failure = errno;
  change_count += result == 0;
  done();
  errno = failure;
  return result;
}

int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }

// Whether `name` is right in the folder `path`.
static int is_in(const char *name, const char *path) {
  size_t count = strlen(path);
  return !strncmp(name, path, count) && name[count] == '/' && !strchr(name + count + 1, '/');
}

static int synchronize(int descriptor, long number) {
  char path[PATH_MAX];
  struct stat status;
  if (!path_of(descriptor, path) || fstat(descriptor, &status)) return (int)syscall(number, descriptor);
  int is_folder = S_ISDIR(status.st_mode) && !strncmp(path, folder, strlen(folder));
  if (!is_folder && !is_recorded(path)) return (int)syscall(number, descriptor);
  next();
  // What a power cut leaves is made up, so nothing has to reach the disk.
  for (size_t i = 0; is_folder && i < move_count; i++)
    if (is_in(moves[i].source, path) || is_in(moves[i].target, path)) moves[i].is_synchronized = 1;
  for (size_t i = 0; !is_folder && i < change_count; i++) {
    struct file *file = &files[changes[i].file];
    if (file->device == status.st_dev && file->inode == status.st_ino) changes[i].is_synchronized = 1;
  }
  done();
  return 0;
}

int fsync(int descriptor) { return synchronize(descriptor, SYS_fsync); }
int fdatasync(int descriptor) { return synchronize(descriptor, SYS_fdatasync); }

static void absolute(const char *name, char path[PATH_MAX]) {
  char here[PATH_MAX] = "";
  if (name[0] != '/' && !getcwd(here, sizeof here)) abort();
  if (snprintf(path, PATH_MAX, "%s%s%s", here, here[0] ? "/" : "", name) >= PATH_MAX) abort();
}

// Gives what `path` leads to a second name, if there is anything.
static void back_up(struct move *move, const char *path) {
  struct stat status;
  if (lstat(path, &status)) return;
  snprintf(move->backup, PATH_MAX, "%.3000s/removed-%d-%zu", aside, getpid(), move_count);
  if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, move->backup, 0)) move->backup[0] = 0;
  for (size_t i = 0; i < file_count; i++)
    if (files[i].device == status.st_dev && files[i].inode == status.st_ino)
      snprintf(files[i].path, PATH_MAX, "%s", move->backup);
}

static int recorded_move(const char *source, const char *target, unsigned flags) {
  char from[PATH_MAX], to[PATH_MAX] = "";
  struct stat status;
  if (wanted < 0 || (absolute(source, from), !is_recorded(from)) || lstat(from, &status))
    return target ? (int)syscall(SYS_renameat2, AT_FDCWD, source, AT_FDCWD, target, flags)
                  : (int)syscall(SYS_unlinkat, AT_FDCWD, source, 0);
  if (target) absolute(target, to);
  next();
  moves = grown(moves, move_count, sizeof *moves);
  struct move *move = &moves[move_count];
  memset(move, 0, sizeof *move);
  memcpy(move->source, from, sizeof from);
  memcpy(move->target, to, sizeof to);
  if (!target || !(flags & RENAME_NOREPLACE)) back_up(move, target ? to : from);
  int result = target ? (int)syscall(SYS_renameat2, AT_FDCWD, source, AT_FDCWD, target, flags)
                      : (int)syscall(SYS_unlinkat, AT_FDCWD, source, 0);
  int failure = errno;
  if (result == 0) {
    move_count++;
    for (size_t i = 0; target && i < file_count; i++)
      if (files[i].device == status.st_dev && files[i].inode == status.st_ino)
        snprintf(files[i].path, PATH_MAX, "%s", to);
  }
  done();
  errno = failure;
  return result;
}

int rename(const char *source, const char *target) { return recorded_move(source, target, 0); }
int unlink(const char *path) { return recorded_move(path, NULL, 0); }

int renameat2(int source_folder, const char *source, int target_folder, const char *target, unsigned flags) {
  if (source_folder != AT_FDCWD || target_folder != AT_FDCWD)
    return (int)syscall(SYS_renameat2, source_folder, source, target_folder, target, flags);
  return recorded_move(source, target, flags);
}
