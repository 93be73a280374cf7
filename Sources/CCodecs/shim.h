// The libraries of the codecs in which a kernel reads an initramfs (lib/decompress.c of Linux).
#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <zlib.h>
#include <zstd.h>
// A macro that adds the version and the size of the structure.
static inline int gzip_begin(z_stream *stream) { return inflateInit2(stream, 16 + MAX_WBITS); }
// A macro, too. Raw deflate, without header and sum.
static inline int deflate_begin(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
}
