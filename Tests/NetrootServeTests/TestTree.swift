import Glibc
import Logging
import NIOCore
import NIOPosix
import TestSupport

@testable import NetrootServe

/// A tree that goes with its owner.
final class TestTree {
    private let sample: ScratchRoot
    var path: String { sample.root }
    /// A directory beside it, of which no client may see anything.
    var outside: String { sample.outside }

    init() throws {
        sample = try ScratchRoot()
        try write("/../outside/secret", "not for clients")
    }

    /// A small root: what the probe looks for, hard links, symlinks within and without, and many names.
    static func sample() throws -> TestTree {
        let tree = try TestTree()
        for directory in ["/etc", "/usr", "/usr/sbin", "/usr/lib", "/usr/lib/systemd", "/many", "/empty"] {
            try tree.directory(directory)
        }
        try tree.write("/usr/lib/os-release", "ID=test\n")
        try tree.write("/usr/lib/systemd/systemd", String(repeating: "systemd\n", count: 40_000), mode: 0o755)
        try tree.write("/etc/hostname", "client\n")
        try tree.write("/etc/shadow", "root:*\n", mode: 0o640)
        try tree.write("/zero", "")
        tree.link("/etc/hostname", "/etc/hostname2")
        tree.symlink("/lib/systemd/systemd", "/usr/sbin/init")
        tree.symlink("usr/sbin", "/sbin")
        tree.symlink("usr/lib", "/lib")
        tree.symlink("../usr/lib/os-release", "/etc/os-release")
        tree.symlink("../../outside", "/escape")
        tree.symlink(tree.outside, "/escape-absolute")
        mkfifo(tree.path + "/fifo", 0o600)
        for number in 0..<500 { try tree.write("/many/file-\(number)", "\(number)") }
        return tree
    }

    func directory(_ name: String) throws {
        guard mkdir(path + name, 0o755) == 0 else { throw TestFailure("mkdir \(name): errno \(errno)") }
    }

    func write(_ name: String, _ text: String, mode: mode_t = 0o644) throws {
        let descriptor = open(path + name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw TestFailure("open \(name): errno \(errno)") }
        defer { close(descriptor) }
        fchmod(descriptor, mode)
        var text = text
        let written = text.withUTF8 { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard written == text.utf8.count else { throw TestFailure("write \(name): errno \(errno)") }
    }

    func link(_ from: String, _ to: String) { _ = Glibc.link(path + from, path + to) }

    func symlink(_ target: String, _ name: String) { _ = Glibc.symlink(target, path + name) }

    func remove(_ name: String) throws { try sample.scratch.remove("root" + name) }

    func export(_ name: String = "/x", generation: UInt32 = 1) -> Export {
        Export(path: name, directory: path, generation: generation)
    }

    /// The tree itself, or a squashfs image of it as it is now.
    func export(_ kind: TreeKind, _ name: String = "/x", generation: UInt32 = 1) async throws -> Export {
        guard kind == .image else { return export(name, generation: generation) }
        return Export(path: name, image: try await image(), generation: generation)
    }

    /// Packs the tree.
    /// - Parameter options: mksquashfs's; by default blocks far smaller than the files.
    func image(
        _ options: [String] = ["-comp", "zstd", "-b", "16384"], name: String = "root.squashfs"
    ) async throws -> String {
        let usual = ["-noappend", "-no-progress", "-quiet"]
        _ = try await sample.scratch.output("mksquashfs", ["root", name] + usual + options)
        return "\(sample.scratch.path)/\(name)"
    }
}

/// How a tree is served.
enum TreeKind: CaseIterable {
    case tree, image
}

/// Serves for the time of `body`, and stops whatever happens.
func withServer(
    _ exports: [Export], provider: ExportProvider? = nil, onFirstUse: (@Sendable (Export) -> Void)? = nil,
    limits: NFSLimits = NFSLimits(), address: String = "127.0.0.1", port: Int = 0, log: Logger = Logger(label: "test"),
    accepts: (@Sendable (String) -> Bool)? = nil,
    _ body: (NFSServer) async throws -> Void
) async throws {
    let server = try await NFSServer.start(
        exports: exports, provider: provider, address: address, port: port, accepts: accepts, onFirstUse: onFirstUse,
        limits: limits, log: log)
    do {
        try await body(server)
    } catch {
        try await server.stop()
        throw error
    }
    try await server.stop()
}

/// Runs `body` on a thread of its own, for what it waits for needs the threads of Swift's concurrency.
func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    let pool = NIOThreadPool(numberOfThreads: 1)
    pool.start()
    let result: R
    do {
        result = try await pool.runIfActive { try body() }
    } catch {
        try await pool.shutdownGracefully()
        throw error
    }
    try await pool.shutdownGracefully()
    return result
}

extension FileHandle {
    /// As a client has it.
    var bytes: [UInt8] {
        var buffer = ByteBuffer()
        write(to: &buffer)
        return Array(buffer.readableBytesView.dropFirst(4))
    }
}
