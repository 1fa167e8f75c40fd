/* A disk that refuses from the n-th change of it on: preloaded by tests/faults.py.
 *
 * Every call that changes something below one folder is counted, whichever library makes it
 * (Python, torch's C++, safetensors' Rust). From the `first` to the `last` counted one they fail
 * with `number`. A full disk (ENOSPC) still lets files be removed and changed in mode.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static long first = LONG_MAX, last = LONG_MAX, counted;
static int number;

void faults_arm(const char *path, long from, long to, int error) {
    strncpy(folder, path, sizeof folder - 1);
    first = from; last = to; number = error;
    __atomic_store_n(&counted, 0, __ATOMIC_SEQ_CST);
}
long faults_counted(void) { return __atomic_load_n(&counted, __ATOMIC_SEQ_CST); }

static int below(const char *path) {
    size_t n = strlen(folder);
    return n && !strncmp(path, folder, n) && (path[n] == '/' || !path[n]);
}
static int path_below(int at, const char *path) {
    char whole[2 * PATH_MAX], link[64];
    if (!*folder || !path) return 0;
    if (*path == '/') return below(path);
    if (at == AT_FDCWD) { if (!getcwd(whole, PATH_MAX)) return 0; }
    else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t n = readlink(link, whole, PATH_MAX - 1);
        if (n < 0) return 0;
        whole[n] = 0;
    }
    strcat(whole, "/"); strncat(whole, path, PATH_MAX - 1);
    return below(whole);
}
static int handle_below(int fd) {
    char whole[PATH_MAX], link[64];
    if (!*folder) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, whole, sizeof whole - 1);
    if (n < 0) return 0;
    whole[n] = 0;
    return below(whole);
}
static int refused(void) {
    long n = __atomic_fetch_add(&counted, 1, __ATOMIC_SEQ_CST);
    if (n < first || n > last) return 0;
    errno = number;
    return 1;
}
static int removal_refused(void) { return number == EROFS && refused(); }
static int opening_refused(int at, const char *path, int flags) {
    struct stat found;
    if (!(flags & (O_WRONLY | O_RDWR | O_CREAT)) || !path_below(at, path)) return 0;
    if (number == ENOSPC && !fstatat(at, path, &found, 0)) return 0;
    return refused();
}
#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define MODE va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more)

int open(const char *path, int flags, ...) {
    MODE; REAL(open); return opening_refused(AT_FDCWD, path, flags) ? -1 : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE; REAL(open64); return opening_refused(AT_FDCWD, path, flags) ? -1 : real(path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
    MODE; REAL(openat); return opening_refused(at, path, flags) ? -1 : real(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
    MODE; REAL(openat64); return opening_refused(at, path, flags) ? -1 : real(at, path, flags, mode);
}
static int how(const char *mode) { return *mode == 'r' && !strchr(mode, '+') ? O_RDONLY : O_WRONLY; }
FILE *fopen(const char *path, const char *mode) {
    REAL(fopen); return opening_refused(AT_FDCWD, path, how(mode)) ? NULL : real(path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
    REAL(fopen64); return opening_refused(AT_FDCWD, path, how(mode)) ? NULL : real(path, mode);
}
ssize_t write(int fd, const void *from, size_t size) {
    REAL(write); return handle_below(fd) && refused() ? -1 : real(fd, from, size);
}
ssize_t writev(int fd, const struct iovec *from, int count) {
    REAL(writev); return handle_below(fd) && refused() ? -1 : real(fd, from, count);
}
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) {
    REAL(pwrite64); return handle_below(fd) && refused() ? -1 : real(fd, from, size, at);
}
int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64); return handle_below(fd) && refused() ? -1 : real(fd, size);
}
int fallocate64(int fd, int mode, off64_t at, off64_t size) {
    REAL(fallocate64); return handle_below(fd) && refused() ? -1 : real(fd, mode, at, size);
}
int fsync(int fd) { REAL(fsync); return handle_below(fd) && refused() ? -1 : real(fd); }
int mkdir(const char *path, mode_t mode) {
    struct stat found;
    REAL(mkdir);
    if (path_below(AT_FDCWD, path) && stat(path, &found) && refused()) return -1;
    return real(path, mode);
}
int rename(const char *from, const char *to) {
    REAL(rename); return path_below(AT_FDCWD, to) && refused() ? -1 : real(from, to);
}
int unlink(const char *path) {
    REAL(unlink); return path_below(AT_FDCWD, path) && removal_refused() ? -1 : real(path);
}
int unlinkat(int at, const char *path, int flags) {
    REAL(unlinkat); return path_below(at, path) && removal_refused() ? -1 : real(at, path, flags);
}
int rmdir(const char *path) {
    REAL(rmdir); return path_below(AT_FDCWD, path) && removal_refused() ? -1 : real(path);
}
int chmod(const char *path, mode_t mode) {
    REAL(chmod); return path_below(AT_FDCWD, path) && removal_refused() ? -1 : real(path, mode);
}
