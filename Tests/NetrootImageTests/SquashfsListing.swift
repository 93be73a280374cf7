import Glibc
import NetrootSystem

@testable import NetrootImage

/// All that a reader finds in an image: attributes and contents by path.
struct SquashfsListing {
    struct Item: Equatable {
        var inode: SquashfsInode
        var target: [UInt8]?
        var xattrs: [[UInt8]: [UInt8]]
    }

    var items: [[UInt8]: Item] = [:]

    init(_ reader: SquashfsReader) throws {
        try reader.scan { directory in
            if items.isEmpty { items[[]] = try item(directory.inode) }
            for entry in directory.entries { items[directory.path + [0x2F] + entry.name] = try item(entry.inode) }
        }
        func item(_ inode: SquashfsInode) throws -> Item {
            let xattrs = try reader.xattrs(of: inode).map { ($0.name, $0.value) }
            return Item(
                inode: inode, target: inode.type == .symlink ? try reader.symlinkTarget(inode.reference) : nil,
                xattrs: Dictionary(xattrs) { first, _ in first })
        }
    }
}

extension SquashfsReader {
    /// A file's bytes, read piece by piece.
    func contents(_ inode: SquashfsInode, piece: Int = 1 << 20, limit: Int = 64 << 20) throws -> [UInt8] {
        let file = try file(inode.reference)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0xEE, count: piece)
        while bytes.count < limit {
            let count = try buffer.withUnsafeMutableBytes { try read(file, at: UInt64(bytes.count), into: $0) }
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }
}
