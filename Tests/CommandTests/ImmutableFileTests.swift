import NetrootStore
import NetrootSystem
import TestSupport
import Testing

extension Builds {
    /// Files that a recipe or a shell makes immutable, which even root cannot remove.
    @Suite(.serialized) struct ImmutableFileTests {
        static let setup = """
            cd "$APPTAINER_ROOTFS" && mkdir -p srv/kept && echo one > srv/kept/file && echo two > srv/log
            chattr +i srv/kept/file srv/kept && chattr +a srv/log
            """
        let scratch: Scratch

        init() async throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try await scratch.requireFlags()
        }

        private func flagged(_ directory: String) async throws -> [String] {
            let listing = try await run(["lsattr", "-R", directory])
            return listing.output.split(separator: "\n").map(String.init).filter { line in
                let flags = line.prefix { $0 != " " }
                return line.contains(" /") && (flags.contains("i") || flags.contains("a"))
            }
        }

        private func leftovers() throws -> [String] {
            try Files.names(in: scratch.store("a").generationsDirectory).filter { $0.hasPrefix(".building") }
        }

        @Test(
            "No flag is published, in a tree or an image, and gc removes the generation",
            arguments: ["tree", "squashfs"])
        func noFlagIsPublished(format: String) async throws {
            try scratch.writeHosts("a", more: "FORMAT = \(format)\nCOMPRESSION = zstd:1")
            try FakeRecipe(setup: Self.setup).write(scratch)
            let environment = try await FakeRecipe.environment(scratch)
            let built = try await scratch.run("build", "a", environment: environment)
            expectSuccess(built)
            #expect(built.errors.contains("took the chattr(1) flags from /srv/"), "\(built.errors)")
            #expect(built.errors.contains(" and 2 more"), "\(built.errors)")
            let first = try scratch.store("a").current()
            if format == "tree" {
                #expect(try Files.text(first.root + "/srv/kept/file") == "one\n")
            } else {
                #expect(try await run(["unsquashfs", "-cat", first.image, "srv/kept/file"]).output == "one\n")
                #expect(!Files.exists(first.root))
            }
            #expect(try await flagged(first.directory) == [])
            expectSuccess(try await scratch.run("build", "a", environment: environment))
            expectSuccess(try await scratch.run("gc", "a", "--keep", "1"))
            #expect(try scratch.store("a").numbers() == [2])
        }

        @Test(
            "A build that fails after it has made files immutable, and what a killed one left, do not block the label")
        func aFailedBuildDoesNotBlockTheLabel() async throws {
            try scratch.writeHosts("a")
            let environment = try await FakeRecipe.environment(scratch)
            try scratch.write("netroots/a/generations/.building-7/root/etc/file", "text")
            try await scratch.chattr(
                "+i", "netroots/a/generations/.building-7/root/etc/file", "netroots/a/generations/.building-7/root/etc",
                "netroots/a/generations/.building-7")
            try FakeRecipe(setup: Self.setup, post: "exit 3").write(scratch)
            let failed = try await scratch.run("build", "a", environment: environment)
            expectError(failed, .failed, ["%post failed with exit status 3"], outputLines: 5)
            #expect(try leftovers() == [])
            try FakeRecipe(setup: Self.setup).write(scratch)
            expectSuccess(try await scratch.run("build", "a", environment: environment))
            #expect(try leftovers() == [])
        }

        @Test("What a shell makes immutable is published without the flag, or dropped with the copy")
        func shell() async throws {
            try scratch.writeHosts("a")
            try FakeRecipe().write(scratch)
            expectSuccess(
                try await scratch.run("build", "a", environment: try await FakeRecipe.environment(scratch)))
            let edit = "echo one > /etc/motd && chattr +i /etc/motd /etc"
            let dropped = try await scratch.run("shell", "a", "--", "sh", "-c", edit + "; exit 5")
            #expect(dropped.output == "a: dropped, the shell ended with exit status 5\n")
            #expect(try leftovers() == [])
            let edited = try await scratch.run("shell", "a", "--", "sh", "-c", edit)
            expectSuccess(edited)
            #expect(edited.errors.contains("took the chattr(1) flags from /etc and 1 more"), "\(edited.errors)")
            let second = try scratch.store("a").current()
            #expect(try second.number == 2 && Files.text(second.root + "/etc/motd") == "one\n")
            #expect(try await flagged(second.root) == [])
            let live = try await scratch.run("shell", "a", "--live", "--", "sh", "-c", edit)
            expectSuccess(live)
            #expect(try await flagged(second.root) == [])
        }
    }
}
