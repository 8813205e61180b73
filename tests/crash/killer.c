/* Kills the process before its N-th durable call, or lets that call fail.
 *
 * Preloaded. A file named by KILLER_CONTROL is mapped: {armed, at, count, fault}. While armed, every call that makes
 * something lasting or visible to others is counted, over all threads together; before number `at` the process gets
 * SIGKILL, or the call fails with the errno `fault` and disarms. `count` tells the campaign where the end is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct control { _Atomic long armed, at, count, fault; };
static struct control *control;

__attribute__((constructor)) static void open_control(void) {
    const char *path = getenv("KILLER_CONTROL");
    int fd = path ? open(path, O_RDWR) : -1;
    if (fd < 0) return;
    void *found = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    control = found == MAP_FAILED ? NULL : found;
    close(fd);
}

/* Tells whether this call has to fail; does not return when it is the last. */
static int strikes(void) {
    if (!control || !atomic_load(&control->armed)) return 0;
    long number = atomic_fetch_add(&control->count, 1) + 1;
    if (number != atomic_load(&control->at)) return 0;
    long fault = atomic_load(&control->fault);
    if (!fault) { raise(SIGKILL); for (;;) pause(); }
    atomic_store(&control->armed, 0);
    errno = (int)fault;
    return 1;
}

/* Terminals, pipes and our own log are nobody's promise. */
static int lasting(int fd) {
    struct stat s;
    return fd > 2 && fstat(fd, &s) == 0 && (S_ISREG(s.st_mode) || S_ISSOCK(s.st_mode));
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *b, size_t n) { REAL(ssize_t, write, int, const void *, size_t); return lasting(fd) && strikes() ? -1 : real(fd, b, n); }
ssize_t writev(int fd, const struct iovec *v, int n) { REAL(ssize_t, writev, int, const struct iovec *, int); return lasting(fd) && strikes() ? -1 : real(fd, v, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { REAL(ssize_t, pwrite, int, const void *, size_t, off_t); return strikes() ? -1 : real(fd, b, n, o); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o) { REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t); return strikes() ? -1 : real(fd, b, n, o); }
ssize_t send(int fd, const void *b, size_t n, int f) { REAL(ssize_t, send, int, const void *, size_t, int); return lasting(fd) && strikes() ? -1 : real(fd, b, n, f); }
ssize_t sendmsg(int fd, const struct msghdr *m, int f) { REAL(ssize_t, sendmsg, int, const struct msghdr *, int); return lasting(fd) && strikes() ? -1 : real(fd, m, f); }
int fsync(int fd) { REAL(int, fsync, int); return strikes() ? -1 : real(fd); }
int fdatasync(int fd) { REAL(int, fdatasync, int); return strikes() ? -1 : real(fd); }
int ftruncate(int fd, off_t n) { REAL(int, ftruncate, int, off_t); return strikes() ? -1 : real(fd, n); }
int ftruncate64(int fd, off64_t n) { REAL(int, ftruncate64, int, off64_t); return strikes() ? -1 : real(fd, n); }
int rename(const char *a, const char *b) { REAL(int, rename, const char *, const char *); return strikes() ? -1 : real(a, b); }
int renameat(int x, const char *a, int y, const char *b) { REAL(int, renameat, int, const char *, int, const char *); return strikes() ? -1 : real(x, a, y, b); }
int unlink(const char *p) { REAL(int, unlink, const char *); return strikes() ? -1 : real(p); }
int unlinkat(int d, const char *p, int f) { REAL(int, unlinkat, int, const char *, int); return strikes() ? -1 : real(d, p, f); }
int mkdir(const char *p, mode_t m) { REAL(int, mkdir, const char *, mode_t); return strikes() ? -1 : real(p, m); }
int link(const char *a, const char *b) { REAL(int, link, const char *, const char *); return strikes() ? -1 : real(a, b); }
int linkat(int x, const char *a, int y, const char *b, int f) { REAL(int, linkat, int, const char *, int, const char *, int); return strikes() ? -1 : real(x, a, y, b, f); }
