/*
 * Runs a command and lets its Nth system call go wrong.
 *
 *   inject LOG FAULT N COMMAND...
 *
 * Counted are the calls of the table below that FAULT can befall, over all threads, from the beginning of the program
 * itself: what the loader does before is left alone, and so is standard error. Every path to the kernel is met this way,
 * through libc or not, and the program needs no hook.
 *
 * FAULT is
 *   error      the call is not made and fails: reading and removing with EIO, writing with ENOSPC, opening with EMFILE;
 *              of regular files, closing fails with ENOSPC, but is done, as network file systems and quotas do it
 *   full       a call that needs room on the disk fails with ENOSPC, and so do all later ones
 *   readonly   a call that changes what is on a disk fails with EROFS, and so do all later ones
 *   memory     the system gives no memory, now and later
 *   interrupt  the call is not made and fails with EINTR
 *   short      the call moves one byte
 *   hangup     a write to a pipe is not made and fails with EPIPE
 *   term, kill the call is made when SIGTERM or SIGKILL has been sent
 *   run        the call is made when the shell command $INJECT_RUN has ended
 *
 * If $INJECT_BARE is set, file systems can do no more than they must: there are neither hard links nor files without a name,
 * renaming cannot spare or exchange what is there, and the kernel copies nothing.
 *
 * LOG is left with the name of the call, or empty if there were fewer than N. The exit status is the command's, 128 more
 * than the signal's number if one ended it, 125 if this program failed. x86-64 Linux 5.3 or later.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>

#ifndef __x86_64__
#error "the registers are those of x86-64"
#endif

#define REGISTER(name) offsetof(struct user_regs_struct, name)
#define DIE(what) (perror("inject: " what), exit(125))

struct call {
  long number;
  const char *name;
  int error;       /* how it fails; 0 if it does not */
  bool interrupts; /* whether a signal may end it early */
  size_t size;     /* the register with the number of bytes to move; 0 if it moves none */
  bool changes;    /* whether it changes what is on a disk, if it is a regular file's */
  int bare;        /* how it fails where file systems can do no more than they must; 0 if it does not */
};

static const struct call calls[] = {
    {SYS_read, "read", EIO, true, REGISTER(rdx)},
    {SYS_pread64, "pread64", EIO, true, REGISTER(rdx)},
    {SYS_recvfrom, "recvfrom", 0, false, 0},
    {SYS_getdents64, "getdents64", EIO, false, 0},
    {SYS_lseek, "lseek", EIO, false, 0},
    {SYS_stat, "stat", EIO, false, 0},
    {SYS_fstat, "fstat", EIO, false, 0},
    {SYS_newfstatat, "newfstatat", EIO, false, 0},
    {SYS_statx, "statx", EIO, false, 0},
    {SYS_readlink, "readlink", EIO, false, 0},
    {SYS_getcwd, "getcwd", ENOENT, false, 0},
    {SYS_write, "write", ENOSPC, true, REGISTER(rdx), .changes = true},
    {SYS_pwrite64, "pwrite64", ENOSPC, true, REGISTER(rdx), .changes = true},
    {SYS_writev, "writev", ENOSPC, true, 0, .changes = true},
    {SYS_copy_file_range, "copy_file_range", ENOSPC, true, REGISTER(r8), .changes = true, .bare = EOPNOTSUPP},
    {SYS_sendfile, "sendfile", ENOSPC, true, REGISTER(r10), .changes = true, .bare = EINVAL},
    {SYS_splice, "splice", ENOSPC, true, REGISTER(r8), .changes = true, .bare = EINVAL},
    {SYS_fallocate, "fallocate", ENOSPC, true, 0, .changes = true, .bare = EOPNOTSUPP},
    {SYS_ftruncate, "ftruncate", ENOSPC, true, 0, .changes = true},
    {SYS_mkdir, "mkdir", ENOSPC, false, 0, .changes = true},
    {SYS_mkdirat, "mkdirat", ENOSPC, false, 0, .changes = true},
    {SYS_link, "link", ENOSPC, false, 0, .changes = true, .bare = EPERM},
    {SYS_linkat, "linkat", ENOSPC, false, 0, .changes = true, .bare = EPERM},
    {SYS_rename, "rename", ENOSPC, false, 0, .changes = true},
    {SYS_renameat, "renameat", ENOSPC, false, 0, .changes = true},
    {SYS_renameat2, "renameat2", ENOSPC, false, 0, .changes = true, .bare = EINVAL},
    {SYS_open, "open", EMFILE, true, 0, .changes = true},
    {SYS_openat, "openat", EMFILE, true, 0, .changes = true, .bare = EOPNOTSUPP},
    {SYS_dup, "dup", EMFILE, false, 0},
    {SYS_fcntl, "fcntl", EMFILE, false, 0},
    {SYS_pipe2, "pipe2", EMFILE, false, 0},
    {SYS_socketpair, "socketpair", EMFILE, false, 0},
    {SYS_clone3, "clone3", EAGAIN, false, 0},
    {SYS_poll, "poll", ENOMEM, true, 0},
    {SYS_mmap, "mmap", ENOMEM, false, 0},
    {SYS_brk, "brk", ENOMEM, false, 0},
    {SYS_close, "close", ENOSPC, false, 0},
    {SYS_unlink, "unlink", EIO, false, 0, .changes = true},
    {SYS_unlinkat, "unlinkat", EIO, false, 0, .changes = true},
    {SYS_rmdir, "rmdir", EIO, false, 0, .changes = true},
};

/* Registers to set when the present call of a thread returns: the result of one that is not made; an argument that was
   changed, because programs rely on the kernel to leave those alone. */
static struct {
  pid_t thread;
  size_t where;
  long value;
} owed[64];

/* Makes this process, and whatever it becomes, stop at the calls of the table and where the program begins: to stop at every
   call would take most of the time. */
static void announce_calls(void) {
  enum { COUNT = sizeof calls / sizeof *calls };
  struct sock_filter code[2 * COUNT + 4], *next = code;
  *next++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i <= COUNT; i++) {
    *next++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i < COUNT ? calls[i].number : SYS_sigaltstack, 0, 1);
    *next++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
  }
  *next++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog filter = {next - code, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) DIE("privileges");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) DIE("filter");
}

static const struct call *find(unsigned long number) {
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
    if ((unsigned long)calls[i].number == number) return &calls[i];
  return NULL;
}

/* The type of an open file, as in the mode of `struct stat`; 0 if it is not open. */
static mode_t type_of(pid_t thread, unsigned long descriptor) {
  char link[64];
  struct stat found;
  snprintf(link, sizeof link, "/proc/%d/fd/%lu", thread, descriptor);
  return stat(link, &found) == 0 ? found.st_mode & S_IFMT : 0;
}

/* The descriptor that the call writes to or closes; -1 if it does neither. */
static unsigned long descriptor(const struct call *call, const unsigned long long *args) {
  switch (call->number) {
    case SYS_copy_file_range:
    case SYS_splice:
      return args[2];
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_sendfile:
    case SYS_fallocate:
    case SYS_ftruncate:
    case SYS_close:
      return args[0];
    default:
      return -1UL;
  }
}

static unsigned long opening(const struct call *call, const unsigned long long *args) {
  return call->number == SYS_open ? args[1] : call->number == SYS_openat ? args[2] : 0;
}

/* Whether a disk that cannot be changed refuses the call. */
static bool changes(pid_t thread, const struct call *call, const unsigned long long *args) {
  unsigned long to = descriptor(call, args);
  if (!call->changes) return false;
  if (call->number == SYS_open || call->number == SYS_openat) return opening(call, args) & (O_ACCMODE | O_CREAT);
  return to == -1UL || type_of(thread, to) == S_IFREG;
}

/* How the call fails where file systems can do no more than they must; 0 if it does not. */
static int fails_on_bare(const struct call *call, const unsigned long long *args) {
  return call->number != SYS_openat || (opening(call, args) & O_TMPFILE) == O_TMPFILE ? call->bare : 0;
}

/* The error that `fault` makes of the call; 0 if it lets the call be made, -1 if it does not befall it. */
static int befalls(const char *fault, pid_t thread, const struct call *call, const unsigned long long *args) {
  bool allocates = call->number == SYS_mmap || call->number == SYS_brk;
  if (strcmp(fault, "memory") == 0) return allocates ? ENOMEM : -1;
  if (allocates) return -1;
  if (strcmp(fault, "readonly") == 0) return changes(thread, call, args) ? EROFS : -1;
  bool fails = call->error != 0 && (call->number != SYS_close || type_of(thread, args[0]) == S_IFREG);
  if (strcmp(fault, "error") == 0) return fails ? call->error : -1;
  if (strcmp(fault, "full") == 0) return fails && call->error == ENOSPC ? ENOSPC : -1;
  if (strcmp(fault, "interrupt") == 0) return call->interrupts ? EINTR : -1;
  if (strcmp(fault, "hangup") == 0) {
    bool is_write = call->number == SYS_write || call->number == SYS_sendfile || call->number == SYS_splice;
    return is_write && type_of(thread, descriptor(call, args)) == S_IFIFO ? EPIPE : -1;
  }
  if (strcmp(fault, "short") == 0) {
    bool moves_more = call->size != 0 && (unsigned long)ptrace(PTRACE_PEEKUSER, thread, call->size, 0) > 1;
    return moves_more ? 0 : -1;
  }
  return 0;
}

static void set(pid_t thread, size_t where, long value) {
  if (ptrace(PTRACE_POKEUSER, thread, where, value) < 0 && errno != ESRCH) DIE("poke");
}

static void owe(pid_t thread, size_t where, long value) {
  for (size_t i = 0; i < sizeof owed / sizeof *owed; i++) {
    if (owed[i].thread != 0) continue;
    owed[i].thread = thread;
    owed[i].where = where;
    owed[i].value = value;
    return;
  }
  DIE("too many threads");
}

static bool owes(pid_t thread) {
  for (size_t i = 0; i < sizeof owed / sizeof *owed; i++)
    if (owed[i].thread == thread) return true;
  return false;
}

static void pay(pid_t thread) {
  for (size_t i = 0; i < sizeof owed / sizeof *owed; i++) {
    if (owed[i].thread != thread) continue;
    set(thread, owed[i].where, owed[i].value);
    owed[i].thread = 0;
  }
}

/* Lets the call fail. One that closes is made, as file systems do it: nobody will try it again. */
static void fail(pid_t thread, const struct call *call, int error) {
  if (call->number != SYS_close) set(thread, REGISTER(orig_rax), -1);
  owe(thread, REGISTER(rax), -error);
}

static void shorten(pid_t thread, size_t where) {
  owe(thread, where, ptrace(PTRACE_PEEKUSER, thread, where, 0));
  set(thread, where, 1);
}

/* Does `fault` to a call that is about to be made. */
static void strike(const char *fault, pid_t process, pid_t thread, const struct call *call, int error) {
  if (error > 0) fail(thread, call, error);
  if (strcmp(fault, "short") == 0) shorten(thread, call->size);
  if (strcmp(fault, "term") == 0) kill(process, SIGTERM);
  if (strcmp(fault, "kill") == 0) kill(process, SIGKILL);
  if (strcmp(fault, "run") == 0 && system(getenv("INJECT_RUN")) != 0) DIE("$INJECT_RUN");
}

int main(int argc, char **argv) {
  if (argc < 5) return fprintf(stderr, "usage: inject LOG FAULT N COMMAND...\n"), 125;
  const char *fault = argv[2];
  long wanted = atol(argv[3]), met = 0;
  bool began = false, lasts = false, is_bare = getenv("INJECT_BARE") != NULL;
  FILE *log = fopen(argv[1], "we");
  if (log == NULL) DIE("log");

  pid_t process = fork();
  if (process < 0) DIE("fork");
  if (process == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    announce_calls();
    execvp(argv[4], argv + 4);
    DIE("exec");
  }
  int status;
  long options =
      PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (waitpid(process, &status, 0) < 0 || !WIFSTOPPED(status)) DIE("wait");
  if (ptrace(PTRACE_SETOPTIONS, process, 0, options) < 0) DIE("trace");
  ptrace(PTRACE_CONT, process, 0, 0);

  for (;;) {
    pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) DIE("wait");
    if (thread == process && WIFEXITED(status)) return WEXITSTATUS(status);
    if (thread == process && WIFSIGNALED(status)) return 128 + WTERMSIG(status);
    if (!WIFSTOPPED(status)) continue;

    int signal = WSTOPSIG(status);
    if (status >> 8 != (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
      bool is_return = signal == (SIGTRAP | 0x80);
      if (is_return) pay(thread);
      /* Threads begin with a stop, and events are one; all else is for the program. */
      ptrace(PTRACE_CONT, thread, 0, is_return || signal == SIGSTOP || signal == SIGTRAP ? 0 : signal);
      continue;
    }
    struct ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) < 0) continue; /* killed meanwhile */
    if (!began) {
      /* Rust's runtime makes a stack for signals right before `main`; the loader never does. */
      began = info.seccomp.nr == SYS_sigaltstack;
    } else {
      const struct call *call = find(info.seccomp.nr);
      const unsigned long long *args = (const unsigned long long *)info.seccomp.args;
      bool is_message = call != NULL && call->number == SYS_write && args[0] == STDERR_FILENO;
      int bare = is_bare && call != NULL ? fails_on_bare(call, args) : 0;
      int error = call == NULL || is_message || bare != 0 ? -1 : befalls(fault, thread, call, args);
      if (bare != 0) {
        fail(thread, call, bare);
      } else if (error >= 0 && ++met == wanted) {
        fprintf(log, "%s", call->name);
        fflush(log);
        lasts = strcmp(fault, "full") == 0 || strcmp(fault, "memory") == 0 || strcmp(fault, "readonly") == 0;
        strike(fault, process, thread, call, error);
      } else if (lasts && error > 0) {
        fail(thread, call, error);
      }
    }
    ptrace(owes(thread) ? PTRACE_SYSCALL : PTRACE_CONT, thread, 0, 0);
  }
}
