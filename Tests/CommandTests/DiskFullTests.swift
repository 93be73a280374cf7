import NetrootSystem
import Testing

extension Builds {
    /// Builds on an ext4 filesystem of their own, mounted where only they see it.
    @Suite(.serialized) struct DiskFullTests {
        let scratch: Scratch

        init() throws {
            try #require(Place.isRoot, "mounting needs root")
            try #require(Files.exists("/dev/loop-control"), "this machine has no loop devices")
            scratch = try Scratch()
            try scratch.writeHosts("a", more: "NETROOT = ${base}/small/${label}")
            try Files.makeDirectory(scratch.path + "/small")
        }

        /// Builds on a filesystem of so many MiB, on which generation 7 is current, and prints what is there after.
        private func build(mebibytes: Int, environment: [String: String] = [:]) async throws -> Outcome {
            let image = scratch.path + "/image"
            expectSuccess(try await run(["truncate", "-s", "\(mebibytes)M", image]))
            expectSuccess(try await run(["mkfs.ext4", "-q", "-m", "0", "-F", image]))
            let script = """
                cd \(scratch.path)
                mount -o loop \(image) small
                mkdir -p small/a/generations/7; ln -s generations/7 small/a/current; echo old > small/a/generations/7/f
                """
            let after = """
                sync; readlink small/a/current; cat small/a/generations/7/f; ls -A small/a/generations
                test "$(stat -f -c %a small)" -gt 1000 && echo room again
                """
            return try await scratch.run(
                "build", "a", wrapper: Namespace.mounting(script, after: after), environment: environment)
        }

        @Test func fullDuringABuild() async throws {
            let real = try await Workshop.shared.realBuild()
            let recipe = try RealRecipe.text(mirror: real.mirror.url)
            try scratch.write("a.def", recipe)
            let outcome = try await build(mebibytes: 600)
            let message = outcome.message
            #expect(outcome.status == 1)
            #expect(message.hasPrefix("netroot: disk full at \(scratch.path)/small/a during bootstrap; free space"))
            #expect(outcome.messageLines.count == 1)
            #expect(outcome.output == "generations/7\nold\n7\nroom again\n", "\(outcome.errors)")
            #expect(outcome.errors.contains("log: \(scratch.path)/small/a/failed-build.log\n"))
        }

        /// rpm looks before it installs.
        @Test(arguments: ["dnf", "zypper"]) func fullBeforePackagesAreInstalled(agent: String) async throws {
            let repository = try await RPMRepository.make("large", ["--sign"])
            try scratch.write("a.def", try repository.header(agent, "large"))
            let outcome = try await build(mebibytes: 620)
            #expect(outcome.status == 1)
            #expect(
                outcome.message == "netroot: disk full at \(scratch.path)/small/a during bootstrap; free space, or set "
                    + "NETROOT elsewhere\n", "\(outcome.errors)")
            #expect(outcome.output == "generations/7\nold\n7\nroom again\n", "\(outcome.errors)")
        }

        /// The tree fits, the image does not fit beside it.
        @Test func fullWhilePacking() async throws {
            try scratch.writeHosts("a", more: "NETROOT = ${base}/small/${label}\nFORMAT = squashfs")
            let fill = "dd if=/dev/urandom of=\"$APPTAINER_ROOTFS/random\" bs=1M count=400 2> /dev/null"
            try FakeRecipe(setup: fill).write(scratch)
            let environment = try await FakeRecipe.environment(scratch).merging(
                ["NETROOT_CACHE": scratch.path + "/cache"]) { $1 }
            let outcome = try await build(mebibytes: 700, environment: environment)
            #expect(outcome.status == 1)
            #expect(
                outcome.message.hasPrefix("netroot: disk full at \(scratch.path)/small/a during pack; free space"),
                "\(outcome.errors)")
            #expect(outcome.output == "generations/7\nold\n7\nroom again\n", "\(outcome.errors)")
        }

        @Test func tooSmallToBeginWith() async throws {
            try scratch.write("a.def", "Bootstrap: debootstrap\nOSVersion: bookworm\n")
            let outcome = try await build(mebibytes: 64)
            #expect(outcome.status == 1)
            #expect(
                outcome.message.hasPrefix("netroot: \(scratch.path)/small has ")
                    || outcome.message.contains("/small/a has "))
            #expect(outcome.message.contains("MiB free, a build needs"))
            #expect(outcome.messageLines.count == 1 && outcome.errors == outcome.message)
            #expect(outcome.output == "generations/7\nold\n7\nroom again\n")
        }
    }
}
