// What Linux has and Swift's Glibc module leaves out. The headers themselves would bring glibc's types a second time.
#include <asm/unistd.h>
// First: with glibc, linux/stat.h leaves out the constants that glibc has.
#include <features.h>
#include <linux/ioctl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stddef.h>
// xattr(7)
long llistxattr(const char *path, char *list, size_t size);
long lgetxattr(const char *path, const char *name, void *value, size_t size);
int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int fremovexattr(int descriptor, const char *name);
// copy_file_range(2); off64_t is long on the 64-bit machines that netroot runs on.
long copy_file_range(int in, long *in_offset, int out, long *out_offset, size_t count, unsigned flags);
// malloc_trim(3): what is free goes back to the system.
int malloc_trim(size_t pad);
// setns(2): the tests make a socket in a network namespace of theirs.
int setns(int descriptor, int kind);
// openat2(2): glibc has no function for it before 2.42, and Swift cannot call syscall(2), which takes any arguments.
long syscall(long number, ...);
static inline int openat2_call(int directory, const char *path, int flags, unsigned mode, unsigned long long resolve) {
    struct open_how how = {
        // Unsigned first: open_how is longer than an int, and refuses bits that it does not know.
        .flags = (unsigned)flags,
        .mode = mode,
        .resolve = resolve,
    };
    return (int)syscall(__NR_openat2, directory, path, &how, sizeof how);
}
// ioctl_iflags(2): what chattr(1) sets. The numbers say long, but the kernel reads and writes an int. linux/fs.h has them,
// and much that glibc has too.
int ioctl(int descriptor, unsigned long request, ...);
static inline int inode_flags_get(int descriptor, unsigned *flags) { return ioctl(descriptor, _IOR('f', 1, long), flags); }
static inline int inode_flags_set(int descriptor, unsigned flags) { return ioctl(descriptor, _IOW('f', 2, long), &flags); }
// statx(2): the flags without opening the file. 0x1100 is AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW.
static inline int inode_attributes(int directory, const char *name, unsigned long long *attributes) {
    struct statx status;
    int result = (int)syscall(__NR_statx, directory, name, 0x1100, 0, &status);
    if (result == 0) *attributes = status.stx_attributes;
    return result;
}
// preadv2(2) with RWF_NOWAIT (8): only what is in memory.
static inline long pread_cached(int file, void *buffer, size_t count, long offset) {
    struct { void *start; size_t count; } part = {buffer, count};
    return syscall(__NR_preadv2, file, &part, 1L, offset, 0L, 8L);
}
// fstatfs(2): `f_type`, the first word; 0 where it fails.
static inline long filesystem_type(int file) {
    long status[32] = {0};
    return syscall(__NR_fstatfs, file, status) == 0 ? status[0] : 0;
}
// statx(2): `stx_btime` in nanoseconds since 1970; 0 where the filesystem does not know it.
static inline unsigned long long birth_time(int file) {
    union {
        unsigned mask;
        struct { char before[80]; long long seconds; unsigned nanoseconds; } birth;
        char all[256];
    } status = {0};
    const unsigned wanted = 0x800; // STATX_BTIME
    const int self = 0x1000; // AT_EMPTY_PATH
    if (syscall(__NR_statx, file, "", self, wanted, &status) != 0 || !(status.mask & wanted)) return 0;
    return (unsigned long long)status.birth.seconds * 1000000000ULL + status.birth.nanoseconds;
}
