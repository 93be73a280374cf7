import CLinux
import Glibc
import NetrootImage

/// A tree, on disk or in an image, and what is known of it. All access is under the lock of its `ServedTree`.
struct TreeState: ~Copyable {
    var table = FileTable()
    /// The image; nil for a tree on disk.
    let image: SquashfsReader?
    /// Of an image: where each node's inode is, by the node's index.
    var references = ChunkedArray<UInt64>()
    private let descriptors: TreeDescriptors
    /// The root of a tree on disk; of an image all is in the tables, and nobody asks for it.
    private let root: OpenFile?
    private let device: dev_t
    /// Whether the files lie in a filesystem without a disk.
    private let isInMemory: Bool
    /// Tells this tree from one that takes its place: of an image or of a root directory, what it lies on and is.
    let identity: FileIdentity
    /// As `identity`, but the same after a restart of the machine.
    let mark: UInt64
    private let maximumAge: UInt32
    /// Whether a call may wait for the disk. On a loop it may not: there what would wait throws `.later`.
    var mayBlock = true
    /// Directories nested deeper are shown as unreadable; it also ends a search that a moved directory led into a ring.
    private static let depthLimit = 256

    /// Opens the root of a tree, and reads the whole of it.
    static func open(
        directory: String, limits: NFSLimits, descriptors: DescriptorCache, now: UInt32
    ) throws(Errno) -> TreeState {
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Errno.current }
        let root = OpenFile(owning: descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Errno.current }
        var state = TreeState(root: root, status, limits: limits, descriptors: descriptors, now: now)
        try state.readAll(now: now)
        return state
    }

    /// A state without nodes, for an image: it never changes, so nothing in the tables grows too old.
    init(image: SquashfsReader, descriptors: DescriptorCache) {
        self.image = image
        self.descriptors = TreeDescriptors(in: descriptors)
        root = nil
        maximumAge = .max
        device = 0
        isInMemory = false
        identity = FileIdentity(device: image.fileDevice, inode: image.fileInode)
        mark = image.mark
    }

    private init(root: OpenFile, _ status: stat, limits: NFSLimits, descriptors: DescriptorCache, now: UInt32) {
        self.root = root
        image = nil
        self.descriptors = TreeDescriptors(in: descriptors)
        maximumAge = UInt32(limits.attributeSeconds)
        device = status.st_dev
        isInMemory = Self.isInMemory(root)
        identity = FileIdentity(status)
        // An inode number alone may be a former directory's.
        mark = UInt64(status.st_ino) ^ birth_time(root.descriptor) &* 0x9E37_79B9_7F4A_7C15
        let dot = withUnsafeBytes(of: UInt8(ascii: ".")) { table.names.append($0) }
        var node = table.makeNode(status, parent: FileTable.root, name: dot, now: now)
        node.directory = addDirectory()
        _ = table.add(node)
    }

    /// tmpfs and ramfs, by `TMPFS_MAGIC` and `RAMFS_MAGIC` of statfs(2).
    private static func isInMemory(_ file: OpenFile) -> Bool {
        [0x0102_1994, 0x8584_58F6].contains(filesystem_type(file.descriptor))
    }

    /// Reads every directory of which the entries are not known yet.
    private mutating func readAll(now: UInt32) throws(Errno) {
        var index = 0
        while index < table.nodes.count {
            let directory = table.nodes[index].directory
            if directory != FileTable.none, table.directories[Int(directory)].state == .unread {
                let error = readDirectory(UInt32(index), now: now)
                if index == 0, let error { throw error }
            }
            index += 1
        }
    }

    mutating func addDirectory() -> UInt32 {
        table.directories.append(DirectoryRecord(first: 0, count: 0, capacity: 0, state: .unread))
        return UInt32(table.directories.count - 1)
    }

    /// What the tables call an inode. Where an overlay filesystem mixes the inode numbers of its layers, the device
    /// tells them apart.
    private func key(_ status: stat) -> UInt64 {
        let inode = UInt64(status.st_ino)
        return status.st_dev == device ? inode : inode ^ (UInt64(status.st_dev) &* 0x9E37_79B9_7F4A_7C15) << 24
    }

    // MARK: - Asking the disk again

    /// Makes sure that what is known of a node is no older than the limit.
    mutating func validate(_ index: UInt32, now: UInt32, depth: Int = 0) throws(NFSStatus) {
        let node = table.nodes[Int(index)]
        guard now &- node.checked >= maximumAge else {
            guard node.links > 0 else { throw .stale }
            return
        }
        guard depth < Self.depthLimit else { throw .stale }
        var status = stat()
        if index == FileTable.root {
            guard let root, fstat(root.descriptor, &status) == 0 else { throw .io }
        } else {
            try validate(node.parent, now: now, depth: depth + 1)
            let parent = try descriptor(ofDirectory: node.parent, depth: depth + 1)
            let found = try find(table.names.cString(node.name), in: parent, &status)
            let isForeign = found && status.st_mode & S_IFMT == S_IFDIR && status.st_dev != device
            if isForeign, node.directory != FileTable.none {
                showEmpty(index, now: now)
                return
            }
            guard found, !isForeign, key(status) == node.inode else {
                table.update(index) { node in
                    node.links = 0
                    node.checked = now
                }
                descriptors.remove(index)
                throw .stale
            }
        }
        if !mayBlock, isToBeRead(index, status) { throw .later }
        refresh(index, status, now: now)
    }

    /// What a directory holds under a name, a symlink not followed.
    private func find(
        _ name: UnsafePointer<CChar>, in parent: OpenFile, _ status: inout stat
    ) throws(NFSStatus) -> Bool {
        if !mayBlock {
            // O_PATH, which Glibc's module leaves out.
            let flags = 0o10_000_000 | O_NOFOLLOW | O_CLOEXEC
            let file = openat2_call(parent.descriptor, name, flags, 0, UInt64(RESOLVE_CACHED))
            if file >= 0 {
                defer { close(file) }
                return fstat(file, &status) == 0
            }
            if errno == EAGAIN { throw .later }
            if errno == ENOENT { return false }
            // A kernel before 5.12, or no descriptor left.
        }
        return fstatat(parent.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// Whether a directory's entries are to be read again, which takes as long as there are entries.
    private func isToBeRead(_ index: UInt32, _ status: stat) -> Bool {
        guard status.st_mode & S_IFMT == S_IFDIR else { return false }
        let node = table.nodes[Int(index)]
        guard node.directory != FileTable.none else { return true }
        let state = table.directories[Int(node.directory)].state
        let times = (FileTable.nanoseconds(status.st_mtim), FileTable.nanoseconds(status.st_ctim))
        return times != (node.modified, node.changed) || state == .mountPoint || state == .unreadable
    }

    private mutating func refresh(_ index: UInt32, _ status: stat, now: UInt32) {
        var node = table.nodes[Int(index)]
        let before = (node.modified, node.changed)
        table.setAttributes(of: &node, from: status, now: now)
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        if isDirectory != (node.directory != FileTable.none) {
            // The inode number has a new owner.
            node.directory = isDirectory ? addDirectory() : FileTable.none
            descriptors.remove(index)
        }
        table.nodes[Int(index)] = node
        guard isDirectory else { return }
        let state = table.directories[Int(node.directory)].state
        // A directory that changed in the second in which it was read may have changed again since, unseen where the
        // filesystem's clock is coarse; the change time of the next check tells.
        if before != (node.modified, node.changed) || state == .mountPoint || state == .unreadable {
            _ = readDirectory(index, now: now)
        }
    }

    private mutating func showEmpty(_ index: UInt32, now: UInt32) {
        table.update(index) { node in node.checked = now }
        let directory = Int(table.nodes[Int(index)].directory)
        table.directories.update(directory) { record in
            record.count = 0
            record.state = .mountPoint
        }
        descriptors.remove(index)
    }

    // MARK: - Reading directories

    /// The record of a directory, with its entries read.
    mutating func directory(_ index: UInt32, now: UInt32) throws(NFSStatus) -> DirectoryRecord {
        let place = table.nodes[Int(index)].directory
        guard place != FileTable.none else { throw .notDirectory }
        if table.directories[Int(place)].state == .unread {
            guard mayBlock else { throw .later }
            _ = readDirectory(index, now: now)
        }
        let record = table.directories[Int(place)]
        guard record.state != .unreadable else { throw .access }
        return record
    }

    /// Validates the node of an entry. Where its last known name is gone, the entry is another name of it.
    mutating func validate(_ entry: DirectoryEntry, in parent: UInt32, now: UInt32) throws(NFSStatus) {
        do throws(NFSStatus) {
            try validate(entry.node, now: now)
        } catch {
            guard error == .stale else { throw error }
            let maximumAge = maximumAge
            table.update(entry.node) { node in
                node.parent = parent
                node.name = entry.name
                node.checked = now &- maximumAge
            }
            try validate(entry.node, now: now)
        }
    }

    /// The valid node with that inode number.
    mutating func node(inode: UInt64, now: UInt32) throws(NFSStatus) -> UInt32 {
        guard let index = table.find(inode: inode) else { throw .stale }
        try validate(index, now: now)
        return index
    }

    /// Free space and files of the filesystem that the tree lies on.
    func space() throws(NFSStatus) -> statvfs {
        if let image { return Self.space(of: image) }
        var space = statvfs()
        guard let root, fstatvfs(root.descriptor, &space) == 0 else { throw .io }
        return space
    }

    /// The target of a symlink, which is not followed.
    mutating func readLink(_ index: UInt32, into buffer: UnsafeMutableRawBufferPointer) throws(NFSStatus) -> Int {
        let node = table.nodes[Int(index)]
        guard NFSFileType(mode: UInt32(node.mode)) == .symlink else { throw .invalid }
        if let image {
            // Its inode is packed.
            guard mayBlock else { throw .later }
            return try target(index, of: image, into: buffer)
        }
        guard let base = buffer.bindMemory(to: CChar.self).baseAddress else { throw .tooSmall }
        let parent = try descriptor(ofDirectory: node.parent, depth: 0)
        let count = readlinkat(
            parent.descriptor, table.names.cString(node.name), base, buffer.count)
        guard count >= 0 else { throw NFSStatus(opening: errno) }
        return count
    }

    /// Reads a directory's entries into the table. What cannot be read is marked so.
    /// - Returns: why it could not be read.
    private mutating func readDirectory(_ index: UInt32, now: UInt32) -> Errno? {
        let directory = Int(table.nodes[Int(index)].directory)
        do throws(NFSStatus) {
            let file = try descriptor(ofDirectory: index, depth: 0)
            // A second description of the same directory, for fdopendir takes it over and closes it.
            let own = openat(file.descriptor, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard own >= 0, let stream = fdopendir(own) else {
                let error = Errno.current
                if own >= 0 { close(own) }
                table.directories.update(directory) { $0.state = .unreadable }
                return error
            }
            defer { closedir(stream) }
            var list: [DirectoryEntry] = []
            while let entry = Glibc.readdir(stream) {
                if let entry = self.entry(entry, in: index, descriptor: own, now: now) { list.append(entry) }
            }
            table.setEntries(list, of: directory)
            return nil
        } catch {
            table.directories.update(directory) { $0.state = .unreadable }
            return Errno.current
        }
    }

    /// One name of a directory; nil for `.`, `..` and what has gone meanwhile.
    private mutating func entry(
        _ entry: UnsafeMutablePointer<dirent>, in parent: UInt32, descriptor: Int32, now: UInt32
    ) -> DirectoryEntry? {
        let start = UnsafeRawPointer(entry) + (MemoryLayout<dirent>.offset(of: \.d_name) ?? 19)
        let cString = start.assumingMemoryBound(to: CChar.self)
        let bytes = UnsafeRawBufferPointer(start: start, count: strlen(cString))
        if bytes.count <= 2, bytes.allSatisfy({ $0 == UInt8(ascii: ".") }) { return nil }
        var status = stat()
        guard bytes.count <= NFSv3.nameLimit, fstatat(descriptor, cString, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            return nil
        }
        let record = table.directories[Int(table.nodes[Int(parent)].directory)]
        let name = table.lookup(bytes, in: record)?.name ?? table.names.append(bytes)
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        let isForeign = isDirectory && status.st_dev != device
        // The inode number under a mount point is the one that the directory holds for it.
        if isForeign { status.st_ino = entry.pointee.d_ino }
        let inode = isForeign ? UInt64(status.st_ino) : key(status)
        let index: UInt32
        if let known = table.find(inode: inode) {
            index = known
            relocate(known, to: parent, name: name, status, now: now)
        } else {
            var node = table.makeNode(status, parent: parent, name: name, now: now)
            node.inode = inode
            if isDirectory { node.directory = addDirectory() }
            index = table.add(node)
        }
        if isForeign { showEmpty(index, now: now) }
        return DirectoryEntry(hash: fnv1a(bytes), name: name, node: index)
    }

    /// A node is met again: under another name of a hard link, after a move, or with its inode number used anew.
    private mutating func relocate(_ index: UInt32, to parent: UInt32, name: UInt32, _ status: stat, now: UInt32) {
        var node = table.nodes[Int(index)]
        let isMountPoint =
            node.directory != FileTable.none && table.directories[Int(node.directory)].state == .mountPoint
        if node.parent != parent || node.name != name, node.directory != FileTable.none || node.links == 0 {
            node.parent = parent
            node.name = name
            table.nodes[Int(index)] = node
        }
        // Directories notice by their times whether to be read again: leave that to their own check.
        if node.directory == FileTable.none || node.links == 0 || isMountPoint {
            refresh(index, status, now: now)
        }
    }

    // MARK: - Descriptors

    /// Opens a directory component by component from the root, never through a symlink.
    mutating func descriptor(ofDirectory index: UInt32, depth: Int) throws(NFSStatus) -> OpenFile {
        if index == FileTable.root {
            guard let root else { throw .io }
            return root
        }
        if let file = descriptors.find(index) { return file }
        guard depth < Self.depthLimit else { throw .stale }
        return try open(index, flags: O_DIRECTORY, depth: depth)
    }

    /// A regular file for READ.
    mutating func contents(ofFile index: UInt32) throws(NFSStatus) -> FileContents {
        if let image { return .packed(image, reference: references[Int(index)]) }
        return .open(try descriptor(ofFile: index))
    }

    private mutating func descriptor(ofFile index: UInt32) throws(NFSStatus) -> OpenFile {
        if let file = descriptors.find(index) { return file }
        // Should a FIFO have taken the name a moment ago, opening it does not wait for a writer.
        return try open(index, flags: O_NONBLOCK | O_NOCTTY, depth: 0)
    }

    private mutating func open(_ index: UInt32, flags: Int32, depth: Int) throws(NFSStatus) -> OpenFile {
        let node = table.nodes[Int(index)]
        let parent = try descriptor(ofDirectory: node.parent, depth: depth + 1)
        let all = flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC
        let name = table.names.cString(node.name)
        var descriptor: Int32 = -1
        if !mayBlock {
            descriptor = openat2_call(parent.descriptor, name, all, 0, UInt64(RESOLVE_CACHED))
            if descriptor < 0, errno == EAGAIN { throw .later }
        }
        if descriptor < 0 { descriptor = openat(parent.descriptor, name, all) }
        if descriptor < 0, errno == EMFILE || errno == ENFILE {
            descriptors.removeAll()
            descriptor = openat(parent.descriptor, name, all)
        }
        guard descriptor >= 0 else { throw NFSStatus(opening: errno) }
        let file = OpenFile(owning: descriptor, mayWait: !isInMemory)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .io }
        let type = status.st_mode & S_IFMT
        let isWanted = flags & O_DIRECTORY != 0 ? type == S_IFDIR && status.st_dev == device : type == S_IFREG
        guard isWanted, key(status) == node.inode else { throw .stale }
        descriptors.add(file, for: index)
        return file
    }
}

extension FileTable {
    mutating func update(_ index: UInt32, _ body: (inout FileNode) -> Void) {
        nodes.update(Int(index), body)
    }
}
