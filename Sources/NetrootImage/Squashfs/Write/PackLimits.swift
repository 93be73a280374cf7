import CSquashFS

/// What bounds an image that is written: numbers of the format, and memory.
enum PackLimits {
    /// A file's blocks: with blocks of 1 MiB a file has at most 64 TiB. Each takes 4 bytes of memory, and of the inode table
    /// before that is compressed.
    static let fileBlocks: Int64 = 1 << 26
    /// The blocks of all files: 1 GiB of memory.
    static let allBlocks: Int64 = 1 << 28
    /// The digests that are kept of one file, 32 bytes each.
    static let keptDigests = 1 << 22
    /// `i_count` of `squashfs_ldir_inode` has 16 bits.
    static let indexEntries = 65535

    /// Looks at the sizes before anything is packed.
    /// - Parameter files: nodes of regular files.
    /// - Throws: `PackError.unfit`.
    static func checkBlocks(of files: [Int], in tree: PackTree, blockSize: Int) throws(PackError) {
        var all: Int64 = 0
        for index in files where tree.nodes[index].first == index {
            let size = tree.nodes[index].size
            let blocks = size / Int64(blockSize) + 1
            all += min(blocks, fileBlocks + 1)
            guard size / Int64(blockSize) < fileBlocks, all <= allBlocks else {
                let most = size / Int64(blockSize) < fileBlocks ? allBlocks : fileBlocks
                let whose = most == fileBlocks ? "its" : "with its"
                let sum = most == fileBlocks ? "are more than" : "the tree has more than"
                let next =
                    blockSize < 1 << 20
                    ? "take larger blocks (BLOCK_SIZE or --block-size), or remove the file" : "remove the file"
                throw .unfit(
                    path: tree.display(index),
                    problem: "\(whose) \(size) bytes \(sum) \(most) blocks of \(blockSize) bytes; \(next)")
            }
        }
    }

    /// Leaves out entries of a directory's index, evenly, until their number fits: who looks for a name then reads a longer
    /// part of the listing. libsquashfs 1.2.0 writes them all, and the lower 16 bits of their number.
    static func thinIndex(of inode: UnsafeMutablePointer<sqfs_inode_generic_t>, most: Int = indexEntries) {
        guard inode.pointee.base.type == UInt16(SQFS_INODE_EXT_DIR.rawValue) else { return }
        let fixed = MemoryLayout<sqfs_inode_generic_t>.stride
        let payload = UnsafeMutableRawBufferPointer(
            start: UnsafeMutableRawPointer(inode) + fixed, count: Int(inode.pointee.payload_bytes_used))
        var entries: [Range<Int>] = []
        var at = 0
        while at + 12 <= payload.count {
            // `sqfs_dir_index_t`: the last of its three numbers is the length of the name, less one.
            let end = at + 13 + Int(payload.loadUnaligned(fromByteOffset: at + 8, as: UInt32.self))
            entries.append(at..<end)
            at = end
        }
        guard entries.count > most else { return }
        let step = (entries.count + most - 1) / most
        var used = 0
        var count = 0
        for entry in stride(from: 0, to: entries.count, by: step).map({ entries[$0] }) {
            payload.copy(from: entry, to: used)
            used += entry.count
            count += 1
        }
        inode.pointee.payload_bytes_used = UInt32(used)
        inode.pointee.data.dir_ext.inodex_count = UInt16(count)
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Moves bytes towards the front, also over themselves.
    fileprivate func copy(from range: Range<Int>, to offset: Int) {
        guard let base = baseAddress, offset < range.lowerBound else { return }
        (base + offset).copyMemory(from: base + range.lowerBound, byteCount: range.count)
    }
}
