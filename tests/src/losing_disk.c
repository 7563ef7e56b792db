/* A disk that loses what it was to keep, for the tests: loaded in front of libc (LD_PRELOAD).
 *
 * LOSES_BYTES=n   the first n syncs of a half-done file fail with EIO, and what was written to it is gone
 * LOSES_NAME=n    the first n syncs of a half-done file fail with ESTALE, and its name is gone */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int n_bytes, n_name;

static int is_due(const char *what, int *n_done) {
    const char *n = getenv(what);
    return n != NULL && __atomic_fetch_add(n_done, 1, __ATOMIC_SEQ_CST) < atoi(n);
}

/* 0, or why the sync fails. */
static int lose(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t found = readlink(link, path, sizeof path - 1);
    if (found < 5 || memcmp(path + found - 5, ".part", 5) != 0) return 0;
    path[found] = 0;
    if (is_due("LOSES_BYTES", &n_bytes)) {
        struct stat was;
        if (fstat(file, &was) == 0 && ftruncate(file, 0) == 0 && ftruncate(file, was.st_size) == 0) return EIO;
    }
    if (is_due("LOSES_NAME", &n_name) && unlink(path) == 0) return ESTALE;
    return 0;
}

int fsync(int file) {
    static int (*next)(int);
    if (next == NULL) next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int why = lose(file);
    return why == 0 ? next(file) : (errno = why, -1);
}

int fdatasync(int file) {
    static int (*next)(int);
    if (next == NULL) next = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int why = lose(file);
    return why == 0 ? next(file) : (errno = why, -1);
}
