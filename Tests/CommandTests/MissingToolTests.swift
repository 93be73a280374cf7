import Glibc
import NetrootConfig
import NetrootSystem
import TestSupport
import Testing

/// What is not installed, not permitted or in use is said before anything is changed.
@Suite struct MissingToolTests {
    let scratch: Scratch

    init() throws {
        try #require(Place.isRoot, "mount namespaces need root")
        scratch = try Scratch()
        try scratch.writeHosts("a")
        try scratch.write("a.def", "Bootstrap: debootstrap\nOSVersion: bookworm\n%post\n    true\n")
    }

    /// Runs netroot, and expects that the folder is as it was.
    private func unchanged(_ wrapper: [String], _ arguments: String...) async throws -> Outcome {
        let before = try await scratch.snapshot()
        let outcome = try await run(wrapper + scratch.netroot(arguments), folder: scratch.path, limit: 20)
        #expect(try await scratch.snapshot() == before)
        return outcome
    }

    @Test func withoutMmdebstrap() async throws {
        let hidden = Namespace.hiding(["mmdebstrap"])
        expectError(
            try await unchanged(hidden, "build", "a"), .unavailable,
            ["not installed: mmdebstrap", "apt-get install mmdebstrap"])
    }

    /// netroot was copied without it, or built by a command of one's own.
    @Test func withoutTheProgramForRoots() async throws {
        let netroot = try await InstalledNetroot.copy(Place.netroot, to: scratch.path + "/installed")
        let program = scratch.path + "/installed/libexec/netroot/netroot-lease"
        try #require(Files.exists(program))
        try #require(unlink(program) == 0)
        for options in [[], ["--if-changed"]] {
            let build = [netroot] + scratch.netroot(["build", "a"] + options).dropFirst()
            expectError(
                try await run(build, folder: scratch.path), .unavailable,
                ["not installed: \(program)", "swift build -c release --static-swift-stdlib --product netroot"])
            #expect(!Files.exists(scratch.path + "/netroots"))
        }
    }

    @Test func severalAreNamedAtOnce() async throws {
        let hidden = Namespace.hiding(["mmdebstrap", "zstd"])
        expectError(
            try await unchanged(hidden, "build", "a"), .unavailable, ["apt-get install mmdebstrap zstd"])
    }

    @Test(arguments: [
        ("dnf", "dnf", "dnf"), ("yum", "dnf", "dnf"), ("zypper", "zypper", "zypper"), ("dnf", "rpm", "rpm"),
    ])
    func withoutTheAgentsTool(agent: String, tool: String, package: String) async throws {
        try scratch.write("a.def", "Bootstrap: \(agent)\nMirrorURL: http://mirror.example.org/\n")
        expectError(
            try await unchanged(Namespace.hiding([tool]), "build", "a"), .unavailable,
            ["not installed: \(tool)", "apt-get install \(package)"])
    }

    @Test(arguments: ["startnfs", "test"]) func withoutQEMU(verb: String) async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        expectSuccess(try await scratch.run("installnfs", "a"))
        let hidden = Namespace.hiding(["qemu-system-x86_64"])
        expectError(
            try await unchanged(hidden, verb, "a"), .unavailable,
            ["not installed: qemu-system-x86_64", "apt-get install qemu-system-x86"])
    }

    @Test(arguments: [
        ("startnfs", "nginx", "nginx-light"), ("startnbd", "nbd-server", "nbd-server"),
        ("starthttp", "nginx", "nginx-light"),
    ])
    func withoutTheServer(verb: String, tool: String, package: String) async throws {
        try await Fabricated.generation(of: scratch.label("a"), transports: ["nfs", "nbd", "http"], hasImage: true)
        expectSuccess(try await scratch.run("install" + verb.dropFirst("start".count), "a"))
        expectError(
            try await unchanged(Namespace.hiding([tool]), verb, "a"), .unavailable,
            ["not installed: \(tool)", "apt-get install \(package)"])
    }

    @Test func withoutOVMF() async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        expectSuccess(try await scratch.run("installnfs", "a"))
        let hidden = Namespace.mounting("mount -t tmpfs tmpfs /usr/share/OVMF")
        for arguments in [["startnfs", "a"], ["test", "a"]] {
            expectError(
                try await unchanged(hidden, arguments[0], arguments[1], "--firmware", "uefi"), .unavailable,
                ["OVMF_CODE", "apt-get install ovmf"])
        }
    }

    @Test(arguments: [
        ("/usr/lib/PXELINUX", "pxelinux"), ("/usr/lib/syslinux/modules/bios", "syslinux-common"),
        ("/usr/lib/grub/x86_64-efi", "grub-efi-amd64-bin"),
    ])
    func withoutPXELinux(directory: String, package: String) async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        let hidden = Namespace.mounting("mount -t tmpfs tmpfs \(directory)")
        expectError(
            try await unchanged(hidden, "installnfs", "a"), .unavailable, [directory, "apt-get install \(package)"])
    }

    @Test func kernelServerWithoutNfsd() async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        expectSuccess(try await scratch.run("installnfs", "a"))
        let hidden = Namespace.hiding(["exportfs", "rpc.nfsd"])
        expectError(
            try await unchanged(hidden, "startnfs", "a", "--server", "kernel"), .unavailable, ["nfs-kernel-server"])
    }

    @Test func nfsUtilitiesWithoutAServerInTheKernel() async throws {
        try #require(!Files.exists("/proc/fs/nfsd/threads"), "this kernel serves NFS")
        try await Fabricated.generation(of: scratch.label("a"))
        expectSuccess(try await scratch.run("installnfs", "a"))
        for name in ["exportfs", "rpc.nfsd"] { try scratch.write("bin/\(name)", "#!/bin/sh\nexit 1\n", mode: 0o755) }
        let outcome = try await scratch.run(
            "startnfs", "a", "--server", "kernel", environment: ["PATH": scratch.path + "/bin:/usr/bin:/bin"])
        expectError(outcome, .unavailable, ["no running nfsd", "nfs-kernel-server"])
    }

    @Test(arguments: ["build", "shell"]) func notRoot(verb: String) async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        expectError(
            try await unchanged(Namespace.asNobody, verb, "a"), .usage, ["tree", "FORMAT = squashfs", "sudo"])
    }

    @Test(arguments: ["gc --keep 0", "rollback 1", "installnfs", "installnfs --system --client any"])
    func notPermitted(words: String) async throws {
        for _ in 1...2 { try await Fabricated.generation(of: scratch.label("a")) }
        let arguments = words.split(separator: " ").map(String.init)
        let before = try await scratch.snapshot()
        let outcome = try await run(
            Namespace.asNobody + scratch.netroot([arguments[0], "a"] + arguments.dropFirst()), folder: scratch.path)
        expectError(outcome, .failed, ["Permission denied", scratch.path])
        #expect(try await scratch.snapshot() == before)
    }

    @Test(arguments: ["startnfs", "test"]) func portInUse(verb: String) async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        expectSuccess(try await scratch.run("installnfs", "a"))
        // Were the port not checked, this would run instead of QEMU and leave a mark.
        try scratch.write("bin/qemu-system-x86_64", "#!/bin/sh\ntouch \(scratch.path)/started\n", mode: 0o755)
        let listener = try Listener()
        let before = try await scratch.snapshot()
        let outcome = try await scratch.run(
            verb, "a", "--ssh-port", "\(listener.port)",
            environment: ["PATH": scratch.path + "/bin:/usr/sbin:/usr/bin:/sbin:/bin"], limit: 20)
        expectError(outcome, .failed, ["port \(listener.port) on 127.0.0.1 is in use", "ss -ltnp", "--ssh-port"])
        #expect(try await scratch.snapshot() == before)
    }
}
