import Glibc

extension Files {
    /// Makes a directory that only this user can read, in `$TMPDIR` or `/tmp`, and removes it with all that is in it however
    /// `body` ends. Should this process be killed, `removeLeftTemporaryDirectories` of a later one removes it.
    /// - Throws: `SystemError`, `TreeRemovalError`, what `body` throws; where the removal fails too, it is `body`'s error that is
    ///   told.
    public static func withTemporaryDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
        let (directory, mark) = try makeTemporaryDirectory(in: temporaryPlace)
        defer { close(mark) }
        let result: Result<R, any Error>
        do { result = .success(try await body(directory)) } catch { result = .failure(error) }
        do {
            try Files.removeTree(directory, stoppingWhenCancelled: false)
        } catch {
            if case .success = result { throw error }
        }
        return try result.get()
    }

    /// Removes the temporary directories of this user's runs of netroot that were killed. Those of runs that live are locked;
    /// what is somebody else's, whatever it is called, is neither followed nor touched.
    /// - Parameter place: nil for `$TMPDIR`, or `/tmp`.
    /// - Returns: the directories that were removed.
    /// - Throws: `SystemError`.
    public static func removeLeftTemporaryDirectories(in place: String? = nil) throws -> [String] {
        let folder = try DirectoryHandle(place ?? temporaryPlace)
        var removed: [String] = []
        for name in try folder.names() where isTemporary(name) {
            let descriptor = openat(
                folder.descriptor, DirectoryHandle.terminated(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            // Another run has removed it, or this user cannot read it as a directory: then it is not ours.
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o077 == 0,
                flock(descriptor, LOCK_EX | LOCK_NB) == 0
            else { continue }
            try folder.removeAll(name)
            removed.append(folder.display(name))
        }
        return removed
    }

    private static let temporaryPrefix = "netroot-scratch-"
    private static var temporaryPlace: String { temporaryPlace(getenv("TMPDIR").map { String(cString: $0) }) }

    /// Where temporary files go: what `TMPDIR` names where that is a directory by its whole path that this user may fill.
    static func temporaryPlace(_ variable: String?) -> String {
        guard let place = variable, place.hasPrefix("/"), isDirectory(place), access(place, W_OK | X_OK) == 0 else {
            return "/tmp"
        }
        return place
    }

    private static func isTemporary(_ name: [UInt8]) -> Bool {
        name.starts(with: temporaryPrefix.utf8) && name.count == temporaryPrefix.utf8.count + 6
    }

    /// A new directory that only this user can read.
    /// - Returns: its path, and a descriptor of it whose lock says that its owner lives.
    /// - Throws: `SystemError`.
    static func makeTemporaryDirectory(in place: String) throws -> (path: String, mark: Int32) {
        while true {
            var template = Array("\(place)/\(temporaryPrefix)XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw SystemError("make a directory in", place, code: errno) }
            let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let mark = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            var status = stat()
            if mark >= 0, flock(mark, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK, fstat(mark, &status) == 0,
                status.st_nlink > 0
            {
                return (path, mark)
            }
            // Another run took it for a left one before it was locked, and removes it.
            let code = errno
            if mark >= 0 { close(mark) } else if code != ENOENT { throw SystemError("read", path, code: code) }
        }
    }
}
