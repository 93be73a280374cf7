import NetrootStore
import NetrootSystem
import TestSupport
import Testing

extension Builds {
    /// Roots with several kernels.
    @Suite(.serialized) struct KernelBuildTests {
        let scratch: Scratch
        private let cloud = "6.2.0-cloud-fake"
        private let debug = "6.3.0-fake-dbg"

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
        }

        /// Builds a root with a general kernel, a newer one for virtual machines, and the newest for debugging.
        private func build(
            kernel: String? = nil, initramfsOf archive: String = FakeRecipe.kernel, hasGeneral: Bool = true,
            _ options: String...
        ) async throws -> Outcome {
            try scratch.writeHosts("a", more: kernel.map { "KERNEL = \($0)" } ?? "")
            let more = [cloud, debug].filter { hasGeneral || $0 == debug }
                .map { "mkdir -p /lib/modules/\($0); echo \($0) > /boot/vmlinuz-\($0)" }
            var recipe = FakeRecipe(post: more.joined(separator: "\n"))
            recipe.hasKernel = hasGeneral
            recipe.archiveKernel = archive
            try recipe.write(scratch)
            let environment = try await FakeRecipe.environment(scratch)
            return try await run(
                scratch.netroot(["build", "a"] + options), environment: environment, folder: scratch.path)
        }

        @Test("Of several kernels the build names all, takes the general one, and records it")
        func severalKernels() async throws {
            let outcome = try await build()
            expectSuccess(outcome)
            let note = "3 kernels: took 6.1.0-fake, not \(cloud), \(debug); KERNEL in the hosts file says which"
            #expect(outcome.errors.contains(note))
            let first = try scratch.store("a").current()
            #expect(first.manifest.kernelVersion == FakeRecipe.kernel && first.manifest.kernelPattern == nil)
            #expect(first.manifest.otherKernels == [cloud, debug])
            #expect(try Files.text(first.log).contains(note))
            #expect(try Files.text(first.vmlinuz) == "kernel\n")

            // The label may ask for another one: that is another build.
            #expect(try await build("--if-changed").output.contains("generation 1 is current, and the recipe"))
            expectSuccess(try await build(kernel: "*-cloud-*", initramfsOf: cloud, "--if-changed"))
            let second = try scratch.store("a").current()
            #expect(second.number == 2 && second.manifest.kernelVersion == cloud)
            #expect(second.manifest.kernelPattern == "*-cloud-*")
            #expect(second.manifest.otherKernels == [FakeRecipe.kernel, debug])
            #expect(try Files.text(second.vmlinuz) == cloud + "\n")

            // A shell follows the label too; its dracut makes an initramfs for the wrong kernel here.
            try scratch.writeHosts("a", more: "KERNEL = 6.1.*")
            expectError(
                try await scratch.run("shell", "a", "--", "true"), .failed,
                ["it is for kernel \(cloud), the root's kernel is 6.1.0-fake"])
            try scratch.writeHosts("a", more: "KERNEL = *-cloud-*")
            expectSuccess(try await scratch.run("shell", "a", "--", "true"))
            let third = try scratch.store("a").current().manifest
            #expect(third.kernelVersion == cloud && third.otherKernels == [FakeRecipe.kernel, debug])
        }

        @Test("A KERNEL that fits none of the root's kernels ends the build with all of them")
        func noKernelFits() async throws {
            expectError(
                try await build(kernel: "6.1.0-*-amd64"), .usage,
                [
                    "KERNEL = 6.1.0-*-amd64 in the hosts file fits none of the root's kernels: "
                        + "6.1.0-fake, \(cloud), \(debug)", "correct KERNEL",
                ])
            try scratch.writeHosts("a", more: "KERNEL = 6.[1")
            expectError(
                try await scratch.run("build", "a"), .usage, ["hosts.conf:3: KERNEL: '6.[1' has a '[' without its ']'"])
        }

        @Test("A root with nothing but a debug kernel is refused, unless KERNEL names it")
        func onlyADebugKernel() async throws {
            expectError(
                try await build(hasGeneral: false), .failed,
                ["only debug or rescue kernels: \(debug)", "KERNEL = PATTERN"])
            expectSuccess(try await build(kernel: "*-dbg", initramfsOf: debug, hasGeneral: false))
            #expect(try scratch.store("a").current().manifest.kernelVersion == debug)
        }
    }
}
