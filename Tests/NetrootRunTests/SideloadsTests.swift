import Glibc
import NetrootConfig
import NetrootEntry
import NetrootImage
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootRun

/// Archives that a run appends, and what QEMU loads where it loads the kernel itself.
@Suite struct SideloadsTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    private func archive(_ name: String, _ entries: [String: String]) throws -> String {
        let path = "\(scratch.path)/\(name)"
        _ = try NewcArchive(
            entries: entries.sorted { $0.key < $1.key }.map { NewcEntry($0.key, .bytes(Array($0.value.utf8))) }
        ).write(toFile: path)
        return path
    }

    @Test func archivesAreTaken() async throws {
        let paths = [try archive("a", ["netroot/overlay/etc/a": "a"]), try archive("b", ["etc/hostname": "x\n"])]
        #expect(try await Sideloads(paths).paths == paths)
        #expect(Sideloads.none.paths.isEmpty)
    }

    @Test func whatIsNoArchiveIsRefused() async throws {
        let text = try scratch.write("text", "hello")
        try Files.makeDirectory(scratch.path + "/folder")
        let fifo = scratch.path + "/fifo"
        try SystemError.check("make", fifo, mkfifo(fifo, 0o600))
        let plain = try Files.read(try archive("plain", ["etc/a": "a"]))
        let packed = try await CommandRunner().captureBytes(Command(["xz", "-c", "--check=crc64"]), input: plain)
        let crc64 = scratch.path + "/crc64"
        try Files.replace(crc64, with: packed)
        for (path, words) in [
            (scratch.path + "/nothing", "is not there"), (scratch.path + "/folder", "netroot sideload create --tree"),
            // Nobody waits for a writer.
            (fifo, "it is a FIFO"), (crc64, "xz --check=crc32"),
            (text, "neither a newc archive nor a known compression at byte 0"),
        ] {
            let error = await #expect(throws: RunError.self) { try await Sideloads([path]) }
            #expect(error?.description.contains(words) == true, "\(String(describing: error))")
            #expect(error?.description.hasPrefix("--sideload \(path) ") == true)
            #expect(error?.exitStatus == .usage)
        }
    }

    @Test func theLastHostNameCounts() async throws {
        let first = try archive("a", ["netroot/overlay/etc/hostname": "one\n"])
        let second = try archive("b", ["etc/hostname": "two"])
        let none = try archive("c", ["netroot/overlay/etc/x": "three\n"])
        #expect(try await Sideloads.hostname(in: [first, second, none], for: RAM()) == "two")
        #expect(try await Sideloads.hostname(in: [second, first], for: RAM()) == "one")
        #expect(try await Sideloads.hostname(in: [none], for: RAM()) == nil)
        // A plain name stays in the initramfs of dracut.
        #expect(try await Sideloads.hostname(in: [first, second], for: NFS()) == "one")
        #expect(try await Sideloads.hostname(in: [second], for: NFS()) == nil)
    }

    /// A label in RAM, its generation, and a boot of it without a boot loader.
    private func boot(layout: String, memory: Int, leastRAM: Int64) async throws -> (NetworkBoot, Generation) {
        let hosts = "[a]\nRECIPE = a.def\nFORMAT = initramfs\nINITRAMFS_LAYOUT = \(layout)\nVM_MEMORY = \(memory)\n"
        let label = try HostsFile(text: hosts, path: scratch.path + "/hosts.conf", transports: Transports.shipped.names)
            .label("a")
        let store = LabelStore(label: label)
        try Files.makeDirectory(store.generationsDirectory)
        func note(_ text: String) { Issue.record("\(text)") }
        let generation = try await store.withDraft(note: note) { draft in
            try Files.replace(draft.vmlinuz, with: [1])
            try Files.replace(draft.path(of: .rescue), with: Array("12345".utf8))
            let archive = Manifest.Archive(
                layout: label.initramfsLayout, compression: "zstd:9", unpackedBytes: 1, leastRAM: leastRAM)
            return try await store.publish(
                draft,
                manifest: Manifest(
                    label: "a", generation: draft.number, formats: ["initramfs"],
                    artifacts: [
                        .init(.kernel, bytes: 1, sha256: ""), .init(.rescue, bytes: 5, sha256: "", archive: archive),
                    ], transports: ["ram"], readWrite: false, origin: .init(verb: "build"),
                    recipe: .init(path: "a.def", sha256: ""), bootstrap: .init(agent: "scratch"),
                    privileged: .init(setuid: 0, setgid: 0, capabilities: 0), shipped: "", kernelVersion: "6.1",
                    packages: [], netroot: "0", started: "", finished: "", steps: []))
        }
        let boot = NetworkBoot(
            label: label, way: BootWay(transport: RAM(), loader: .direct),
            shipped: ShippedFiles(directory: scratch.path), sshPort: 1, server: RAM.noServer)
        return (boot, generation)
    }

    @Test func qemuGetsOneFileWithEachArchiveOnAMultipleOfFour() async throws {
        let (boot, generation) = try await boot(layout: "squashfs", memory: 512, leastRAM: 1 << 28)
        let more = try archive("more", ["netroot/overlay/etc/a": "a"])
        let session = try await BootSession.begin(boot.label, verb: "test", exports: []) { _ in }
        let served = try await boot.serve(.init(generation: generation, artifact: .rescue), in: session) { _ in }
        #expect(served.daemons.isEmpty && served.server == nil)
        let files = try await boot.makeBootFiles(in: session, generation, served: served, appending: [more])
        let kernel = try #require(files.kernel)
        #expect(try Files.read(kernel.initramfs) == Array("12345\0\0\0\0\0\0\0".utf8) + Files.read(more))
        #expect(kernel.path == generation.vmlinuz)
        #expect(kernel.commandLine.hasPrefix("ro rootovlsize=50% console=tty0 console=ttyS0,115200n8 mitigations=off"))
        for word in ["ip=", "root=", "rootfstype", "rd.netroot", "BOOTIF"] {
            #expect(!kernel.commandLine.contains(word), "\(kernel.commandLine)")
        }
        let argv = try boot.machine(
            files, in: session, terminal: false, checkSocket: nil, endsAtReboot: true
        ).argv.joined(separator: " ")
        #expect(argv.contains("-kernel \(kernel.path) -initrd \(kernel.initramfs) -append ro "))
        try await session.end()
        #expect(!Files.exists(kernel.initramfs))
    }

    /// `rootfstype=ramfs` only where the archive's files do not fit into a tmpfs.
    @Test(arguments: [("squashfs", 1 << 31, false), ("cpio", 1 << 31, true), ("cpio", 512 << 20, false)])
    func ramfsWhereTheSizeNeedsIt(layout: String, leastRAM: Int64, isUnbounded: Bool) async throws {
        let (boot, generation) = try await boot(layout: layout, memory: 512, leastRAM: leastRAM)
        let line = try boot.commandLine(ServedRoot(root: RAMRoot()), generation).rendered()
        #expect(line.contains("rootfstype=ramfs") == isUnbounded)
    }
}
