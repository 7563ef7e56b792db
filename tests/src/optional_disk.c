/* A disk without what network file systems may leave out, for the tests: loaded in front of libc (LD_PRELOAD).
 *
 * LACKS names, separated by commas, what is not offered:
 *   flock=ENOSYS, flock=ENOLCK   locking fails so
 *   flock=nothing                every lock is granted, and keeps nobody out
 *   folders=EINVAL, folders=ENOTSUP   syncing a folder fails so
 *   links                        hard links are refused */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int lacks(const char *what) {
    const char *all = getenv("LACKS");
    return all != NULL && strstr(all, what) != NULL;
}

int flock(int file, int how) {
    static int (*next)(int, int);
    if (next == NULL) next = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
    if (lacks("flock=nothing")) return 0;
    if (lacks("flock=ENOSYS")) return errno = ENOSYS, -1;
    if (lacks("flock=ENOLCK")) return errno = ENOLCK, -1;
    return next(file, how);
}

int fsync(int file) {
    static int (*next)(int);
    struct stat found;
    if (next == NULL) next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (fstat(file, &found) == 0 && S_ISDIR(found.st_mode)) {
        if (lacks("folders=EINVAL")) return errno = EINVAL, -1;
        if (lacks("folders=ENOTSUP")) return errno = ENOTSUP, -1;
    }
    return next(file);
}

int link(const char *from, const char *to) {
    static int (*next)(const char *, const char *);
    if (next == NULL) next = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link");
    return lacks("links") ? (errno = EPERM, -1) : next(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    static int (*next)(int, const char *, int, const char *, int);
    if (next == NULL) next = (int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT, "linkat");
    return lacks("links") ? (errno = EPERM, -1) : next(from_folder, from, to_folder, to, flags);
}
