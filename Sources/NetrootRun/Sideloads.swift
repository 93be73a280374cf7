import Glibc
import NetrootConfig
import NetrootEntry
import NetrootImage
import NetrootStore
import NetrootSystem

/// Archives that a run appends to the initramfs, checked before anything is changed.
public struct Sideloads: Sendable, Equatable {
    /// Their paths, in the order in which they are laid over the root.
    public let paths: [String]

    /// None.
    public static let none = Sideloads(checked: [])

    private init(checked paths: [String]) { self.paths = paths }

    /// - Parameter paths: newc archives, compressed as the kernel takes them or not at all.
    /// - Throws: `RunError.badSideload` for what is no such archive, `CancellationError`.
    public init(_ paths: [String]) async throws {
        for path in paths { try await Self.check(path) }
        self.paths = paths
    }

    private static func check(_ path: String) async throws {
        func bad(_ problem: String, _ next: String) -> RunError {
            .badSideload(path: path, problem: problem, next: next)
        }
        guard Files.exists(path) else { throw bad("is not there", "check its name") }
        guard !Files.isDirectory(path) else {
            throw bad("is a directory", "make an archive of it: netroot sideload create --tree \(path) -o FILE")
        }
        do {
            if let reason = try await Initramfs.open(path).kernelRefusal() { throw bad("cannot be appended", reason) }
        } catch let error as RunError {
            throw error
        } catch let error as any ReportableError {
            throw bad("cannot be appended", "\(error)")
        }
    }

    /// The host name that the last of some archives gives the machine; nil where none does.
    ///
    /// The files of a side-load lie below `netroot/overlay`. A root in RAM takes plain names too, and before those.
    /// - Throws: `SystemError`, `FileKindError`, `NewcError`, `InitramfsError`, `CancellationError`.
    static func hostname(in paths: [String], for transport: any Transport) async throws -> String? {
        let laid = "netroot/overlay/etc/hostname"
        let places = transport.loads == .rescue ? ["etc/hostname", laid] : [laid]
        var name: String?
        for path in paths {
            let contents = try await Initramfs.open(path) { places.contains(String(decoding: $0, as: UTF8.self)) }
                .contents
            for place in places {
                guard let content = contents[place]?.content else { continue }
                name = String(decoding: content, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? name
            }
        }
        return name
    }
}

extension NetworkBoot {
    /// rootfs is a tmpfs of half of the machine's RAM. Where the root's files do not fit into it, it can be one without a
    /// bound (Documentation/filesystems/ramfs-rootfs-initramfs.rst). An image is half as large, and needs no such thing.
    func rootfsType(_ generation: Generation) -> [String] {
        guard way.transport.loads == .rescue, let archive = generation.artifact(.rescue)?.archive,
            archive.layout == .cpio, archive.leastRAM > Int64(label.vmMemory) << 20
        else { return [] }
        return ["rootfstype=ramfs"]
    }
}
