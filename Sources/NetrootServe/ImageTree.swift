import Glibc
import NetrootImage
import NetrootSystem

/// Where the bytes of a regular file come from.
enum FileContents: Sendable {
    /// A file of a tree on disk.
    case open(OpenFile)
    /// A file in an image, by its inode's reference.
    case packed(SquashfsReader, reference: UInt64)
}

/// A tree in a squashfs image. Its inode numbers are those of the file handles: the image keeps them, so clients go on
/// after a restart of the server.
extension TreeState {
    /// Reads all inodes and names of an image into the tables.
    /// - Throws: `SquashfsReadError`.
    static func open(
        _ image: SquashfsReader, descriptors: DescriptorCache, now: UInt32
    ) throws(SquashfsReadError) -> TreeState {
        var state = TreeState(image: image, descriptors: descriptors)
        do {
            try image.scan { directory in try state.add(directory, of: image, now: now) }
        } catch let error as SquashfsReadError {
            throw error
        } catch {
            // `scan` throws nothing else.
            throw .corrupt(path: image.path, place: "scan", problem: "\(error)")
        }
        return state
    }

    private mutating func add(_ directory: SquashfsDirectory, of image: SquashfsReader, now: UInt32) throws {
        if table.nodes.count == 0 {
            let dot = withUnsafeBytes(of: UInt8(ascii: ".")) { table.names.append($0) }
            _ = add(directory.inode, parent: FileTable.root, name: dot, now: now)
        }
        guard let parent = table.find(inode: UInt64(directory.inode.number)) else {
            throw SquashfsReadError.corrupt(
                path: image.path, place: "scan", problem: "a directory that nothing leads to")
        }
        var list: [DirectoryEntry] = []
        list.reserveCapacity(directory.entries.count)
        for entry in directory.entries {
            let (hash, name) = entry.name.withUnsafeBytes { (fnv1a($0), table.names.append($0)) }
            let known = entry.isFirst ? nil : table.find(inode: UInt64(entry.inode.number))
            let node = known ?? add(entry.inode, parent: parent, name: name, now: now)
            list.append(DirectoryEntry(hash: hash, name: name, node: node))
        }
        table.setEntries(list, of: Int(table.nodes[Int(parent)].directory))
    }

    private mutating func add(_ inode: SquashfsInode, parent: UInt32, name: UInt32, now: UInt32) -> UInt32 {
        var node = table.makeNode(stat(inode), parent: parent, name: name, now: now)
        if inode.type == .directory { node.directory = addDirectory() }
        references.append(inode.reference)
        return table.add(node)
    }

    /// What FSSTAT tells: all of it is used.
    static func space(of image: SquashfsReader) -> statvfs {
        var space = statvfs()
        space.f_frsize = 4096
        space.f_blocks = fsblkcnt_t((image.superblock.bytesUsed + 4095) / 4096)
        space.f_files = fsfilcnt_t(image.superblock.inodeCount)
        return space
    }

    /// Copies a symlink's target, cut to the buffer as readlink(2) does.
    func target(
        _ index: UInt32, of image: SquashfsReader, into buffer: UnsafeMutableRawBufferPointer
    ) throws(NFSStatus) -> Int {
        do throws(SquashfsReadError) {
            let target = try image.symlinkTarget(references[Int(index)])
            let count = min(target.count, buffer.count)
            buffer.copyBytes(from: target.prefix(count))
            return count
        } catch {
            throw .io
        }
    }

    /// The path of a node from the root, for messages.
    func path(_ index: UInt32) -> String {
        var names: [String] = []
        var index = index
        while index != FileTable.root, names.count < Int(PATH_MAX) {
            let node = table.nodes[Int(index)]
            names.append(TerminalText.line(Array(table.names.bytes(node.name))))
            index = node.parent
        }
        return "/" + names.reversed().joined(separator: "/")
    }
}

extension stat {
    /// What stat(2) would say of an inode on a mounted image.
    fileprivate init(_ inode: SquashfsInode) {
        self.init()
        st_ino = ino_t(inode.number)
        st_mode = mode_t(inode.type.rawValue | inode.mode)
        st_uid = inode.uid
        st_gid = inode.gid
        // 0 would mean that it is gone.
        st_nlink = nlink_t(max(1, inode.links))
        st_size = off_t(clamping: inode.size)
        // As Linux packs them, which for these 12 and 20 bits is as glibc does.
        st_rdev = dev_t(inode.device)
        st_blocks = blkcnt_t(clamping: (inode.size - inode.sparseBytes + 511) / 512)
        st_mtim.tv_sec = time_t(inode.modified)
        st_ctim = st_mtim
    }
}
