import Glibc
public import NetrootSystem

/// A look at the files of a root for what its clients must not share.
///
/// What packages bring is not looked at: only the places that people and the scripts of packages write to are, and of `/usr`
/// only `/usr/local`. Reading is bounded: the first MiB of a file in `/etc` and `/var`, files of up to 256 KiB elsewhere. It
/// finds what was left by mistake; whoever wants to hide something can.
public enum SecretScan {
    /// The findings, sorted as the walk meets them: at most one for each file.
    /// - Throws: `SystemError`, `CancellationError`.
    public static func findings(in root: DirectoryHandle) throws -> [SecretFinding] {
        var findings: [SecretFinding] = []
        try root.walk(entering: isEntered) { entry in
            guard entry.type == .regular, entry.status.st_size > 0 else { return }
            guard
                let kind = try kind(
                    of: entry.path, size: Int64(entry.status.st_size), content: { try head(entry) })
            else { return }
            let isWorldReadable = entry.status.st_mode & S_IROTH != 0
            findings.append(SecretFinding(path: entry.path, kind: kind, isWorldReadable: isWorldReadable))
        }
        return findings
    }

    /// What a file holds; nil where that is nothing known.
    /// - Parameters:
    ///   - path: from the root, without a slash at its beginning.
    ///   - content: the first MiB of it, which is read only where the path tells that it may matter.
    static func kind(of path: [UInt8], size: Int64, content: () throws -> [UInt8]) rethrows -> SecretFinding.Kind? {
        let isSoftware = isSoftware(path)
        // What has a place of its own is no test of anything.
        let places = SecretPlaces.known.of(path).filter { !isSoftware || $0.isAbsolute }
        let byContent = isRead(path, size: size)
        guard byContent || !places.isEmpty else { return nil }
        return kind(try content(), in: places, byContent: byContent)
    }

    /// Whether a file of this path may hold something, so that its content is wanted.
    static func isLookedAt(_ path: [UInt8]) -> Bool {
        isRead(path, size: 0) || !SecretPlaces.known.of(path).isEmpty
    }

    private static func kind(
        _ bytes: [UInt8], in places: [SecretPlace], byContent: Bool
    ) -> SecretFinding.Kind? {
        if let place = places.first(where: { $0.content.isIn(bytes) }) { return place.kind }
        return byContent ? SecretText.kind(bytes) : nil
    }

    // MARK: - Where

    private static func isEntered(_ directory: DirectoryHandle.WalkEntry) -> Bool { !isSkipped(directory.path) }

    /// What is the system's own, comes at boot, or belongs to a package manager.
    private static func isSkipped(_ path: [UInt8]) -> Bool { skipped.contains(path) || isOfUsr(path) }

    private static let skipped: Set<[UInt8]> = Set(
        [
            "proc", "sys", "dev", "run", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "lost+found", "var/cache",
            "var/lib/dpkg", "var/lib/rpm", "var/lib/pacman", "var/lib/apt", "var/lib/dnf", "var/lib/zypp",
            "var/lib/containers", "var/lib/docker", "var/lib/containerd",
        ].map { Array($0.utf8) })

    private static func isOfUsr(_ path: [UInt8]) -> Bool {
        path.starts(with: Array("usr/".utf8)) && !path.starts(with: Array("usr/local".utf8))
    }

    /// Whether a file is read whatever its name is.
    private static func isRead(_ path: [UInt8], size: Int64) -> Bool {
        let names = path.split(separator: slash)
        guard let top = names.first else { return false }
        if names.count > 1 {
            if top.elementsEqual("etc".utf8) || top.elementsEqual("var".utf8) { return !isSoftware(path) }
            // Of /usr only /usr/local is walked; the files beside it are of no known kind.
            if top.elementsEqual("boot".utf8) || top.elementsEqual("usr".utf8) && names.count < 3 { return false }
        }
        // Software and its tests: many of these have keys of their own that open nothing.
        guard size <= 256 << 10, let name = names.last, !isCode(name) else { return false }
        return !names.dropLast().contains { innocent.contains(Array($0)) }
    }

    /// Whether a file is of software that somebody installed, or of its tests: nowhere in `/etc` or in a home.
    private static func isSoftware(_ path: [UInt8]) -> Bool {
        let names = path.split(separator: slash)
        guard let top = names.first, !["etc", "root", "home"].contains(where: { top.elementsEqual($0.utf8) }) else {
            return false
        }
        return names.dropFirst().dropLast().contains { software.contains(Array($0)) }
    }

    private static let software: Set<[UInt8]> = Set(
        [
            "test", "tests", "testing", "testdata", "test-data", "test_data", "fixtures", "site-packages",
            "dist-packages", "node_modules", "vendor", "gems",
        ].map { Array($0.utf8) })

    private static let innocent: Set<[UInt8]> = software.union(
        ["doc", "docs", "example", "examples", "registry", "mod", "man", "include", "t"].map { Array($0.utf8) })

    private static func isCode(_ name: ArraySlice<UInt8>) -> Bool {
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return false }
        return code.contains(Array(name[(dot + 1)...]))
    }

    /// The ends of the names of programs, documents and data.
    private static let code: Set<[UInt8]> = Set(
        [
            "a", "bz2", "c", "cc", "class", "cpp", "css", "cu", "el", "elc", "f90", "gif", "go", "gz", "h", "h5", "hpp",
            "htm", "html", "jar", "java", "jpg", "js", "ko", "la", "lua", "map", "md", "mo", "mod", "nc", "o", "pdf",
            "png", "po", "pm", "py", "pyc", "pyi", "rb", "rpm", "deb", "rs", "rst", "so", "svg", "swift", "tcl", "tex",
            "ts", "ttf", "wasm", "whl", "xz", "zip", "zst",
        ].map { Array($0.utf8) })

    private static let slash = UInt8(ascii: "/")

    // MARK: - Reading

    private static func head(_ entry: DirectoryHandle.WalkEntry) throws -> [UInt8] {
        let descriptor = try entry.directory.openQuietly(entry.name)
        defer { close(descriptor) }
        let wanted = Int(min(entry.status.st_size, 1 << 20))
        return try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
            while filled < wanted {
                let count = read(descriptor, buffer.baseAddress?.advanced(by: filled), wanted - filled)
                if count == 0 { return }
                if count > 0 {
                    filled += count
                } else if errno != EINTR {
                    throw entry.directory.failure("read", entry.name)
                }
            }
        }
    }
}
