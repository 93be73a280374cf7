import CSquashFS
import Glibc

/// libsquashfs' file (`sqfs/io.h`) on a descriptor of ours: its own opens a path, and what has the path may have become
/// another file. For one thread; of a failure `errno` says more.
enum DescriptorFile {
    /// What libsquashfs sees, and behind it what is ours.
    private struct Layout {
        var file: sqfs_file_t
        var descriptor: Int32
        var size: UInt64
    }

    /// The descriptor, of an empty file, stays the caller's. `destroy` frees the memory.
    static func make(_ descriptor: Int32) -> UnsafeMutablePointer<sqfs_file_t> {
        let made = UnsafeMutablePointer<Layout>.allocate(capacity: 1)
        var file = sqfs_file_t()
        file.base.destroy = { object in
            guard let object else { return }
            UnsafeMutableRawPointer(object).assumingMemoryBound(to: Layout.self).deallocate()
        }
        // No copies of a file that is written (`sqfs/io.h`).
        file.base.copy = { _ in nil }
        file.read_at = { file, offset, buffer, count in
            guard let file, let buffer else { return SQFS_ERROR_ARG_INVALID.rawValue }
            var done = 0
            while done < count {
                let part = pread(
                    DescriptorFile.layout(file).pointee.descriptor, buffer + done, count - done,
                    off_t(truncatingIfNeeded: offset) + done)
                if part < 0, errno == EINTR { continue }
                guard part != 0 else { return SQFS_ERROR_OUT_OF_BOUNDS.rawValue }
                guard part > 0 else { return SQFS_ERROR_IO.rawValue }
                done += part
            }
            return 0
        }
        file.write_at = { file, offset, buffer, count in
            guard let file else { return SQFS_ERROR_ARG_INVALID.rawValue }
            return DescriptorFile.write(DescriptorFile.layout(file), offset, buffer, count)
        }
        file.get_size = { file in
            guard let file else { return 0 }
            return UnsafeRawPointer(file).assumingMemoryBound(to: Layout.self).pointee.size
        }
        file.truncate = { file, size in
            guard let file else { return SQFS_ERROR_ARG_INVALID.rawValue }
            let layout = DescriptorFile.layout(file)
            guard ftruncate(layout.pointee.descriptor, off_t(truncatingIfNeeded: size)) == 0 else {
                return SQFS_ERROR_IO.rawValue
            }
            layout.pointee.size = size
            return 0
        }
        made.initialize(to: Layout(file: file, descriptor: descriptor, size: 0))
        return UnsafeMutableRawPointer(made).assumingMemoryBound(to: sqfs_file_t.self)
    }

    static func destroy(_ file: UnsafeMutablePointer<sqfs_file_t>) { sqfs_destroy(file) }

    private static func layout(_ file: UnsafeMutablePointer<sqfs_file_t>) -> UnsafeMutablePointer<Layout> {
        UnsafeMutableRawPointer(file).assumingMemoryBound(to: Layout.self)
    }

    private static func write(
        _ layout: UnsafeMutablePointer<Layout>, _ offset: UInt64, _ buffer: UnsafeRawPointer?, _ count: Int
    ) -> Int32 {
        guard count > 0 else { return 0 }
        guard let buffer else { return SQFS_ERROR_ARG_INVALID.rawValue }
        var done = 0
        while done < count {
            let part = pwrite(
                layout.pointee.descriptor, buffer + done, count - done, off_t(truncatingIfNeeded: offset) + done)
            if part < 0, errno == EINTR { continue }
            if part == 0 { errno = ENOSPC }
            guard part > 0 else { return SQFS_ERROR_IO.rawValue }
            done += part
        }
        layout.pointee.size = max(layout.pointee.size, offset + UInt64(count))
        return 0
    }
}
