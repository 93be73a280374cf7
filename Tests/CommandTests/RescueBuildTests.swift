import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import Testing

extension Builds {
    /// `FORMAT = initramfs`: a whole root in one archive.
    @Suite(.serialized) struct RescueBuildTests {
        let scratch: Scratch

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
        }

        /// A root that no program runs in, with a kernel and modules of a few bytes.
        private static let root = """
            cd "$APPTAINER_ROOTFS"
            mkdir -p usr/bin usr/sbin usr/lib/modules/6.1.0-fake/kernel etc/empty boot srv
            ln -s usr/lib lib; ln -s usr/bin bin
            echo kernel > boot/vmlinuz-6.1.0-fake
            cd usr/lib/modules/6.1.0-fake
            for module in loop squashfs; do echo "$module" > kernel/$module.ko; done
            echo overlay | xz --check=crc32 > kernel/overlay.ko.xz
            printf '%s\\n' 'kernel/loop.ko:' 'kernel/squashfs.ko: kernel/loop.ko' 'kernel/overlay.ko.xz:' > modules.dep
            cd "$APPTAINER_ROOTFS"
            echo one > srv/motd; chown 12:34 srv/motd; chmod 0750 srv
            echo theirs > init
            """

        private func build(
            _ more: String, setup: String = "", epoch: String? = nil, _ arguments: String...
        ) async throws -> Outcome {
            let usual = ["FORMAT = initramfs\n", "COMPRESSION = zstd:1\n"].filter { line in
                !more.contains(line.prefix { $0 != " " })
            }
            try scratch.writeHosts("a", more: usual.joined() + more)
            let lines = (Self.root + "\n" + setup).split(separator: "\n").map { "    \($0)\n" }.joined()
            try scratch.write("a.def", "Bootstrap: scratch\n\n%setup\n\(lines)")
            var environment = ["NETROOT_CACHE": scratch.path + "/cache"]
            if let epoch { environment["SOURCE_DATE_EPOCH"] = epoch }
            return try await run(
                scratch.netroot(["build", "a"] + arguments), environment: environment, folder: scratch.path)
        }

        private func archive(of generation: Generation) async throws -> Initramfs {
            try await Initramfs.open(try generation.requirePath(of: .rescue), keeping: { _ in true })
        }

        private func text(_ path: String, in archive: Initramfs) throws -> String {
            String(decoding: try #require(archive.contents[path]?.content, "\(path)"), as: UTF8.self)
        }

        @Test func anImageInAnArchive() async throws {
            let outcome = try await build("")
            expectSuccess(outcome)
            #expect(outcome.errors.contains("nothing in the root configures the network"))
            let generation = try scratch.store("a").current()
            #expect(generation.manifest.artifacts.map(\.kind) == [.kernel, .rescue])
            #expect(generation.manifest.transports == [.ram])
            #expect(generation.manifest.steps.map(\.name).suffix(2) == ["kernel", "archive"])
            #expect(
                try Files.names(in: generation.directory) == [
                    "build.log", "manifest.json", "rescue.cpio.zst", "vmlinuz",
                ])
            let artifact = try #require(generation.artifact(.rescue))
            let recorded = try #require(artifact.archive)
            #expect(recorded.layout == .squashfs && recorded.compression == "zstd:1" && recorded.blockSize == 1 << 20)
            #expect(recorded.leastRAM >= 128 << 20 && recorded.leastRAM % (16 << 20) == 0)
            let path = try generation.requirePath(of: .rescue)
            #expect(try await run(["sha256sum", path]).output.hasPrefix(try #require(artifact.sha256)))

            let archive = try await archive(of: generation)
            // What is not compressed follows each other as one.
            #expect(archive.segments.map(\.compression) == [.zstd, .uncompressed] && archive.segments[1].archives == 2)
            #expect(archive.contents.entries.last.map { String(decoding: $0.path, as: UTF8.self) } == "netroot/whole")
            let settings = try text("netroot/settings", in: archive)
            #expect(settings.contains("layout=squashfs\nleast_ram=\(recorded.leastRAM >> 20)\n"))
            #expect(settings.contains("archive=\(try text("netroot/whole", in: archive))"))
            #expect(
                try text("netroot/modules/order", in: archive)
                    == "/netroot/modules/loop.ko\n/netroot/modules/squashfs.ko\n/netroot/modules/overlay.ko.xz\n")
            #expect(try text("netroot/modules/overlay.ko.xz", in: archive) == "overlay\n")
            #expect(try text("init", in: archive).hasPrefix("#!/netroot/busybox sh\n"))
            // The root's directories, marked, and none of its files.
            for name in ["lib", "etc/empty", "srv", "dev", "proc", "run", "sys"] {
                #expect(archive.contents[name]?.uid == 0x6E65_7472, "\(name)")
            }
            #expect(archive.contents["srv/motd"] == nil)

            let image = try #require(archive.contents["netroot/root.squashfs"]?.content)
            try scratch.write("root.squashfs", bytes: image)
            #expect(settings.contains("image_bytes=\(image.count)\n"))
            #expect(settings.contains("image_sha256=\(try Digest.of(image).hexadecimal)\n"))
            let listing = try await run(["unsquashfs", "-lln", scratch.path + "/root.squashfs"]).output
            #expect(listing.contains("-rw-r--r-- 12/34") && listing.contains("squashfs-root/init"))
        }

        @Test func filesInAnArchive() async throws {
            let outcome = try await build("INITRAMFS_LAYOUT = cpio\nCOMPRESSION = none\n")
            expectSuccess(outcome)
            #expect(outcome.errors.contains("left /init of the root out of the archive"))
            #expect(!outcome.errors.contains("left /netroot"))
            let generation = try scratch.store("a").current()
            let path = try generation.requirePath(of: .rescue)
            #expect(Files.name(path) == "rescue.cpio")
            #expect(generation.artifact(.rescue)?.archive?.layout == .cpio)
            let archive = try await archive(of: generation)
            #expect(archive.segments.map(\.archives) == [3])
            #expect(archive.contents.entries.last.map { String(decoding: $0.path, as: UTF8.self) } == "netroot/whole")
            #expect(try text("init", in: archive).hasPrefix("#!/netroot/busybox sh\n"))
            let motd = try #require(archive.contents["srv/motd"])
            #expect(motd.uid == 12 && motd.gid == 34 && motd.content == Array("one\n".utf8))
            #expect(
                archive.contents["netroot/modules/order"] == nil && archive.contents["netroot/root.squashfs"] == nil)
            // The reference: cpio(1) takes the archives one after the other.
            let first = try await run(["sh", "-c", "cpio -t --quiet <\"$1\" | head -n 1", "sh", path])
            #expect(first.output == "dev\n")
        }

        @Test func theSameTreeGivesTheSameBytes() async throws {
            for layout in ["squashfs", "cpio"] {
                expectSuccess(try await build("INITRAMFS_LAYOUT = \(layout)\n", epoch: "1000000000"))
                let first = try scratch.store("a").current()
                expectSuccess(try await build("INITRAMFS_LAYOUT = \(layout)\n", epoch: "1000000000"))
                let second = try scratch.store("a").current()
                #expect(first.number + 1 == second.number)
                #expect(first.artifact(.rescue) == second.artifact(.rescue), "\(layout)")
            }
        }

        @Test func ifChangedLooksAtTheLayout() async throws {
            expectSuccess(try await build(""))
            #expect(try await build("", "--if-changed").output.contains("generation 1 is current"))
            expectSuccess(try await build("INITRAMFS_LAYOUT = cpio\n", "--if-changed"))
            #expect(try scratch.store("a").current().number == 2)
            expectSuccess(
                try await build(
                    "INITRAMFS_LAYOUT = cpio\nFORMAT = initramfs squashfs\nTRANSPORTS = ram\n", "--if-changed"))
            #expect(
                try scratch.store("a").current().manifest.artifacts.map(\.kind) == [.kernel, .squashfs, .rescue])
        }

        @Test func inspectShowsTheLeastRAM() async throws {
            expectSuccess(try await build(""))
            let least = try #require(scratch.store("a").current().artifact(.rescue)?.archive?.leastRAM)
            let shown = try await run(scratch.netroot(["inspect", "a"]))
            expectSuccess(shown)
            #expect(shown.output.contains("from RAM it needs at least \(least >> 20) MiB"))
            for arguments in [["inspect", "a"], ["generations", "a"], ["list"]] {
                let json = try await run(scratch.netroot(arguments + ["--json"]))
                #expect(json.output.contains("\"leastRAM\" : \(least)"), "\(arguments)")
            }
        }

        @Test func aKernelWithoutTheModulesIsRefused() async throws {
            let outcome = try await build("", setup: "rm usr/lib/modules/6.1.0-fake/modules.dep")
            #expect(
                outcome.status == 1 && outcome.errors.contains("the root's kernel has no module loop"),
                "\(outcome.errors)")
            expectSuccess(
                try await build("INITRAMFS_LAYOUT = cpio\n", setup: "rm usr/lib/modules/6.1.0-fake/modules.dep"))
        }

        @Test func aRootInRAMIsNotReadWrite() async throws {
            expectError(
                try await build("RW = Y\n"), .usage, ["RW: a root in RAM (FORMAT = initramfs) is always writable"])
            expectError(
                try await build("FORMAT = squashfs\nTRANSPORTS = http ram\nRW = Y\n"), .usage,
                ["RW: a root in RAM (the transport ram) is always writable"])
        }

        @Test func whatNeedsMoreThanMaxRAMIsNotPublished() async throws {
            let outcome = try await build("MAX_RAM = 64m\n")
            expectError(outcome, .failed, ["rescue.cpio.zst needs ", "more than MAX_RAM = 64.0 MiB"])
            #expect(outcome.errors.contains("largest files:\n"))
            #expect(throws: (any Error).self) { try scratch.store("a").current() }
            expectSuccess(try await build("MAX_RAM = 1g\n"))
        }

        @Test func aMissingBusyboxIsToldBeforeTheWork() async throws {
            try scratch.writeHosts("a", more: "FORMAT = initramfs\nCOMPRESSION = zstd:1")
            let lines = Self.root.split(separator: "\n").map { "    \($0)\n" }.joined()
            try scratch.write("a.def", "Bootstrap: scratch\n\n%setup\n\(lines)")
            let outcome = try await scratch.run("build", "a", wrapper: Namespace.hiding(["busybox"]))
            expectError(outcome, .unavailable, ["a static busybox", "apt-get install busybox-static"])
            #expect(!outcome.errors.contains("s  kernel"))
        }

        @Test("The root in an archive can be compared, copied by another label, and edited, though it has no kernel")
        func theRootIsReadFromTheArchive() async throws {
            expectSuccess(try await build("", setup: "cp /bin/busybox usr/bin/busybox; mkdir -p proc sys dev run tmp"))
            let first = try scratch.store("a").current()
            let inspected = try await run(scratch.netroot(["inspect", "a"]))
            #expect(inspected.output.contains("/usr/bin/busybox") && !inspected.output.contains("/boot/vmlinuz"))
            let shell = try await run(
                scratch.netroot(["shell", "a", "--", "/usr/bin/busybox", "touch", "/srv/new"]),
                environment: ["NETROOT_CACHE": scratch.path + "/cache"])
            expectSuccess(shell)
            let second = try scratch.store("a").current()
            #expect(second.number == first.number + 1)
            #expect(try Files.read(second.vmlinuz) == Files.read(first.vmlinuz))
            let diff = try await run(scratch.netroot(["diff", "a", "1", "2"]))
            #expect(diff.status <= 1 && diff.output.contains("srv/new") && !diff.output.contains("vmlinuz"), "\(diff)")

            try scratch.writeHosts("a", "b", more: "FORMAT = initramfs\nCOMPRESSION = zstd:1")
            try scratch.write("b.def", "Bootstrap: localimage\nFrom: label:a\n")
            let copied = try await run(
                scratch.netroot(["build", "b"]), environment: ["NETROOT_CACHE": scratch.path + "/cache"])
            expectSuccess(copied)
            let third = try scratch.store("b").current()
            #expect(try Files.read(third.vmlinuz) == Files.read(first.vmlinuz))
        }

        @Test func whatCannotBeReadFromAnArchiveIsSaid() async throws {
            expectSuccess(try await build("INITRAMFS_LAYOUT = cpio\n"))
            let shell = try await run(scratch.netroot(["shell", "a", "--", "true"]))
            #expect(
                shell.status == 1 && shell.errors.contains("set FORMAT = squashfs initramfs, or INITRAMFS_LAYOUT"),
                "\(shell.errors)")
            let live = try await run(scratch.netroot(["shell", "a", "--live", "--", "true"]))
            #expect(live.status == 64 && live.errors.contains("cannot be edited in place"), "\(live.errors)")
        }
    }
}
