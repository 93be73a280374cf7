import Glibc
import NetrootSystem

/// An open file that is read as it was listed, or not at all.
final class PackSource {
    let node: PackNode
    let index: Int
    private let descriptor: Int32
    private let tree: PackTree
    /// The hole that was found last: a file of 292 GB may be one, and has millions of blocks.
    private var hole: Range<Int64> = 0..<0

    /// - Parameter descriptor: open as long as this is used; it stays the caller's.
    init(descriptor: Int32, node: PackNode, index: Int, tree: PackTree) {
        self.descriptor = descriptor
        self.node = node
        self.index = index
        self.tree = tree
    }

    /// Fills a buffer.
    /// - Throws: `PackError.changed` where the file is too short, `SystemError`.
    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int64) throws {
        var done = 0
        while done < bytes.count {
            let count = pread(
                descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset) + done)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemError("read", tree.display(index), code: errno) }
            guard count > 0 else { throw PackError.changed(path: tree.display(index)) }
            done += count
        }
    }

    /// Whether nothing is stored of a range: a disk image's holes are not worth reading.
    func isHole(from offset: Int64, count: Int) throws -> Bool {
        guard node.hasHoles else { return false }
        let end = offset + Int64(count)
        if hole.lowerBound <= offset, end <= hole.upperBound { return true }
        let data = lseek(descriptor, off_t(offset), seekData)
        if data >= 0 {
            hole = offset..<max(offset, Int64(data))
            return end <= hole.upperBound
        }
        // ENXIO: no data up to the end, or the file has become shorter.
        guard errno == ENXIO else { return false }
        try checkUnchanged()
        hole = offset..<max(offset, node.size)
        return true
    }

    /// - Returns: whether the change time is as listed, too.
    /// - Throws: `PackError.changed` where size, time or identity are not as listed.
    @discardableResult
    func checkUnchanged() throws -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_ino == node.inode, Int64(status.st_size) == node.size,
            status.st_mtim.tv_sec == node.mtime.tv_sec, status.st_mtim.tv_nsec == node.mtime.tv_nsec
        else { throw PackError.changed(path: tree.display(index)) }
        return status.st_ctim.tv_sec == node.ctime.tv_sec && status.st_ctim.tv_nsec == node.ctime.tv_nsec
    }
}

/// Opens files of a tree; keeps the directory of the last one open.
final class PackOpener {
    private let tree: PackTree
    private var directory = (index: -1, descriptor: Int32(-1))

    init(_ tree: PackTree) { self.tree = tree }

    deinit { leave() }

    /// Calls `body` with an open file.
    /// - Throws: what `body` throws; `PackError.vanished`, `SystemError`.
    func with<R>(_ index: Int, _ body: (PackSource) throws -> R) throws -> R {
        let node = tree.nodes[index]
        if directory.index != node.parent {
            leave()
            directory = (node.parent, try tree.open(directory: node.parent))
        }
        let descriptor = try tree.open(file: index, in: directory.descriptor)
        defer { close(descriptor) }
        return try body(PackSource(descriptor: descriptor, node: node, index: index, tree: tree))
    }

    private func leave() {
        if directory.descriptor >= 0 { close(directory.descriptor) }
        directory = (-1, -1)
    }
}

/// `SEEK_DATA` (lseek(2)): Glibc's module leaves it out.
private let seekData: Int32 = 3
