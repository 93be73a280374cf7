// What Linux has and Swift's Glibc module leaves out. The headers themselves would bring glibc's types a second time.
#include <stddef.h>
// xattr(7)
long llistxattr(const char *path, char *list, size_t size);
long lgetxattr(const char *path, const char *name, void *value, size_t size);
int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags);
// copy_file_range(2); off64_t is long on the 64-bit machines that netroot runs on.
long copy_file_range(int in, long *in_offset, int out, long *out_offset, size_t count, unsigned flags);
