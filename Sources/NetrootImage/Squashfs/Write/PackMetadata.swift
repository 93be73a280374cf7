import CSquashFS
import Glibc
import NetrootConfig

/// Writes inodes, directories and tables behind the data, by libsquashfs' writers.
final class PackMetadata {
    private let tree: PackTree
    private let contents: PackContents
    private let stream: BlockStream
    private let output: SquashfsOutput
    private let latest: UInt32?
    private let compressor: BlockCompressor
    private let inodes: OpaquePointer
    private let listings: OpaquePointer
    private let directories: OpaquePointer
    private let ids: OpaquePointer
    /// Where an owner is in `ids`, which libsquashfs searches from the first to the last: with 65535 of them too slow for
    /// each file.
    private var owners: [UInt32: UInt16] = [:]
    /// By node, of the first name of a file: its inode number, and where its inode is.
    private var numbers: [UInt32]
    private var references: [UInt64]
    /// Inodes of directories whose listing is written, by node.
    private var pending: [Int: UnsafeMutablePointer<sqfs_inode_generic_t>] = [:]
    private let inode: PackInode

    /// - Parameter latest: times are clamped to this, in seconds since 1970.
    init(
        tree: PackTree, contents: PackContents, stream: BlockStream, compressor: BlockCompressor, latest: UInt32?
    ) throws {
        self.tree = tree
        self.contents = contents
        self.stream = stream
        self.compressor = compressor
        self.latest = latest
        output = stream.output
        inodes = try output.check(sqfs_meta_writer_create(output.file, compressor.metadata, 0))
        listings = try output.check(
            sqfs_meta_writer_create(
                output.file, compressor.metadata, UInt32(SQFS_META_WRITER_KEEP_IN_MEMORY.rawValue)))
        directories = try output.check(
            sqfs_dir_writer_create(listings, UInt32(SQFS_DIR_WRITER_CREATE_EXPORT_TABLE.rawValue)))
        ids = try output.check(sqfs_id_table_create(0))
        numbers = [UInt32](repeating: 0, count: tree.nodes.count)
        references = [UInt64](repeating: 0, count: tree.nodes.count)
        inode = PackInode()
    }

    deinit {
        for inode in pending.values { sqfs_free(inode) }
        for object in [directories, inodes, listings, ids] { sqfs_destroy(UnsafeMutableRawPointer(object)) }
    }

    /// Writes everything behind the data and fills in the superblock.
    /// - Throws: `PackError`, `SystemError`.
    func write(xattrs: PackXattrs, super superblock: inout sqfs_super_t) throws {
        let order = directoriesChildrenFirst()
        let count = number(order)
        superblock.inode_count = count
        superblock.inode_table_start = output.size
        for directory in order {
            for child in tree.nodes[directory].content where references[tree.nodes[child].first] == 0 {
                try writeInode(tree.nodes[child].first)
            }
            try writeListing(directory, parent: directory == 0 ? count + 1 : numbers[tree.nodes[directory].parent])
        }
        try writeInode(0)

        superblock.root_inode_ref = references[0] - 1
        try output.check("write", sqfs_meta_writer_flush(inodes))
        try output.check("write", sqfs_meta_writer_flush(listings))
        superblock.directory_table_start = output.size
        try output.check("write", sqfs_meta_write_write_to_file(listings))
        let compressor = compressor.metadata
        try output.check("write", sqfs_frag_table_write(stream.fragments, output.file, &superblock, compressor))
        try output.check(
            "write",
            sqfs_dir_writer_write_export_table(
                directories, output.file, compressor, numbers[0], superblock.root_inode_ref, &superblock))
        try output.check("write", sqfs_id_table_write(ids, output.file, &superblock, compressor))
        if !xattrs.isEmpty {
            try output.check("write", sqfs_xattr_writer_flush(xattrs.writer, output.file, &superblock, compressor))
        }
    }

    /// The time of a file as an inode has it.
    static func time(_ node: PackNode, latest: UInt32?) -> UInt32 {
        min(SquashfsTime.seconds(node.mtime.tv_sec), latest ?? .max)
    }

    private func directoriesChildrenFirst() -> [Int] {
        var order: [Int] = []
        var stack = [0]
        while let directory = stack.popLast() {
            order.append(directory)
            stack.append(contentsOf: tree.nodes[directory].content.filter { tree.nodes[$0].isDirectory })
        }
        return order.reversed()
    }

    /// The entries of a directory one after the other: their differences are what is stored.
    /// - Returns: how many there are.
    private func number(_ order: [Int]) -> UInt32 {
        var count: UInt32 = 0
        for directory in order {
            for child in tree.nodes[directory].content where numbers[tree.nodes[child].first] == 0 {
                count += 1
                numbers[tree.nodes[child].first] = count
            }
        }
        numbers[0] = count + 1
        return count + 1
    }

    private func writeListing(_ directory: Int, parent: UInt32) throws {
        let node = tree.nodes[directory]
        try checkPlace(in: listings, directory, "entries")
        try output.check("write", sqfs_dir_writer_begin(directories, 0))
        var subdirectories: UInt32 = 0
        for child in node.content {
            let first = tree.nodes[child].first
            if tree.nodes[child].isDirectory { subdirectories += 1 }
            let code = tree.withName(child) {
                sqfs_dir_writer_add_entry(
                    directories, $0, numbers[first], references[first] - 1,
                    UInt16(truncatingIfNeeded: tree.nodes[child].mode))
            }
            try output.check("write", code)
        }
        try output.check("write", sqfs_dir_writer_end(directories))
        // `squashfs_ldir_inode` has 32 bits for it, and counts three for `.` and `..`.
        guard sqfs_dir_writer_get_size(directories) <= Int(UInt32.max) - 3 else {
            throw PackError.unfit(
                path: tree.display(directory), problem: "the names of its entries take more than 4 GiB")
        }
        let made = try output.check(sqfs_dir_writer_create_inode(directories, 0, node.xattrs, parent))
        PackLimits.thinIndex(of: made)
        // libsquashfs counts every entry; a kernel shows what is here, and tools take links - 2 for the subdirectories.
        if made.pointee.base.type == UInt16(SQFS_INODE_EXT_DIR.rawValue) {
            made.pointee.data.dir_ext.nlink = subdirectories + 2
        } else {
            made.pointee.data.dir.nlink = subdirectories + 2
        }
        pending[directory] = made
    }

    private func writeInode(_ index: Int) throws {
        let node = tree.nodes[index]
        var base = sqfs_inode_t()
        base.mode = UInt16(node.mode & 0o7777)
        base.mod_time = Self.time(node, latest: latest)
        base.inode_number = numbers[index]
        base.uid_idx = try owner(node.uid)
        base.gid_idx = try owner(node.gid)
        // One more than it is: 0 stands for an inode that is not written yet.
        references[index] = try checkPlace(in: inodes, index, "inodes") + 1
        if let made = pending.removeValue(forKey: index) {
            defer { sqfs_free(made) }
            base.type = made.pointee.base.type
            made.pointee.base = base
            try output.check("write", sqfs_meta_writer_write_inode(inodes, made))
        } else {
            let file = file(index)
            inode.fill(node, base: base, tree: tree, file: file)
            try output.check("write", sqfs_meta_writer_write_inode(inodes, inode.pointer))
            try writeSizes(file.blocks)
        }
    }

    /// Writes the sizes of a file's blocks, which follow its inode. libsquashfs 1.2.0 does it with a copy on the stack, which
    /// a file of 292 GB overruns (`write_block_sizes`, alloca).
    private func writeSizes(_ blocks: Range<Int>) throws {
        var rest = stream.sizes[blocks]
        while !rest.isEmpty {
            try rest.prefix(2048).map(\.littleEndian).withUnsafeBytes { bytes in
                _ = try output.check("write", sqfs_meta_writer_append(inodes, bytes.baseAddress, bytes.count))
            }
            rest = rest.dropFirst(2048)
        }
    }

    /// Where an owner is in the table of owners.
    private func owner(_ number: UInt32) throws -> UInt16 {
        if let known = owners[number] { return known }
        var index: UInt16 = 0
        try output.check("write the owners of", sqfs_id_table_id_to_index(ids, number, &index))
        owners[number] = index
        return index
    }

    /// Where a table's next bytes are, as an inode reference has it (`sqfs/inode.h`): 48 bits, of which 32 are for the block.
    /// - Throws: `PackError.unfit` where they do not suffice.
    @discardableResult
    private func checkPlace(in table: OpaquePointer, _ index: Int, _ what: String) throws -> UInt64 {
        var block: UInt64 = 0
        var offset: UInt32 = 0
        sqfs_meta_writer_get_position(table, &block, &offset)
        guard block <= UInt64(UInt32.max) else {
            throw PackError.unfit(
                path: tree.display(index), problem: "the \(what) of what comes before it take more than 4 GiB")
        }
        return block << 16 | UInt64(offset)
    }

    private func file(_ index: Int) -> PackedFile {
        tree.nodes[index].isRegular ? stream.files[contents.fileOf[index]] : PackedFile()
    }
}

/// An inode as libsquashfs wants it, in memory that is used again and grows.
final class PackInode {
    private(set) var pointer: UnsafeMutablePointer<sqfs_inode_generic_t>
    private var capacity = 0
    private static let fixed = MemoryLayout<sqfs_inode_generic_t>.stride

    init() { pointer = Self.allocate(0) }

    deinit { UnsafeMutableRawPointer(pointer).deallocate() }

    private static func allocate(_ payload: Int) -> UnsafeMutablePointer<sqfs_inode_generic_t> {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: fixed + payload, alignment: 16)
        return memory.initializeMemory(as: sqfs_inode_generic_t.self, repeating: sqfs_inode_generic_t(), count: 1)
    }

    /// Fills in anything but a directory, and of a file not the sizes of its blocks.
    func fill(_ node: PackNode, base: sqfs_inode_t, tree: PackTree, file: PackedFile) {
        let isExtended = node.xattrs != .max
        var filled = sqfs_inode_generic_t()
        filled.base = base
        let type: SQFS_INODE_TYPE
        switch mode_t(node.type) {
        case S_IFREG:
            pointer.pointee = filled
            return fillFile(node, file)
        case S_IFLNK:
            type = isExtended ? SQFS_INODE_EXT_SLINK : SQFS_INODE_SLINK
            filled.data.slink_ext.nlink = node.links
            filled.data.slink_ext.target_size = UInt32(node.content.count)
            filled.data.slink_ext.xattr_idx = node.xattrs
            tree.bytes[node.content].withUnsafeBytes { put($0, &filled) }
        case S_IFCHR, S_IFBLK:
            let isBlock = mode_t(node.type) == S_IFBLK
            type =
                isBlock
                ? (isExtended ? SQFS_INODE_EXT_BDEV : SQFS_INODE_BDEV)
                : (isExtended ? SQFS_INODE_EXT_CDEV : SQFS_INODE_CDEV)
            filled.data.dev_ext.nlink = node.links
            // Both glibc and squashfs: major in bits 8 to 19, minor around it.
            filled.data.dev_ext.devno = node.device
            filled.data.dev_ext.xattr_idx = node.xattrs
        default:
            let isFifo = mode_t(node.type) == S_IFIFO
            type =
                isFifo
                ? (isExtended ? SQFS_INODE_EXT_FIFO : SQFS_INODE_FIFO)
                : (isExtended ? SQFS_INODE_EXT_SOCKET : SQFS_INODE_SOCKET)
            filled.data.ipc_ext.nlink = node.links
            filled.data.ipc_ext.xattr_idx = node.xattrs
        }
        filled.base.type = UInt16(type.rawValue)
        pointer.pointee = filled
    }

    private func fillFile(_ node: PackNode, _ file: PackedFile) {
        var filled = pointer.pointee
        let isPlain =
            node.xattrs == .max && node.links == 1 && file.zeros == 0 && file.start <= UInt32.max
            && node.size <= UInt32.max
        if isPlain {
            filled.base.type = UInt16(SQFS_INODE_FILE.rawValue)
            filled.data.file.blocks_start = UInt32(file.start)
            filled.data.file.fragment_index = file.fragment
            filled.data.file.fragment_offset = file.offset
            filled.data.file.file_size = UInt32(node.size)
        } else {
            filled.base.type = UInt16(SQFS_INODE_EXT_FILE.rawValue)
            filled.data.file_ext.blocks_start = file.start
            filled.data.file_ext.file_size = UInt64(node.size)
            // As mksquashfs has it: a file takes at least some space.
            filled.data.file_ext.sparse = UInt64(min(file.zeros, max(node.size - 1, 0)))
            filled.data.file_ext.nlink = node.links
            filled.data.file_ext.fragment_idx = file.fragment
            filled.data.file_ext.fragment_offset = file.offset
            filled.data.file_ext.xattr_idx = node.xattrs
        }
        pointer.pointee = filled
    }

    /// Behind the fixed part: `extra` of the C struct.
    private func put(_ payload: UnsafeRawBufferPointer, _ inode: inout sqfs_inode_generic_t) {
        if payload.count > capacity {
            UnsafeMutableRawPointer(pointer).deallocate()
            capacity = payload.count * 2
            pointer = Self.allocate(capacity)
        }
        inode.payload_bytes_available = UInt32(capacity)
        inode.payload_bytes_used = UInt32(payload.count)
        UnsafeMutableRawBufferPointer(start: UnsafeMutableRawPointer(pointer) + Self.fixed, count: payload.count)
            .copyMemory(from: payload)
    }
}
