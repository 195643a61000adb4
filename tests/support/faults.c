/*
 * Under a process's calls: writes down what it does to the files below one directory, and makes
 * chosen calls fail, wait, or be its last. Loaded by LD_PRELOAD; Linux, 64 bits.
 *
 *   FAULTS_DIR     the directory, without symbolic links in its name
 *   FAULTS_RECORD  a file that takes a record of each call (struct record), if set
 *   FAULTS_RULES   a file of rules, one a line, read again whenever it is replaced, if set:
 *                      <call> <path-substring>[@<thread>] <nth|*> <action>
 *                  call     open write read truncate sync range rename unlink mkdir any
 *                           (sync is fsync and fdatasync; range is sync_file_range)
 *                  thread   the name of the calling thread
 *                  nth      the nth such call since the rules were read, from 1; * is each
 *                  action   errno:<EIO|ENOSPC|EROFS|EDQUOT>  not done, fails
 *                           short        half of the write is done, the next one there: ENOSPC
 *                           sleep:<ms>   waits, then goes on
 *                           kill-before  the process is killed, the call not made
 *                           kill-after   the process is killed when the call has returned
 *                  A line goes to the file named FAULTS_RULES.fired each time a rule applies.
 *
 * Order. A number is drawn when a call is issued and when it has returned, from one counter, and
 * no lock is held in between: a lock would forbid just the overlaps that a disk sees. So "this
 * returned before that was issued" is true of the process whenever the numbers say so. A sync
 * covers the writes that had returned when it was issued; a write may be on the disk from when
 * it was issued on; what was sent is out from when it was issued on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 65536
#define MAX_RULES 64
#define MAX_RULES_BYTES 8192
#define THREAD_NAME_BYTES 16

/* Numbers as in faults.rs. ANY is for rules; in the record it says that a process begins, whose
 * numbers begin anew. READ is not recorded. */
enum kind { ANY, OPEN, WRITE, TRUNCATE, SYNC, RANGE, RENAME, UNLINK, MKDIR, SENT, READ };
static const char *const KINDS[] = {"any",    "open",   "write", "truncate", "sync", "range",
                                    "rename", "unlink", "mkdir", "sent",     "read"};

/* What stands in the record, followed by the path and then by the data; for a rename, the data
 * is the new path. */
struct record {
    uint64_t issued, returned, inode;
    int64_t offset; /* of a write; the new length of a truncation; flags of an open */
    int64_t result; /* what the call returned, or -errno */
    uint32_t kind, path_bytes, data_bytes, reserved;
    char thread[THREAD_NAME_BYTES];
};

/* A call on its way. */
struct call {
    enum kind kind;
    const char *path; /* below the directory; NULL: none of ours */
    const char *to;   /* of a rename */
    const void *data;
    size_t bytes;
    int64_t offset;
    uint64_t issued, inode;
    int refusal; /* what it fails with instead of being made */
    int last;    /* the process is killed after it */
};

struct rule {
    char line[256], path[128], thread[THREAD_NAME_BYTES];
    enum kind kind;
    uint64_t nth, seen; /* nth 0: each */
    enum { REFUSE, SHORT, SLEEP, KILL_BEFORE, KILL_AFTER } action;
    long argument;
    uint64_t owed_inode; /* SHORT: the file whose next write fails */
};

/* What is known of an open file; forgotten when its number is opened or closed. */
struct file {
    enum { UNKNOWN, FOREIGN, WATCHED, STREAM } is;
    uint64_t inode;
    char *path;
};

static char directory[PATH_MAX];
static size_t directory_bytes;
static const char *rules_path;
static int record_fd = -1, fired_fd = -1;
static atomic_uint_fast64_t counter = 1;
static pthread_mutex_t record_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t rules_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[MAX_RULES];
static int rule_count;
static struct timespec rules_mtime;
static ino_t rules_inode;
static struct file files[MAX_FDS];

static void stop(const char *problem) {
    dprintf(2, "faults: %s\n", problem);
    abort();
}

static int open_log(const char *path) {
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) stop("can't open a log");
    /* Out of the way of the numbers that the process sees. */
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    if (high < 0) stop("can't keep a log");
    syscall(SYS_close, fd);
    return high;
}

/* ---- Which files are ours. ---- */

/* The part of a path below the directory: "" for the directory itself, NULL for another's. */
static const char *below(const char *path) {
    if (!directory_bytes || !path) return NULL;
    if (strncmp(path, directory, directory_bytes) == 0) return path + directory_bytes;
    if (strncmp(path, directory, directory_bytes - 1) == 0 && !path[directory_bytes - 1]) return "";
    return NULL;
}

static void forget(int fd) {
    if (fd < 0 || fd >= MAX_FDS) return;
    pthread_mutex_lock(&files_lock);
    /* The path stays: a call of another thread may be using it. */
    files[fd].is = UNKNOWN;
    pthread_mutex_unlock(&files_lock);
}

static void look_at(int fd, struct file *file) {
    struct stat status;
    char link[64], target[PATH_MAX];
    file->is = FOREIGN;
    if (fstat(fd, &status) != 0) return;
    file->inode = status.st_ino;
    if (S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode)) {
        file->is = STREAM;
        return;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0) return;
    target[length] = 0;
    const char *path = below(target);
    if (!path) return;
    file->is = WATCHED;
    file->path = strdup(path);
}

static struct file file_of(int fd) {
    struct file file = {.is = FOREIGN};
    if (fd < 0 || fd >= MAX_FDS) return file;
    int kept = errno;
    pthread_mutex_lock(&files_lock);
    if (files[fd].is == UNKNOWN) look_at(fd, &files[fd]);
    file = files[fd];
    pthread_mutex_unlock(&files_lock);
    errno = kept;
    return file;
}

/* ---- The rules. ---- */

static int find_name(const char *name, const char *const *names, int count) {
    for (int number = 0; number < count; number++)
        if (strcmp(name, names[number]) == 0) return number;
    stop("a rule names what isn't there");
    return -1;
}

static void parse_rule(char *line, struct rule *rule) {
    static const char *const ACTIONS[] = {"errno", "short", "sleep", "kill-before", "kill-after"};
    static const char *const ERRORS[] = {"EIO", "ENOSPC", "EROFS", "EDQUOT"};
    static const int NUMBERS[] = {EIO, ENOSPC, EROFS, EDQUOT};
    char kind[16], nth[24], action[32];
    *rule = (struct rule){0};
    snprintf(rule->line, sizeof rule->line, "%s", line);
    if (sscanf(line, "%15s %127s %23s %31s", kind, rule->path, nth, action) != 4)
        stop("a rule has four parts");
    char *thread = strchr(rule->path, '@');
    if (thread) {
        *thread = 0;
        snprintf(rule->thread, sizeof rule->thread, "%s", thread + 1);
    }
    rule->kind = find_name(kind, KINDS, sizeof KINDS / sizeof *KINDS);
    rule->nth = strcmp(nth, "*") == 0 ? 0 : strtoull(nth, NULL, 10);
    char *argument = strchr(action, ':');
    if (argument) *argument++ = 0;
    rule->action = find_name(action, ACTIONS, 5);
    if (rule->action == REFUSE) rule->argument = NUMBERS[find_name(argument ?: "", ERRORS, 4)];
    if (rule->action == SLEEP) rule->argument = strtol(argument ?: "", NULL, 10);
}

/* Reads the rules again if the file is another one than before. */
static void refresh_rules(void) {
    struct stat status;
    char text[MAX_RULES_BYTES];
    if (stat(rules_path, &status) != 0) {
        rule_count = 0;
        rules_inode = 0;
        return;
    }
    if (status.st_ino == rules_inode && status.st_mtim.tv_sec == rules_mtime.tv_sec &&
        status.st_mtim.tv_nsec == rules_mtime.tv_nsec)
        return;
    int fd = syscall(SYS_openat, AT_FDCWD, rules_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    long length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    text[length < 0 ? 0 : length] = 0;
    rules_inode = status.st_ino;
    rules_mtime = status.st_mtim;
    rule_count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (rule_count == MAX_RULES) stop("too many rules");
        parse_rule(line, &rules[rule_count++]);
    }
}

static int applies(struct rule *rule, const struct call *call, const char *thread) {
    if (rule->kind != ANY && rule->kind != call->kind) return 0;
    if (rule->thread[0] && strcmp(rule->thread, thread) != 0) return 0;
    if (!strstr(call->path, rule->path) && !(call->to && strstr(call->to, rule->path))) return 0;
    rule->seen++;
    return rule->nth == 0 || rule->nth == rule->seen;
}

static void say_fired(const struct rule *rule) {
    char line[sizeof rule->line + 1];
    int length = snprintf(line, sizeof line, "%s\n", rule->line);
    syscall(SYS_write, fired_fd, line, (size_t)length);
}

static void end_process(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Does to a call what the rules say. */
static void judge(struct call *call) {
    char thread[THREAD_NAME_BYTES] = "";
    long milliseconds = 0;
    prctl(PR_GET_NAME, thread);
    pthread_mutex_lock(&rules_lock);
    refresh_rules();
    for (int number = 0; number < rule_count; number++) {
        struct rule *rule = &rules[number];
        if (call->kind == WRITE && rule->owed_inode && rule->owed_inode == call->inode) {
            rule->owed_inode = 0;
            call->refusal = ENOSPC;
            continue;
        }
        if (!applies(rule, call, thread)) continue;
        say_fired(rule);
        switch (rule->action) {
        case REFUSE: call->refusal = (int)rule->argument; break;
        case SLEEP: milliseconds += rule->argument; break;
        case KILL_BEFORE: end_process(); break;
        case KILL_AFTER: call->last = 1; break;
        case SHORT:
            if (call->kind != WRITE) break;
            rule->owed_inode = call->inode;
            if (call->bytes > 1) call->bytes /= 2;
            else call->refusal = ENOSPC;
        }
    }
    pthread_mutex_unlock(&rules_lock);
    struct timespec wait = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    if (milliseconds) nanosleep(&wait, NULL);
}

/* ---- The record. ---- */

static void write_record(const struct call *call, uint64_t returned, long result) {
    struct record record = {
        .issued = call->issued,
        .returned = returned,
        .inode = call->inode,
        .offset = call->offset,
        .result = result,
        .kind = call->kind,
        .path_bytes = strlen(call->path),
    };
    const void *data = call->to ?: call->data;
    if (call->to) record.data_bytes = strlen(call->to);
    else if (call->data && result > 0) record.data_bytes = result;
    prctl(PR_GET_NAME, record.thread);
    struct iovec parts[] = {{&record, sizeof record},
                            {(void *)call->path, record.path_bytes},
                            {(void *)data, record.data_bytes}};
    long length = (long)(sizeof record + record.path_bytes + record.data_bytes);
    pthread_mutex_lock(&record_lock);
    if (syscall(SYS_writev, record_fd, parts, 3) != length) stop("the record is cut short");
    pthread_mutex_unlock(&record_lock);
}

__attribute__((constructor)) static void begin(void) {
    const char *watched = getenv("FAULTS_DIR"), *record = getenv("FAULTS_RECORD");
    if (!watched) stop("FAULTS_DIR is not set");
    snprintf(directory, sizeof directory, "%s/", watched);
    directory_bytes = strlen(directory);
    if (record) record_fd = open_log(record);
    rules_path = getenv("FAULTS_RULES");
    if (rules_path) {
        char fired[PATH_MAX];
        snprintf(fired, sizeof fired, "%s.fired", rules_path);
        fired_fd = open_log(fired);
    }
    struct call begins = {.kind = ANY, .path = ""};
    if (record_fd >= 0) write_record(&begins, 0, 0);
}

/* Before a call: whether it is to be made. */
static int enter(struct call *call) {
    if (call->path && rules_path && call->kind != SENT) judge(call);
    call->issued = atomic_fetch_add(&counter, 1);
    return !call->refusal;
}

/* After a call; gives back its result, with errno as it was. */
static long leave(struct call *call, long result) {
    if (call->refusal) {
        errno = call->refusal;
        result = -1;
    }
    if (!call->path) return result;
    int kept = errno;
    uint64_t returned = atomic_fetch_add(&counter, 1);
    if (record_fd >= 0 && call->kind != READ) write_record(call, returned, result < 0 ? -kept : result);
    if (call->last) end_process();
    errno = kept;
    return result;
}

#define MADE(call, real) leave(&(call), enter(&(call)) ? (real) : -1)

/* ---- The calls, as Rust's std, tokio and sled make them. ---- */

static struct call on(enum kind kind, struct file file) {
    return (struct call){.kind = kind, .path = file.path, .inode = file.inode};
}

static long write_at(int fd, const void *data, size_t bytes, int64_t offset, int moves) {
    struct file file = file_of(fd);
    struct call call = {.kind = SENT, .data = data, .bytes = bytes, .inode = file.inode};
    if (file.is == STREAM) call.path = "";
    if (file.is == WATCHED) {
        call = on(WRITE, file);
        call.data = data;
        call.bytes = bytes;
        call.offset = offset;
        if (moves) {
            int append = fcntl(fd, F_GETFL) & O_APPEND;
            call.offset = append ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
        }
    }
    if (moves) return MADE(call, syscall(SYS_write, fd, data, call.bytes));
    return MADE(call, syscall(SYS_pwrite64, fd, data, call.bytes, offset));
}

ssize_t write(int fd, const void *data, size_t bytes) { return write_at(fd, data, bytes, 0, 1); }

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) {
    return write_at(fd, data, bytes, offset, 0);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    return write_at(fd, data, bytes, offset, 0);
}

/* To a file, the first part that isn't empty: whoever calls must expect that. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    struct file file = file_of(fd);
    if (file.is == FOREIGN) return syscall(SYS_writev, fd, parts, count);
    if (file.is == WATCHED) {
        while (count > 1 && parts->iov_len == 0) parts++, count--;
        return write(fd, parts->iov_base, parts->iov_len);
    }
    size_t bytes = 0, filled = 0;
    for (int part = 0; part < count; part++) bytes += parts[part].iov_len;
    char *whole = malloc(bytes ? bytes : 1);
    if (!whole) stop("no memory");
    for (int part = 0; part < count; filled += parts[part++].iov_len)
        memcpy(whole + filled, parts[part].iov_base, parts[part].iov_len);
    struct call call = {.kind = SENT, .path = "", .data = whole, .bytes = bytes, .inode = file.inode};
    long result = MADE(call, syscall(SYS_writev, fd, parts, count));
    int kept = errno;
    free(whole);
    errno = kept;
    return result;
}

ssize_t send(int fd, const void *data, size_t bytes, int flags) {
    struct file file = file_of(fd);
    struct call call = {.kind = SENT, .path = "", .data = data, .bytes = bytes, .inode = file.inode};
    return MADE(call, syscall(SYS_sendto, fd, data, bytes, flags, NULL, 0));
}

static struct call on_open_file(enum kind kind, int fd, int64_t offset) {
    struct file file = file_of(fd);
    struct call call = on(kind, file);
    if (file.is != WATCHED) call.path = NULL;
    call.offset = offset;
    return call;
}

ssize_t read(int fd, void *data, size_t bytes) {
    struct call call = on_open_file(READ, fd, 0);
    return MADE(call, syscall(SYS_read, fd, data, bytes));
}

ssize_t pread64(int fd, void *data, size_t bytes, off64_t offset) {
    struct call call = on_open_file(READ, fd, offset);
    return MADE(call, syscall(SYS_pread64, fd, data, bytes, offset));
}

int fsync(int fd) {
    struct call call = on_open_file(SYNC, fd, 0);
    return (int)MADE(call, syscall(SYS_fsync, fd));
}

int fdatasync(int fd) {
    struct call call = on_open_file(SYNC, fd, 0);
    return (int)MADE(call, syscall(SYS_fdatasync, fd));
}

int sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags) {
    struct call call = on_open_file(RANGE, fd, offset);
    return (int)MADE(call, syscall(SYS_sync_file_range, fd, offset, bytes, flags));
}

int ftruncate64(int fd, off64_t length) {
    struct call call = on_open_file(TRUNCATE, fd, length);
    return (int)MADE(call, syscall(SYS_ftruncate, fd, length));
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

/* Recorded as an open is what made a file, or emptied one: the flags say which. */
static int open_at(int at, const char *path, int flags, mode_t mode) {
    struct stat status;
    struct call call = {.kind = OPEN, .path = below(path), .offset = flags};
    int changes = (flags & O_TRUNC) || ((flags & O_CREAT) && stat(path, &status) != 0);
    int fd = (int)MADE(call, ({
        int opened = (int)syscall(SYS_openat, at, path, flags, mode);
        forget(opened);
        if (opened >= 0) call.inode = file_of(opened).inode;
        if (!changes) call.kind = READ;
        opened;
    }));
    return fd;
}

static mode_t mode_of(int flags, va_list more) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

#define OPENS(name, at, first, ...)                                                              \
    int name(__VA_ARGS__, int flags, ...) {                                                      \
        va_list more;                                                                            \
        va_start(more, flags);                                                                   \
        mode_t mode = mode_of(flags, more);                                                      \
        va_end(more);                                                                            \
        return open_at(at, first, flags, mode);                                                  \
    }
OPENS(open, AT_FDCWD, path, const char *path)
OPENS(open64, AT_FDCWD, path, const char *path)
OPENS(openat, at, path, int at, const char *path)
OPENS(openat64, at, path, int at, const char *path)

int close(int fd) {
    forget(fd);
    return (int)syscall(SYS_close, fd);
}

int rename(const char *from, const char *to) {
    struct call call = {.kind = RENAME, .path = below(from), .to = below(to)};
    return (int)MADE(call, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int unlinkat(int at, const char *path, int flags) {
    struct call call = {.kind = UNLINK, .path = below(path)};
    return (int)MADE(call, syscall(SYS_unlinkat, at, path, flags));
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int mkdir(const char *path, mode_t mode) {
    struct call call = {.kind = MKDIR, .path = below(path)};
    return (int)MADE(call, syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
