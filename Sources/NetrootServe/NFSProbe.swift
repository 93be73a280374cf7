/// Where an export is: `HOST:PORT:/PATH`.
public struct NFSTarget: Sendable, Hashable {
    /// Name or IPv4 address of the server.
    public var host: String
    /// TCP port of both NFS and MOUNT.
    public var port: Int
    /// The exported path.
    public var path: String

    /// A target of its parts.
    public init(host: String, port: Int, path: String) {
        self.host = host
        self.port = port
        self.path = path
    }

    /// Reads `HOST:PORT:/PATH`; an IPv6 address as HOST stands in brackets.
    /// - Throws: `.badTarget`.
    public init(parsing text: String) throws(ServeError) {
        if text.hasPrefix("["), let end = text.firstIndex(of: "]"), text[end...].hasPrefix("]:") {
            // An IPv6 address stands in brackets, for it has colons of its own.
            let host = text[text.index(after: text.startIndex)..<end]
            let rest = text[end...].dropFirst(2).split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let isAddress =
                host.contains(":") && host.allSatisfy { $0 == ":" || $0 == "." || $0.isHexDigit && $0.isASCII }
            guard isAddress, rest.count == 2, let port = Int(rest[0]), 1...65535 ~= port, rest[1].hasPrefix("/") else {
                throw .badTarget(text)
            }
            self.init(host: String(host), port: port, path: String(rest[1]))
            return
        }
        let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        let allowed = parts.first?.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || UInt8(ascii: "-")...UInt8(ascii: "9") ~= byte
        }
        guard parts.count == 3, let port = Int(parts[1]), 1...65535 ~= port, !parts[0].isEmpty, allowed == true,
            !parts[0].contains("/"), parts[2].hasPrefix("/")
        else { throw .badTarget(text) }
        self.init(host: String(parts[0]), port: port, path: String(parts[2]))
    }

    /// `HOST:PORT`.
    public var server: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Mounts an export as a client would, and looks at all of it.
public struct NFSProbe: Sendable {
    /// What a probe found.
    public struct Report: Codable, Sendable, Equatable {
        /// `HOST:PORT`.
        public var server: String
        /// The exported path.
        public var path: String
        /// Names below the root.
        public var entries: Int
        /// Directories among them.
        public var directories: Int
        /// Regular files among them.
        public var files: Int
        /// Symlinks among them.
        public var symlinks: Int
        /// Sum of the sizes of regular files, in bytes; hard links count as often as they are met.
        public var bytes: UInt64
        /// Where `/sbin/init` leads to within the export; nil where it leads to no file that can be run.
        public var initPath: String?
        /// Whether `/etc/os-release` leads to a file that can be read.
        public var hasOSRelease: Bool
        /// Files that were compared with the local tree.
        public var compared: Int
        /// What differs, one line each: path, and what.
        public var differences: [String]
        /// Seconds that the probe took.
        public var seconds: Double

        /// Whether a machine could boot from it, and what was compared is the same.
        public var passed: Bool { initPath != nil && hasOSRelease && differences.isEmpty }
    }

    /// What is probed.
    public var target: NFSTarget
    /// The tree that the export should show; nil for no comparison.
    public var localTree: String?
    /// Files to compare; which ones depends on their paths alone.
    public var sampleCount: Int
    /// Seconds to wait for an answer.
    public var timeoutSeconds: Int

    /// A probe, not yet made.
    public init(target: NFSTarget, localTree: String? = nil, sampleCount: Int = 64, timeoutSeconds: Int = 10) {
        self.target = target
        self.localTree = localTree
        self.sampleCount = sampleCount
        self.timeoutSeconds = timeoutSeconds
    }

    private static let depthLimit = 128

    /// Makes the probe. It blocks the calling thread for as long as it takes.
    /// - Throws: `.connectionRefused`, `.notExported`, `.timedOut`, `.probeFailed`, `.unreadableExport` for the local
    ///   tree, `.resource`.
    public func run() throws(ServeError) -> Report {
        let start = ContinuousClock.now
        let context = try NFSClientContext(target, timeoutSeconds: timeoutSeconds)
        var report = Report(
            server: target.server, path: target.path, entries: 0, directories: 0, files: 0, symlinks: 0, bytes: 0,
            initPath: nil, hasOSRelease: false, compared: 0, differences: [], seconds: 0)
        let sample = try walk(context, &report)
        let root = RemoteRoot(context: context)
        if let path = try root.resolve("/sbin/init"), try root.isProgram(path) {
            report.initPath = String(decoding: path, as: UTF8.self)
        }
        if let path = try root.resolve("/etc/os-release") {
            report.hasOSRelease = try context.status(path).type == .regular
        }
        if let localTree {
            let local = try LocalTree(localTree, export: target.path)
            for path in sample {
                report.compared += 1
                if let difference = try local.difference(of: path, in: context) {
                    report.differences.append("\(String(decoding: path, as: UTF8.self)): \(difference)")
                }
            }
        }
        let elapsed = (ContinuousClock.now - start).components
        report.seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
        return report
    }

    /// Counts everything, and chooses the sample: the paths with the lowest hashes, in order of their names.
    private func walk(_ context: NFSClientContext, _ report: inout Report) throws(ServeError) -> [[UInt8]] {
        var pending: [(path: [UInt8], depth: Int)] = [([], 0)]
        var sample: [(hash: UInt32, path: [UInt8])] = []
        while let (path, depth) = pending.popLast() {
            for entry in try context.entries(path.isEmpty ? [UInt8(ascii: "/")] : path) {
                let child = path + [UInt8(ascii: "/")] + entry.name
                report.entries += 1
                switch NFSFileType(rawValue: entry.type) {
                case .directory:
                    report.directories += 1
                    guard depth < Self.depthLimit else {
                        throw .probeFailed(target: target.server, path: target.path, reason: "directories without end")
                    }
                    pending.append((child, depth + 1))
                case .regular:
                    report.files += 1
                    report.bytes += entry.size
                case .symlink: report.symlinks += 1
                default: break
                }
                guard localTree != nil else { continue }
                sample.append((child.withUnsafeBytes { fnv1a($0) }, child))
                if sample.count > 4 * max(64, sampleCount) { Self.cut(&sample, to: sampleCount) }
            }
        }
        Self.cut(&sample, to: sampleCount)
        return sample.map(\.path).sorted { $0.lexicographicallyPrecedes($1) }
    }

    private static func cut(_ sample: inout [(hash: UInt32, path: [UInt8])], to count: Int) {
        sample.sort { $0.hash != $1.hash ? $0.hash < $1.hash : $0.path.lexicographicallyPrecedes($1.path) }
        sample.removeLast(max(0, sample.count - count))
    }
}

/// Resolves paths on the server as a machine with that root would: symlinks are read, absolute ones from the root.
struct RemoteRoot {
    let context: NFSClientContext

    /// The path behind all symlinks; nil where it leads nowhere.
    func resolve(_ path: String) throws(ServeError) -> [UInt8]? {
        let slash = UInt8(ascii: "/")
        var rest = Array(Array(path.utf8).split(separator: slash).map(Array.init).reversed())
        var resolved: [[UInt8]] = []
        var links = 0
        while let name = rest.popLast() {
            if name == [0x2E] { continue }
            if name == [0x2E, 0x2E] {
                _ = resolved.popLast()
                continue
            }
            let parent = resolved.reduce([]) { $0 + [slash] + $1 }
            guard try contains(name, in: parent) else { return nil }
            let child = parent + [slash] + name
            guard try context.status(child).type == .symlink else {
                resolved.append(name)
                continue
            }
            links += 1
            // As many as Linux follows.
            guard links <= 40 else { return nil }
            let target = try context.readLink(child)
            if target.first == slash { resolved = [] }
            rest += target.split(separator: slash).map(Array.init).reversed()
        }
        return resolved.reduce([]) { $0 + [slash] + $1 }
    }

    /// Whether the file is a program: regular, and somebody may run it.
    func isProgram(_ path: [UInt8]) throws(ServeError) -> Bool {
        let status = try context.status(path)
        return status.type == .regular && status.mode & 0o111 != 0
    }

    /// Whether a directory has such an entry; false for what is not a directory. A missing file is no error of the probe.
    private func contains(_ name: [UInt8], in parent: [UInt8]) throws(ServeError) -> Bool {
        let directory = parent.isEmpty ? [UInt8(ascii: "/")] : parent
        guard try context.status(directory).type == .directory else { return false }
        return try context.entries(directory).contains { $0.name == name }
    }
}
