#include <sqfs/block.h>
#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/compressor.h>
#include <sqfs/data_reader.h>
#include <sqfs/dir.h>
#include <sqfs/dir_reader.h>
#include <sqfs/dir_writer.h>
#include <sqfs/error.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/meta_reader.h>
#include <sqfs/meta_writer.h>
#include <sqfs/predef.h>
#include <sqfs/super.h>
#include <sqfs/table.h>
#include <sqfs/xattr.h>
#include <sqfs/xattr_reader.h>
#include <sqfs/xattr_writer.h>
// xattr(7): Glibc's module leaves it out, and <sys/xattr.h> here would bring glibc's types a second time.
#include <stddef.h>
long llistxattr(const char *path, char *list, size_t size);
long lgetxattr(const char *path, const char *name, void *value, size_t size);
int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags);
// copy_file_range(2), which Glibc's module leaves out too; off64_t is long on the 64-bit machines that netroot runs on.
long copy_file_range(int in, long *in_offset, int out, long *out_offset, size_t count, unsigned flags);
