// The libraries of the codecs in which a kernel reads an initramfs (lib/decompress.c of Linux).
#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <zlib.h>
#include <zstd.h>
// A macro that adds the version and the size of the structure.
static inline int gzip_begin(z_stream *stream) { return inflateInit2(stream, 16 + MAX_WBITS); }
