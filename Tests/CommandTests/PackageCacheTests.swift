import NetrootStore
import NetrootSystem
import TestSupport
import Testing

extension Builds {
    /// What package managers leave in a root.
    @Suite(.serialized) struct PackageCacheTests {
        let scratch: Scratch

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
        }

        /// What one `apt-get update && apt-get install` leaves, and its kin of other families.
        static let use = """
            mkdir -p /var/cache/apt/archives/partial /var/lib/apt/lists/partial /var/log/apt /var/cache/debconf
            mkdir -p /var/cache/dnf/repo/packages /var/cache/zypp/solv /var/cache/pacman/pkg /var/lib/pacman/sync
            head -c 3000000 /dev/zero > /var/cache/apt/pkgcache.bin
            head -c 1000000 /dev/zero > /var/cache/apt/archives/hello_1_amd64.deb
            echo x > /var/cache/apt/archives/partial/half.deb
            echo x > /var/lib/apt/lists/mirror.example.org_dists_stable_InRelease
            echo x > /var/lib/apt/lists/lock
            echo x > /var/lib/apt/lists/partial/half
            for log in apt/term.log dpkg.log alternatives.log.1 dnf.rpm.log pacman.log; do echo x > /var/log/$log; done
            for file in dnf/repo/packages/a.rpm zypp/solv/cookie pacman/pkg/a.pkg debconf/templates.dat-old; do
                echo x > /var/cache/$file
            done
            echo x > /var/lib/pacman/sync/core.db
            echo x > /var/lib/dpkg/status-old
            """
        /// Directories of apt's own user.
        static let setup = """
            cd "$APPTAINER_ROOTFS" && mkdir -p var/lib/apt/lists/partial var/cache/apt/archives/partial
            chown 42:0 var/lib/apt/lists/partial var/cache/apt/archives/partial
            chmod 700 var/lib/apt/lists/partial var/cache/apt/archives/partial
            """
        private static let places = ["var/cache", "var/lib/apt", "var/lib/pacman", "var/log"]

        private func build(more: String = "") async throws -> Outcome {
            try scratch.writeHosts("a", more: more)
            try FakeRecipe(setup: Self.setup, post: Self.use).write(scratch)
            return try await scratch.run("build", "a", environment: try await FakeRecipe.environment(scratch))
        }

        /// The regular files below the places of package managers.
        private func files(_ root: String) async throws -> [String] {
            let found = try await run(
                ["find"] + Self.places.map { "\(root)/\($0)" } + ["-type", "f", "-printf", "%P\\n"])
            return found.output.split(separator: "\n").map(String.init).sorted()
        }

        private func expectClean(_ root: String) async throws {
            #expect(try await files(root) == [])
            #expect(!Files.exists(root + "/var/lib/dpkg/status-old") && Files.exists(root + "/var/lib/dpkg/status"))
            for path in ["lib/apt/lists/partial", "cache/apt/archives/partial"] {
                #expect(try await run(["stat", "-c", "%u %a", "\(root)/var/\(path)"]).output == "42 700\n", "\(path)")
            }
            #expect(!Files.exists(root + "/var/cache/dnf/repo"))
            #expect(Files.isDirectory(root + "/var/log/apt") && Files.isDirectory(root + "/var/cache/pacman/pkg"))
        }

        @Test("What %post and a shell left of package managers is not published, and diff shows nothing of it")
        func itIsNotPublished() async throws {
            let built = try await build()
            expectSuccess(built)
            let note =
                "removed 4.0 MB of caches, lists and logs of package managers; KEEP_PACKAGE_CACHES = Y keeps them\n"
            #expect(built.errors.contains(note), "\(built.errors)")
            let first = try scratch.store("a").current()
            #expect(try Files.text(first.log).contains(note))
            try await expectClean(first.root)
            let edited = try await scratch.run("shell", "a", "--", "sh", "-c", Self.use + "\necho new > /etc/motd")
            expectSuccess(edited)
            #expect(edited.errors.contains("removed 4.0 MB"), "\(edited.errors)")
            try await expectClean(scratch.store("a").current().root)
            struct Row: Decodable {
                struct Files: Decodable {
                    var added: [File]
                    var removed: [File]
                    var changed: [File]
                }
                struct File: Decodable { var path: String }
                var files: Files
            }
            let files = try expectJSON(Row.self, try await scratch.run("diff", "a", "1", "2", "--json")).files
            #expect(files.added.map(\.path) == ["/etc/motd"], "\(files)")
            #expect(files.removed.isEmpty && files.changed.isEmpty, "\(files)")
            expectSuccess(try await scratch.run("shell", "a", "--live", "--", "sh", "-c", Self.use))
            try await expectClean(scratch.store("a").current().root)
        }

        @Test("KEEP_PACKAGE_CACHES = Y keeps it in build and shell")
        func itIsKept() async throws {
            let built = try await build(more: "KEEP_PACKAGE_CACHES = Y")
            expectSuccess(built)
            #expect(!built.errors.contains("KEEP_PACKAGE_CACHES"))
            let kept = try await files(scratch.store("a").current().root)
            #expect(kept.contains("apt/pkgcache.bin") && kept.contains("dpkg.log") && kept.count > 12, "\(kept)")
            #expect(try scratch.store("a").current().manifest.keepsPackageCaches == true)
            try scratch.writeHosts("a")
            let again = try await scratch.run(
                "build", "a", "--if-changed", environment: try await FakeRecipe.environment(scratch))
            #expect(again.errors.contains("KEEP_PACKAGE_CACHES"), "the key counts: \(again.errors)\(again.output)")
            expectSuccess(try await scratch.run("rollback", "a", "1"))
            try scratch.writeHosts("a", more: "KEEP_PACKAGE_CACHES = Y")
            expectSuccess(try await scratch.run("shell", "a", "--", "sh", "-c", "echo x > /var/log/hawkey.log"))
            #expect(try await files(scratch.store("a").current().root) == (kept + ["hawkey.log"]).sorted())
        }
    }
}
