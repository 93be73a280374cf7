import Glibc

extension Files {
    /// Removes a file, or a directory with all that is in it; it may be missing.
    ///
    /// A symlink is removed, not followed, and nothing that is mounted in the tree is entered. Directories without permissions
    /// and files with the flags of chattr(1) are no obstacle to a user who may change them. What cannot be removed does not
    /// keep the rest.
    /// - Parameter stopping: whether the cancellation of the task ends it; false for what undoes something.
    /// - Throws: `TreeRemovalError`, `SystemError`, `KernelError`: the first, when all that can be removed has been;
    ///   `CancellationError`.
    public static func removeTree(_ path: String, stoppingWhenCancelled stopping: Bool = true) throws {
        let (_, name) = DirectoryHandle.split(Array(path.utf8))
        guard !name.isEmpty, name != [0x2E], name != [0x2E, 0x2E] else {
            throw SystemError("remove", path, code: EINVAL)
        }
        let parent: DirectoryHandle
        do {
            parent = try DirectoryHandle(Files.parent(path))
        } catch let error as SystemError where error.code == ENOENT {
            return
        }
        try parent.removeAll(name, stoppingWhenCancelled: stopping)
    }
}

extension DirectoryHandle {
    /// Removes what has the name in the directory, as `Files.removeTree` does.
    /// - Throws: as there.
    public func removeAll(_ name: [UInt8], stoppingWhenCancelled stopping: Bool = true) throws {
        var removal = TreeRemoval(parent: self, isStopping: stopping)
        try removal.run(name)
    }
}

/// Why something in a tree cannot be removed.
public enum TreeRemovalError: ReportableError, Equatable {
    /// Something is mounted there.
    case mountPoint(path: String)
    /// A file has a flag of chattr(1) that this user may not change.
    case immutable(path: String)

    /// Always `.failed`.
    public var exitStatus: ExitStatus { .failed }

    /// One line: the path, the reason, and what to do.
    public var description: String {
        switch self {
        case .mountPoint(let path):
            let path = TerminalText.line(path)
            return "cannot remove \(path): something is mounted there; umount \(path), then run netroot again"
        case .immutable(let path):
            let path = TerminalText.line(path)
            return "cannot remove \(path): it is immutable (chattr(1)), and only root may change that; "
                + "sudo chattr -i -a \(path), then run netroot again"
        }
    }
}

/// The removal of one tree, by directory handles: names need not be text, and paths may be longer than the kernel takes.
private struct TreeRemoval {
    /// Holds the tree; nothing but the name of the tree is changed in it.
    let parent: DirectoryHandle
    let isStopping: Bool
    private var failure: (any Error)?

    init(parent: DirectoryHandle, isStopping: Bool) {
        self.parent = parent
        self.isStopping = isStopping
    }

    mutating func run(_ name: [UInt8]) throws {
        var directories: [[UInt8]] = []
        var pending = removeFile(name, in: parent) ? [] : [name]
        while let path = pending.popLast() {
            if isStopping { try Task.checkCancellation() }
            directories.append(path)
            guard let directory = opened(path), let names = names(in: directory) else { continue }
            for name in names where !removeFile(name, in: directory) {
                pending.append(path + [UInt8(ascii: "/")] + name)
            }
        }
        // Each comes after the one that holds it.
        for path in directories.reversed() {
            let (above, name) = DirectoryHandle.split(path)
            guard above.isEmpty else {
                if let holder = opened(above) { removeDirectory(name, in: holder) }
                continue
            }
            removeDirectory(name, in: parent)
        }
        if let failure { throw failure }
    }

    /// A directory of the tree; nil, with a note, where it cannot be entered.
    private mutating func opened(_ path: [UInt8]) -> DirectoryHandle? {
        do {
            do {
                return try parent.below(path, .refusedWithMounts)
            } catch let error as SystemError where error.code == EACCES {
                try allowEntry(path)
                return try parent.below(path, .refusedWithMounts)
            }
        } catch let error as SystemError where error.code == EXDEV {
            note(TreeRemovalError.mountPoint(path: parent.display(path)))
        } catch let error as SystemError where error.code == ENOENT {
            // Somebody else removes it, too.
        } catch {
            note(error)
        }
        return nil
    }

    /// Gives this user the right to read and change a directory of the tree.
    private func allowEntry(_ path: [UInt8]) throws {
        let (above, name) = DirectoryHandle.split(path)
        let holder = above.isEmpty ? parent : try parent.below(above, .refusedWithMounts)
        guard fchmodat(holder.descriptor, DirectoryHandle.terminated(name), S_IRWXU, 0) == 0 else {
            throw holder.failure("remove", name)
        }
    }

    private mutating func names(in directory: DirectoryHandle) -> [[UInt8]]? {
        do {
            return try directory.names()
        } catch {
            note(error)
            return nil
        }
    }

    /// - Returns: false where it is a directory.
    private mutating func removeFile(_ name: [UInt8], in directory: DirectoryHandle) -> Bool {
        let code = unlink(name, in: directory, 0)
        if code == 0 { return true }
        if code == EISDIR { return false }
        // The kernel looks at the flags of the directory before it looks at the type.
        var status = stat()
        if fstatat(directory.descriptor, DirectoryHandle.terminated(name), &status, AT_SYMLINK_NOFOLLOW) == 0,
            status.st_mode & S_IFMT == S_IFDIR
        {
            return false
        }
        removeStubborn(name, in: directory, 0, code)
        return true
    }

    private mutating func removeDirectory(_ name: [UInt8], in directory: DirectoryHandle) {
        let code = unlink(name, in: directory, AT_REMOVEDIR)
        // What is still in it has its note.
        if code == 0 || (code == ENOTEMPTY && failure != nil) { return }
        removeStubborn(name, in: directory, AT_REMOVEDIR, code)
    }

    /// Tries again when what may stand against it is out of the way.
    private mutating func removeStubborn(_ name: [UInt8], in directory: DirectoryHandle, _ flags: Int32, _ code: Int32)
    {
        var code = code
        if code == EACCES || code == EPERM {
            if directory !== parent {
                // A failure shows itself once more.
                _ = fchmod(directory.descriptor, S_IRWXU)
                _ = InodeFlags.clear(directory.descriptor)
            }
            InodeFlags.clear(name, in: directory)
            code = unlink(name, in: directory, flags)
        }
        switch code {
        case 0: break
        case EBUSY: note(TreeRemovalError.mountPoint(path: directory.display(name)))
        case EPERM where InodeFlags.areSet(name, in: directory):
            note(TreeRemovalError.immutable(path: directory.display(name)))
        case EPERM where directory !== parent && InodeFlags.areSet([], in: directory):
            note(TreeRemovalError.immutable(path: directory.display([])))
        default: note(directory.failure("remove", name, code: code))
        }
    }

    /// - Returns: the error's number, or 0. What somebody else has removed meanwhile is no failure.
    private func unlink(_ name: [UInt8], in directory: DirectoryHandle, _ flags: Int32) -> Int32 {
        guard unlinkat(directory.descriptor, DirectoryHandle.terminated(name), flags) != 0 else { return 0 }
        return errno == ENOENT ? 0 : errno
    }

    private mutating func note(_ error: any Error) {
        if failure == nil { failure = error }
    }
}
