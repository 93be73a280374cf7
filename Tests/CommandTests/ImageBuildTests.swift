import Glibc
import NetrootConfig
import NetrootStore
import NetrootSystem
import Testing

extension Builds {
    /// `FORMAT = squashfs`, and an image beside the tree: `build` and `shell`.
    @Suite(.serialized) struct ImageBuildTests {
        let scratch: Scratch

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a", more: "FORMAT = squashfs\nCOMPRESSION = zstd:1\nBLOCK_SIZE = 128k")
            // By the host's programs: the small root has few.
            let setup = """
                cd "$APPTAINER_ROOTFS" && mkdir srv && echo one > srv/motd
                chown 12:34 srv/motd && mknod srv/null c 1 3
                """
            try FakeRecipe(setup: setup).write(scratch)
        }

        private func build(_ arguments: String...) async throws -> Outcome {
            let environment = try await FakeRecipe.environment(scratch).merging(
                ["NETROOT_CACHE": scratch.path + "/cache"]) { $1 }
            return try await run(
                scratch.netroot(["build", "a"] + arguments), environment: environment, folder: scratch.path)
        }

        private func shell(_ command: String, live: Bool = false) async throws -> Outcome {
            try await run(
                scratch.netroot(["shell", "a"] + (live ? ["--live"] : []) + ["--", "sh", "-c", command]),
                environment: ["NETROOT_CACHE": scratch.path + "/cache"], folder: scratch.path)
        }

        private func file(_ name: String, of generation: Generation) async throws -> String {
            try await run(["unsquashfs", "-cat", generation.image, name]).output
        }

        @Test func aBuildLeavesTheImageAlone() async throws {
            let outcome = try await build()
            expectSuccess(outcome)
            let first = try scratch.store("a").current()
            #expect(first.manifest.artifacts.map(\.kind) == [.kernel, .initramfs, .squashfs])
            #expect(
                try Files.names(in: first.directory).sorted() == [
                    "build.log", "initrd.img", "manifest.json", "root.squashfs", "vmlinuz",
                ])
            #expect(first.manifest.formats == ["squashfs"])
            let artifact = try #require(first.artifact(.squashfs))
            let image = try #require(artifact.image)
            #expect(image.compression == "zstd:1" && image.blockSize == 131072)
            #expect(try Files.size(first.image) == artifact.bytes && image.unpackedBytes > artifact.bytes)
            #expect(try await run(["sha256sum", first.image]).output.hasPrefix(try #require(artifact.sha256)))
            #expect(!first.manifest.packages.isEmpty)
            #expect(first.manifest.steps.map(\.name).suffix(2) == ["initramfs", "pack"])
            #expect(try await file("srv/motd", of: first) == "one\n")
            let listing = try await run(["unsquashfs", "-lln", first.image]).output
            #expect(listing.contains("crw-r--r-- 0/0") && listing.contains("-rw-r--r-- 12/34"))

            #expect(try await build("--if-changed").output.contains("generation 1 is current, and the recipe has not"))
            for more in [
                "FORMAT = squashfs\nCOMPRESSION = zstd:2", "FORMAT = squashfs\nCOMPRESSION = zstd:2\nBLOCK_SIZE = 64k",
                "FORMAT = tree", "FORMAT = tree squashfs", "FORMAT = tree\nTRANSPORTS = nfs nbd",
            ] {
                try scratch.writeHosts("a", more: more)
                let number = try scratch.store("a").current().number
                expectSuccess(try await build("--if-changed"))
                #expect(try scratch.store("a").current().number == number + 1, "\(more)")
            }
            for generation in try scratch.store("a").generations().suffix(2) {
                #expect(generation.manifest.artifacts.map(\.kind) == [.kernel, .initramfs, .tree, .squashfs])
                #expect(try Files.text(generation.root + "/srv/motd") == "one\n")
                #expect(try await file("srv/motd", of: generation) == "one\n")
                // The same files, counted by the packer.
                #expect(generation.artifact(.tree)?.bytes == generation.artifact(.squashfs)?.image?.unpackedBytes)
            }
            let rows = try await run(scratch.netroot(["generations", "a", "--json"])).output
            #expect(rows.contains(#""format" : "tree squashfs""#), "\(rows)")
        }

        /// apt's words are those of bookworm's own when its keyring was hidden.
        @Test func anUnsignedRepositoryIsRefusedOrNamedInTheManifest() async throws {
            let environment = try await FakeRecipe.environment(scratch)
            let real = scratch.path + "/bin/mmdebstrap"
            try Files.move(real, to: real + ".signed")
            try scratch.write(
                "bin/mmdebstrap",
                """
                #!/bin/sh
                if grep -q AllowInsecureRepositories "$NETROOT_APT_CONFIG"; then exec '\(real).signed' "$@"; fi
                for root; do case $root in /*) mkdir -p "$root/left" ;; esac; done
                echo "W: GPG error: http://m/debian bookworm InRelease: The following signatures couldn't be verified"
                echo "E: The repository 'http://me:secret@m/debian bookworm InRelease' is not signed."
                echo "E: apt-get --yes update failed"
                exit 25

                """, mode: 0o755)
            let argv = scratch.netroot(["build", "a"])
            let refused = try await run(argv, environment: environment, folder: scratch.path)
            expectError(
                refused, .failed, ["not signed by a key that is trusted: GPG error: ", "--allow-unsigned"],
                outputLines: 1)
            let allowed = try await run(argv + ["--allow-unsigned"], environment: environment, folder: scratch.path)
            expectSuccess(allowed)
            let bootstrap = try scratch.store("a").current().manifest.bootstrap
            #expect(bootstrap.unsigned == ["http://m/debian bookworm InRelease"])
            #expect(try await file("left", of: scratch.store("a").current()).isEmpty)
            try Files.move(real + ".signed", to: real)
            expectSuccess(
                try await run(argv + ["--allow-unsigned"], environment: environment, folder: scratch.path))
            #expect(try scratch.store("a").current().manifest.bootstrap.unsigned == nil)
        }

        @Test func shellUnpacksEditsAndPacks() async throws {
            expectSuccess(try await build())
            let first = try scratch.store("a").current()
            let refused = try await shell("echo two > /srv/motd", live: true)
            #expect(refused.status == 64 && refused.errors.contains("leave out --live"), "\(refused.errors)")
            let outcome = try await shell("echo two > /srv/motd && ls -ln /srv/motd && test -c /srv/null")
            expectSuccess(outcome)
            #expect(outcome.output.contains(" 12 34 "), "\(outcome.output)")
            let second = try scratch.store("a").current()
            #expect(second.number == 2 && second.artifact(.tree) == nil && !Files.exists(second.root))
            #expect(try await file("srv/motd", of: second) == "two\n")
            #expect(try await file("srv/motd", of: first) == "one\n")
            let digest = try #require(second.artifact(.squashfs)?.sha256)
            #expect(digest != first.artifact(.squashfs)?.sha256)
            #expect(try await run(["sha256sum", second.image]).output.hasPrefix(digest))
            #expect(try await shell("exit 3").status == 1)
            #expect(try scratch.store("a").numbers() == [1, 2])
        }

        @Test func shellPacksAnImageBesideATreeAnew() async throws {
            try scratch.writeHosts("a", more: "FORMAT = tree\nTRANSPORTS = nfs nbd\nCOMPRESSION = zstd:1")
            expectSuccess(try await build())
            expectSuccess(try await shell("echo two > /srv/motd"))
            let second = try scratch.store("a").current()
            #expect(second.manifest.artifacts.map(\.kind) == [.kernel, .initramfs, .tree, .squashfs])
            #expect(try Files.text(second.root + "/srv/motd") == "two\n")
            #expect(try await file("srv/motd", of: second) == "two\n")
        }
    }
}
