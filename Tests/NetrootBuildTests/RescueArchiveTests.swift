import NetrootConfig
import NetrootImage
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

/// The parts of a rescue archive that are told without a build.
@Suite struct RescueArchiveTests {
    // MARK: - Modules

    private static let dependencies = """
        kernel/drivers/block/loop.ko.xz:
        kernel/fs/squashfs/squashfs.ko.xz: kernel/lib/zstd/zstd_decompress.ko.xz kernel/lib/xxhash.ko.xz
        kernel/lib/zstd/zstd_decompress.ko.xz: kernel/lib/xxhash.ko.xz
        kernel/lib/xxhash.ko.xz:
        kernel/drivers/a-b.ko: kernel/drivers/c.ko.zst
        kernel/drivers/c.ko.zst: kernel/drivers/a-b.ko
        """

    private func order(_ names: String...) throws -> [String] {
        try ModuleOrder(dependencies: Self.dependencies, builtin: "kernel/fs/overlayfs/overlay.ko\n").order(of: names)
            .map { Files.name($0) }
    }

    @Test func whatAModuleNeedsComesBeforeItOnce() throws {
        #expect(
            try order("loop", "squashfs") == ["loop.ko.xz", "xxhash.ko.xz", "zstd_decompress.ko.xz", "squashfs.ko.xz"])
        #expect(try order("squashfs", "zstd_decompress").count == 3)
    }

    @Test func whatIsBuiltInNeedsNoFile() throws { #expect(try order("overlay").isEmpty) }

    @Test func aCircleEnds() throws { #expect(try order("a_b") == ["c.ko.zst", "a-b.ko"]) }

    @Test func aModuleThatIsMissingIsNamed() {
        #expect(throws: BuildError.kernelLacks(module: "erofs")) { try order("loop", "erofs") }
        #expect("\(BuildError.kernelLacks(module: "erofs"))".contains("INITRAMFS_LAYOUT = cpio"))
    }

    // MARK: - Skeleton

    @Test func theSkeletonHasDirectoriesAndWhatLeadsToThem() throws {
        let scratch = try ScratchDirectory()
        let root = RootTree(directory: scratch.path + "/root")
        for directory in ["usr/lib", "etc/a b\nc", "run", "var", "netroot/x", "proc"] {
            try root.makeDirectory(directory)
        }
        try root.write("etc/file", "1")
        try root.write("init", "1")
        try root.link("lib", to: "usr/lib")
        try root.link("var/run", to: "/run")
        try root.link("etc/dangling", to: "nothing")
        try root.link("etc/to-file", to: "file")
        try root.link("etc/out", to: "/etc/../../usr")
        try root.link("loop", to: "loop")
        let entries = try RootSkeleton(of: root.directory).entries
        #expect(
            Set(entries.map { String(decoding: $0.path, as: UTF8.self) })
                == ["usr", "usr/lib", "etc", "etc/a b\nc", "run", "var", "proc", "lib", "var/run", "etc/out"])
        #expect(entries.allSatisfy { $0.uid == RootSkeleton.owner && $0.gid == RootSkeleton.owner && $0.mtime == 0 })
        #expect(entries.first { $0.path == Array("lib".utf8) }?.content == .symlink(Array("usr/lib".utf8)))
    }

    // MARK: - Settings

    @Test func theSettingsAreLinesForTheShell() {
        var settings = RescueSettings(
            layout: .squashfs, leastRAM: LeastRAM(archive: 108_100_000, files: 111_000_000), archive: "abc",
            image: .init(bytes: 5, sha256: "00ff"), rootMode: 0o1755)
        let mib = settings.leastRAM.bounded >> 20
        let unbounded = settings.leastRAM.unbounded >> 20
        #expect(
            settings.text == """
                layout=squashfs
                least_ram=\(mib)
                least_ram_unbounded=\(unbounded)
                owner=1852142706
                archive=abc
                root_mode=1755
                image_bytes=5
                image_sha256=00ff

                """)
        settings.layout = .cpio
        settings.image = nil
        #expect(settings.text.hasPrefix("layout=cpio\n") && !settings.text.contains("image"))
    }

    // MARK: - RAM

    /// Figures of boots under QEMU with Debian 12: with the RAM of the first number the system was whole, with that of the second
    /// it was not. What is recorded must not be less than the first, nor far more.
    @Test(arguments: [
        // squashfs: an archive of 103 MiB.
        (LeastRAM(archive: 108_103_844, files: 111_000_000).bounded, 368, 352)
    ])
    func leastRAMIsWhatWasMeasured(bytes: Int64, whole: Int64, cut: Int64) {
        let mib = bytes >> 20
        #expect(mib >= whole && mib > cut && mib <= whole + 64)
    }

    @Test func leastRAMIsInStepsOf16MiB() {
        for files in stride(from: UInt64(0), to: 3 << 30, by: 123_456_789) {
            let least = LeastRAM(archive: files / 3, files: files)
            #expect(least.bounded % (16 << 20) == 0 && least.unbounded % (16 << 20) == 0)
            #expect(least.bounded >> 20 >= Int64(files >> 20) + 128 && least.unbounded <= least.bounded)
        }
    }

    // MARK: - Programs

    @Test func aStaticProgramHasNoInterpreter() throws {
        // The test's own program is loaded by ld.so.
        #expect(try !StaticBusybox.isStatic(Files.read("/proc/self/exe", limit: 1 << 30)))
        #expect(!StaticBusybox.isStatic(Array("#!/bin/sh\n".utf8)) && !StaticBusybox.isStatic([]))
        var header = [UInt8](repeating: 0, count: 64 + 56)
        header.replaceSubrange(0..<6, with: [0x7F, 0x45, 0x4C, 0x46, 2, 1])
        (header[16], header[32], header[54], header[56], header[64]) = (2, 64, 56, 1, 1)
        #expect(StaticBusybox.isStatic(header))
        header[64] = 3
        #expect(!StaticBusybox.isStatic(header))
        // Cut off.
        header[64] = 1
        header[56] = 2
        #expect(!StaticBusybox.isStatic(header))
    }

    @Test("A busybox is for the root's machine and has the commands of /init; else it is not taken")
    func aFittingBusybox() throws {
        let shipped = ShippedFiles(directory: Checkout.path)
        let own = try Files.read(try #require(Tool("busybox", package: "busybox-static").path))
        let scratch = try ScratchDirectory()
        let root = RootTree(directory: scratch.path)
        try root.makeDirectory("usr/bin")
        #expect(try StaticBusybox.read(from: root, shipped) == own, "a root without programs has no machine")

        // Static, but with fewer commands.
        let name = try #require(own.firstRange(of: [0] + Array("switch_root".utf8) + [0]))
        var small = own
        small[name.lowerBound + 1] = UInt8(ascii: "S")
        #expect(StaticBusybox.strings(in: own).isSuperset(of: ["switch_root", "insmod", "sha256sum"]))
        #expect(!StaticBusybox.strings(in: small).contains("switch_root"))
        try root.write("usr/bin/busybox", small)
        #expect(try StaticBusybox.read(from: root, shipped) == own)
        try root.write("usr/bin/busybox", own + [1])
        #expect(try StaticBusybox.read(from: root, shipped) == own + [1])

        // Of another machine: AArch64 is 183.
        var foreign = own
        foreign[18] = 183
        try root.makeDirectory("bin")
        try root.write("bin/sh", foreign)
        #expect(try StaticBusybox.machine(of: root) == 183)
        let error = try #require(throws: MissingError.self) { try StaticBusybox.read(from: root, shipped) }
        #expect(error.exitStatus == .unavailable && "\(error)".contains("busybox-static"))
        try root.write("usr/bin/busybox", foreign)
        #expect(try StaticBusybox.read(from: root, shipped) == foreign)
    }

    // MARK: - Network

    @Test(
        arguments: [
            ([], [:], false), (["systemd-networkd.service"], [:], false),
            (["systemd-networkd.service"], ["etc/systemd/network/80-x.network": ""], true),
            ([], ["etc/systemd/network/80-x.network": ""], false), (["NetworkManager.service"], [:], true),
            (["networking.service"], ["etc/network/interfaces": "auto lo\niface lo inet loopback\n"], false),
            (["networking.service"], ["etc/network/interfaces.d/x": "iface eth0 inet dhcp\n"], true),
            (["dhcpcd.service"], [:], true),
        ] as [([String], [String: String], Bool)])
    func aRootWithoutANetworkIsWarnedOf(units: [String], files: [String: String], isConfigured: Bool) throws {
        let scratch = try ScratchDirectory()
        let root = RootTree(directory: scratch.path + "/root")
        try root.makeDirectory("etc")
        for unit in units { try root.link("etc/systemd/system/multi-user.target.wants/\(unit)", to: "/lib/\(unit)") }
        for (path, text) in files { try root.write(path, text) }
        #expect(try (NetworkOfRoot.warning(of: root) == nil) == isConfigured)
    }
}
