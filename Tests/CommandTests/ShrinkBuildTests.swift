import NetrootStore
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

extension Builds {
    /// REMOVE_FILES, KERNEL_MODULES, MAX_SIZE in whole builds.
    @Suite(.serialized) struct ShrinkBuildTests {
        let scratch: Scratch
        private static let modules = "/usr/lib/modules/\(FakeRecipe.kernel)"
        private static let other = "6.0.0-other"

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
        }

        /// A kernel with modules and firmware: their files come from the host, the lists and a depmod from `%post`.
        private func build(_ lines: String, _ options: String...) async throws -> Outcome {
            let files = [
                "drivers/net/virtio_net": ["firmware=virtio/net.fw"], "fs/overlayfs/overlay": [],
                "drivers/block/loop": [],
                "sound/snd": ["firmware=snd/*.bin"], "fs/nfs/nfs": [], "fs/nfs/nfsv3": [], "drivers/net/failover": [],
            ]
            for (path, fields) in files {
                let name = "modules/\(path).ko"
                try Files.makeDirectory(Files.parent(scratch.path + "/" + name))
                try scratch.write(name, bytes: FabricatedModule.bytes(fields))
            }
            try scratch.writeHosts("a", more: lines)
            var recipe = FakeRecipe(
                files: "modules/* \(Self.modules)/kernel/",
                // The small root has no ln.
                setup: """
                    mkdir -p "$APPTAINER_ROOTFS/usr/lib/firmware/virtio"
                    ln -s real.fw "$APPTAINER_ROOTFS/usr/lib/firmware/virtio/net.fw"
                    """,
                post: """
                    rm -rf /usr/share/junk; mkdir -p /usr/share/junk/deep /usr/lib/firmware/virtio /usr/lib/firmware/snd
                    head -c 2000000 /dev/zero > /usr/share/junk/deep/zeroes
                    echo fw > /usr/lib/firmware/virtio/real.fw
                    head -c 500000 /dev/zero > /usr/lib/firmware/snd/a.bin
                    mkdir -p /lib/modules/\(Self.other)/kernel; echo x > /lib/modules/\(Self.other)/kernel/old.ko
                    echo other > /boot/vmlinuz-\(Self.other)
                    cd \(Self.modules)
                    for m in fs/overlayfs/overlay drivers/block/loop sound/snd fs/nfs/nfs drivers/net/failover; do
                        echo "kernel/$m.ko:" >> modules.dep
                    done
                    echo "kernel/fs/nfs/nfsv3.ko: kernel/fs/nfs/nfs.ko" >> modules.dep
                    echo "kernel/drivers/net/virtio_net.ko: kernel/drivers/net/failover.ko" >> modules.dep
                    echo kernel/fs/ext4/ext4.ko > modules.builtin
                    """)
            recipe.post += "\n" + FakeRecipe.install("depmod", "echo \"$*\" >> /var/depmod-runs")
            try recipe.write(scratch)
            let environment = try await FakeRecipe.environment(scratch)
            return try await run(
                scratch.netroot(["build", "a"] + options), environment: environment, folder: scratch.path)
        }

        @Test(
            "Files, modules, firmware and other kernels go before dracut runs; the manifest and the notes say what; shell keeps to it"
        )
        func shrunk() async throws {
            let lines = """
                REMOVE_FILES = /usr/share/junk/**
                KERNEL_MODULES = virtio-net ext4
                  -failover
                """
            let outcome = try await build(lines)
            expectSuccess(outcome)
            for note in [
                "removed 2 files, 2.0 MB, by REMOVE_FILES",
                "modules of kernels that are not booted, 0.0 MB: 6.0.0-other",
                "kept loop, nfs, nfsv3, overlay, which netroot needs",
                "kept the module failover though it is excluded: virtio_net need it",
                "kept 6 of 7 modules, removed 0.0 MB of modules, 0.5 MB of firmware",
            ] {
                #expect(outcome.errors.contains(note), "\(note)\n\(outcome.errors)")
            }
            let first = try scratch.store("a").current()
            #expect(try Files.names(in: first.root + "/usr/share/junk") == [])
            #expect(try Files.names(in: first.root + Self.modules + "/kernel") == ["drivers", "fs"])
            #expect(try Files.names(in: first.root + "/usr/lib/firmware") == ["virtio"])
            #expect(try Files.text(first.root + "/usr/lib/firmware/virtio/net.fw") == "fw\n")
            #expect(try Files.names(in: first.root + "/usr/lib/modules") == [FakeRecipe.kernel])
            #expect(try Files.text(first.root + "/var/depmod-runs") == "\(FakeRecipe.kernel)\n")
            let shrunk = try #require(first.manifest.shrunk)
            #expect(
                shrunk.removeFiles == ["/usr/share/junk/**"]
                    && shrunk.kernelModules == ["virtio-net", "ext4", "-failover"])
            #expect(shrunk.files == .init(removed: 2, bytes: 2_000_000))
            #expect(shrunk.modules?.kept == 6 && shrunk.modules?.removed == 1)
            #expect(shrunk.firmware == .init(kept: 2, removed: 1, bytes: 500_000))
            #expect(
                first.manifest.packages.contains { $0.bytes ?? 0 > 0 }
                    || first.manifest.packages.allSatisfy { $0.bytes == nil })

            #expect(try await build(lines, "--if-changed").output.contains("generation 1 is current, and the recipe"))
            // What is gone already is no error of a shell, and its firmware counts on.
            expectSuccess(try await scratch.run("shell", "a", "--", "true"))
            #expect(try scratch.store("a").current().manifest.shrunk?.firmware?.bytes == 500_000)
            // Nor does the manifest forget it where the label does.
            try scratch.writeHosts("a")
            expectSuccess(try await scratch.run("shell", "a", "--", "true"))
            #expect(try scratch.store("a").current().manifest.shrunk == shrunk)

            let largest = try await scratch.run("inspect", "a", "--largest", "--count", "2")
            expectSuccess(largest)
            #expect(largest.output.contains("largest directories of kernel modules:\n"))
            #expect(largest.output.contains("  /usr/lib/firmware/virtio\n"), "\(largest.output)")
            struct Row: Decodable {
                struct Sized: Decodable {
                    var path: String
                    var bytes: Int64
                }
                var unpackedBytes: Int64
                var modules: [Sized]
                var firmware: [Sized]
                var files: [Sized]
            }
            let row = try expectJSON(
                Row.self, try await scratch.run("inspect", "a", "--largest", "--count", "2", "--json"))
            #expect(row.files.count == 2 && row.firmware.map(\.bytes) == [3] && row.modules.count == 2)
        }

        @Test("The packages are known also where REMOVE_FILES takes their database, without the files that are gone")
        func withoutTheDatabase() async throws {
            expectSuccess(try await build(""))
            let whole = try scratch.store("a").current().manifest.packages
            try #require(!whole.isEmpty)
            expectSuccess(try await build("REMOVE_FILES = /var/lib/dpkg /usr/bin/dpkg-query"))
            let second = try scratch.store("a").current()
            #expect(!Files.exists(second.root + "/var/lib/dpkg"))
            #expect(second.manifest.packages.map(\.name) == whole.map(\.name))
            expectSuccess(try await scratch.run("shell", "a", "--", "true"))
            let third = try scratch.store("a").current()
            #expect(third.number == 3 && third.manifest.packages == second.manifest.packages)
        }

        private static let mistakesCases: [(String, Int, [String])] = [
            ("REMOVE_FILES = /usr/share/junk\n  /usr/share/jnuk", 4, ["'/usr/share/jnuk' matches no file"]),
            ("REMOVE_FILES = /lib/firmware/**", 3, ["/lib is a symlink; did you mean '/usr/lib/firmware/**'?"]),
            ("REMOVE_FILES = /usr/**", 3, ["would remove /usr/", "write a narrower pattern"]),
            (
                "REMOVE_FILES = /boot/*-fake", 3,
                ["'/boot/*-fake' would remove /boot/vmlinuz-6.1.0-fake, the kernel"]
            ),
            ("REMOVE_FILES = /usr/lib/modules/*", 3, ["KERNEL_MODULES chooses among them"]),
            (
                "REMOVE_FILES = **/90netroot-*\n  /usr/lib/dracut/**", 3,
                ["'**/90netroot-*' is not an absolute path"]
            ),
            ("REMOVE_FILES = /usr/lib/dracut", 3, ["which netroot needs"]),
            (
                "KERNEL_MODULES = default\n  virtoi_net", 4,
                ["'virtoi_net' means no module", "did you mean 'virtio_net'?"]
            ),
            ("KERNEL_MODULES = default -sond/", 3, ["did you mean '-sound/'?"]),
        ]

        @Test(
            "A pattern that means nothing, or what must stay, ends the build at its line, and nothing is published",
            arguments: mistakesCases)
        func mistakes(lines: String, line: Int, words: [String]) async throws {
            let outcome = try await build(lines)
            expectError(outcome, .usage, ["hosts.conf:\(line): "] + words)
            #expect(throws: (any Error).self) { try scratch.store("a").current() }
        }

        @Test("What is larger than MAX_SIZE is not published, and what takes most is listed; without the bound it is")
        func tooLarge() async throws {
            let outcome = try await build("FORMAT = squashfs\nCOMPRESSION = lz4\nMAX_SIZE = 1m")
            expectError(outcome, .failed, ["root.squashfs has", "more than MAX_SIZE = 1.0 MiB", "REMOVE_FILES"])
            for words in [
                "largest directories of kernel modules:", "largest firmware:", "0.5 MB  /usr/lib/firmware/snd",
                "largest files:", "2.0 MB  /usr/share/junk/deep/zeroes",
            ] {
                #expect(outcome.errors.contains(words), "\(outcome.errors)")
            }
            #expect(throws: (any Error).self) { try scratch.store("a").current() }
            expectSuccess(try await build("FORMAT = squashfs\nCOMPRESSION = lz4\nMAX_SIZE = 900m"))
            // The bound is lower now: what is there does not fit.
            #expect(try await build("FORMAT = squashfs\nCOMPRESSION = lz4\nMAX_SIZE = 1m", "--if-changed").status == 1)
        }

        @Test("What a real kernel's modules need is what modprobe would load with them")
        func reference() async throws {
            try #require(Tool("modprobe", package: "kmod").path != nil, "modprobe of kmod is what this compares with")
            let generation = try await Workshop.shared.realBuild().generation
            let version = generation.manifest.kernelVersion
            let graph = try #require(
                try ModuleFiles(of: RootTree(directory: generation.root), version: version).graph())
            var same = 0
            let sample = graph.modules.keys.sorted().enumerated().filter { $0.offset % 16 == 0 }.map(\.element)
            for name in sample + ["btrfs", "ext4", "nfsv3", "virtio_net"] where graph.modules[name] != nil {
                let shown = try await run(["modprobe", "--show-depends", "-d", generation.root, "-S", version, name])
                // `insmod PATH`, and for what is built in `builtin NAME`.
                let names = shown.output.split(separator: "\n").filter { $0.hasPrefix("insmod ") }.compactMap { line in
                    Files.name(String(line.split(separator: " ")[1])).split(separator: ".").first
                        .map { String($0.map { $0 == "-" ? "_" : $0 }) }
                }
                let closure = graph.closure(of: [name])
                #expect(!names.isEmpty && Set(names).isSubset(of: closure), "\(name): \(names), \(closure)")
                if Set(names) == closure { same += 1 }
            }
            // The others have soft dependencies without `pre:`, which modprobe leaves out.
            #expect(same * 10 > sample.count * 9, "\(same) of \(sample.count)")
        }
    }
}
