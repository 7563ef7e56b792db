/* A disk that fails on demand, for the tests: loaded in front of libc (LD_PRELOAD).
 *
 * FAULTY_READ=name:offset   reading a file whose path ends with the name fails from that offset on
 * FAULTY_SYNC=name          syncing a file or folder whose path ends with the name fails
 *
 * Both end once the file FAULTY_UNTIL exists. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_over(void) {
    const char *until = getenv("FAULTY_UNTIL");
    return until != NULL && access(until, F_OK) == 0;
}

static int leads_to(int file, const char *name, size_t length) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t found = readlink(link, path, sizeof path);
    return found > 0 && (size_t)found >= length && memcmp(path + found - length, name, length) == 0;
}

ssize_t read(int file, void *buffer, size_t count) {
    static ssize_t (*next)(int, void *, size_t);
    if (next == NULL) next = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    const char *faulty = getenv("FAULTY_READ");
    const char *colon = faulty == NULL ? NULL : strrchr(faulty, ':');
    if (colon != NULL && leads_to(file, faulty, (size_t)(colon - faulty)) && !is_over()) {
        off_t at = lseek(file, 0, SEEK_CUR), limit = atoll(colon + 1);
        if (at >= limit) {
            errno = EIO;
            return -1;
        }
        if ((off_t)count > limit - at) count = (size_t)(limit - at);
    }
    return next(file, buffer, count);
}

int fsync(int file) {
    static int (*next)(int);
    if (next == NULL) next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    const char *faulty = getenv("FAULTY_SYNC");
    if (faulty != NULL && leads_to(file, faulty, strlen(faulty)) && !is_over()) {
        errno = EIO;
        return -1;
    }
    return next(file);
}
