import Glibc

/// Paths of directories, for MNT.
extension TreeState {
    /// The directory that a path leads to from the root, as the client's own root would resolve it: a symlink leads
    /// nowhere outside.
    mutating func directory(at names: [[UInt8]], now: UInt32) throws(NFSStatus) -> UInt32 {
        var rest = Array(names.reversed())
        var index = FileTable.root
        var links = 0
        try validate(index, now: now)
        while let name = rest.popLast() {
            if name == [0x2E, 0x2E] {
                index = table.nodes[Int(index)].parent
                continue
            }
            guard name.count <= NFSv3.nameLimit else { throw .nameTooLong }
            let record = try directory(index, now: now)
            guard let entry = name.withUnsafeBytes({ table.lookup($0, in: record) }) else { throw .noEntry }
            do throws(NFSStatus) {
                try validate(entry, in: index, now: now)
            } catch {
                throw error == .stale ? .noEntry : error
            }
            guard NFSFileType(mode: UInt32(table.nodes[Int(entry.node)].mode)) == .symlink else {
                index = entry.node
                continue
            }
            links += 1
            guard links <= Self.linkLimit else { throw .noEntry }
            let target = try target(of: entry.node)
            if target.first == 0x2F { index = FileTable.root }
            rest += MountPath(target).names.reversed()
            // As many names as a path of the longest length has.
            guard rest.count <= Int(PATH_MAX) / 2 else { throw .nameTooLong }
        }
        guard table.nodes[Int(index)].directory != FileTable.none else { throw .notDirectory }
        return index
    }

    /// As the kernel: `MAXSYMLINKS`.
    private static let linkLimit = 40

    private mutating func target(of index: UInt32) throws(NFSStatus) -> [UInt8] {
        let space = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(PATH_MAX), alignment: 1)
        defer { space.deallocate() }
        let count = try readLink(index, into: space)
        return Array(space.prefix(count))
    }
}
