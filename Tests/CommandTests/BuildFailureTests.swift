import NetrootStore
import NetrootSystem
import Testing

extension Builds {
    /// Builds that fail: the reason is told, `current` stays, and nothing is left but the log.
    @Suite(.serialized) struct BuildFailureTests {
        let scratch: Scratch

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
        }

        /// Builds a fake recipe on top of a generation that is current, and expects that this one stays so.
        private func failed(_ recipe: FakeRecipe) async throws -> Outcome {
            try recipe.write(scratch)
            return try await failed(environment: try await FakeRecipe.environment(scratch))
        }

        private func failed(wrapper: [String] = [], environment: [String: String] = [:]) async throws -> Outcome {
            try await Fabricated.generation(of: scratch.label("a"))
            let log = "netroots/a/failed-build.log"
            let before = try await scratch.snapshot()
            let outcome = try await scratch.run("build", "a", wrapper: wrapper, environment: environment)
            #expect(try await scratch.snapshot(except: [log, "netroots/a/.lock"]) == before)
            #expect(try Files.linkTarget(scratch.path + "/netroots/a/current") == "generations/1")
            #expect(try Files.size("\(scratch.path)/\(log)") > 0)
            #expect(outcome.errors.contains("log: \(scratch.path)/\(log)\n"))
            #expect(try Traces.mounts(below: scratch.path) == [])
            return outcome
        }

        @Test func aPackageThatDoesNotExist() async throws {
            let real = try await Workshop.shared.realBuild()
            try scratch.write(
                "a.def",
                "Bootstrap: debootstrap\nOSVersion: bookworm\nMirrorURL: \(real.mirror.url)\nInclude: bash no-such-thing\n"
            )
            expectError(
                try await failed(), .failed, ["\(scratch.path)/a.def", "no package 'no-such-thing'", "Include"])
        }

        @Test func noNetwork() async throws {
            try scratch.write("a.def", "Bootstrap: debootstrap\nOSVersion: bookworm\n")
            expectError(
                try await failed(wrapper: Namespace.withoutNetwork), .unavailable,
                ["the mirror cannot be reached: Temporary failure", "debian.org'", "check the network"])
        }

        @Test func aMirrorThatRefuses() async throws {
            let port = try Listener().port
            try scratch.write(
                "a.def",
                "Bootstrap: debootstrap\nOSVersion: bookworm\nMirrorURL: http://127.0.0.1:\(port)/debian\n")
            expectError(try await failed(), .unavailable, ["the mirror cannot be reached", "127.0.0.1"])
        }

        @Test func aSuiteThatDoesNotExist() async throws {
            let real = try await Workshop.shared.realBuild()
            try scratch.write(
                "a.def", "Bootstrap: debootstrap\nOSVersion: bookwurm\nMirrorURL: \(real.mirror.url)\n")
            expectError(try await failed(), .failed, ["bookwurm"])
        }

        @Test func aPostThatFailsShowsItsLastLines() async throws {
            let post = "echo one\necho two >&2\necho 'the reason is here'\nexit 3"
            let outcome = try await failed(FakeRecipe(post: post))
            expectError(
                outcome, .failed,
                ["\(scratch.path)/a.def:", "%post failed with exit status 3", "  the reason is here\n"], outputLines: 5)
        }

        @Test func aPostThatFailsInTheMiddle() async throws {
            let outcome = try await failed(FakeRecipe(post: "false\ntouch /not-reached"))
            expectError(outcome, .failed, ["%post failed with exit status 1"], outputLines: 5)
        }

        @Test func aTestThatFails() async throws {
            let outcome = try await failed(FakeRecipe(test: "echo checking\ntest -e /no/such/file"))
            expectError(
                outcome, .failed, ["\(scratch.path)/a.def:", "%test failed with exit status 1", "checking"],
                outputLines: 5)
        }

        @Test func aSetupThatFails() async throws {
            let outcome = try await failed(FakeRecipe(setup: "echo on the host\nexit 4"))
            expectError(outcome, .failed, ["%setup failed with exit status 4", "on the host"], outputLines: 5)
        }

        /// What a section prints is in the message, and steers no terminal.
        @Test func aSetupThatPrintsEscapeSequences() async throws {
            let print = #"printf 'a\033[31mb\302\23331mc\342\200\256d\rover\n' >&2"#
            let outcome = try await failed(FakeRecipe(setup: print + "\nexit 4"))
            expectError(
                outcome, .failed, ["%setup failed", #"a\x1b[31mb\xc2\x9b31mc\xe2\x80\xaed"#], outputLines: 5)
            let raw = outcome.errors.unicodeScalars.filter { TerminalText.isSteering($0) && $0 != "\n" }
            #expect(raw.isEmpty)
        }

        @Test func aFileThatIsMissing() async throws {
            try FakeRecipe().write(scratch)
            let text = try Files.text(scratch.path + "/a.def")
            try scratch.write("a.def", text.replacing("%files\n", with: "%files\n    no-*.such /x\n"))
            let outcome = try await failed(environment: try await FakeRecipe.environment(scratch))
            expectError(outcome, .usage, ["\(scratch.path)/a.def:5: %files: no-*.such does not exist"])
        }

        @Test func aRootWithoutKernel() async throws {
            expectError(
                try await failed(FakeRecipe(hasKernel: false)), .failed,
                ["\(scratch.path)/a.def: the root has no kernel", "linux-image-* to Include"])
        }

        @Test func aRootWithoutDracut() async throws {
            expectError(
                try await failed(FakeRecipe(hasDracut: false)), .failed,
                ["\(scratch.path)/a.def: the root has no dracut", "dracut-network to Include"])
        }

        @Test func anInitramfsOfAnotherKernel() async throws {
            expectError(
                try await failed(FakeRecipe(archiveKernel: "5.10.0-other")), .failed,
                ["not fit to boot", "for kernel 5.10.0-other, the root's kernel is \(FakeRecipe.kernel)"])
        }

        @Test(arguments: [
            ("overlay.ko", "the kernel module overlay"), ("rootovl.sh", "the overlay module netroot-rootovl"),
            ("virtio_net.ko", "every network driver"), ("sbin/netroot", "netroot of dracut's module network"),
            ("06-net.sh", "06-net.sh of dracut's module netroot-net"),
        ])
        func anInitramfsThatLacksWhatAClientNeeds(file: String, words: String) async throws {
            expectError(
                try await failed(FakeRecipe(lacking: file)), .failed, ["not fit to boot: it lacks \(words)"])
        }

        @Test(arguments: [("nfsv3.ko", "the kernel module nfsv3"), ("mount.nfs", "mount.nfs (nfs-common)")])
        func anInitramfsThatLacksWhatNFSNeeds(file: String, words: String) async throws {
            expectError(
                try await failed(FakeRecipe(lacking: file)), .failed,
                ["not fit to boot: for the transport nfs it lacks \(words)"])
        }

        @Test(arguments: [
            ("nfs", "mount.nfs", "nfs-common"), ("nfs nbd", "nbd-client", "nbd-client"),
            ("nbd", "perl", "perl-base"), ("http nfs", "curl", "curl"),
        ])
        func aRootWithoutATransportsProgram(transports: String, program: String, package: String) async throws {
            var recipe = FakeRecipe()
            recipe.programs.removeAll { $0 == program }
            try scratch.write(
                "hosts.conf", try Files.text(scratch.hosts) + "TRANSPORTS = \(transports)\n")
            expectError(
                try await failed(recipe), .failed,
                ["a.def: the transport", "needs \(program), and the root has none; add \(package) to Include"])
        }

        @Test func aDracutThatFails() async throws {
            expectError(
                try await failed(FakeRecipe(dracut: "echo out of luck >&2; exit 9")), .failed,
                ["dracut failed: out of luck"])
        }

        /// The same recipe without a fault succeeds, or the tests above prove nothing.
        @Test func aRecipeWithoutFaultIsPublished() async throws {
            try FakeRecipe(setup: "true", post: "true", test: "true").write(scratch)
            let outcome = try await scratch.run(
                "build", "a", environment: try await FakeRecipe.environment(scratch))
            expectSuccess(outcome)
            let generation = try scratch.store("a").current()
            #expect(generation.manifest.kernelVersion == FakeRecipe.kernel)
            #expect(try Files.text(generation.vmlinuz) == "kernel\n")
            #expect(!Files.exists(scratch.path + "/netroots/a/failed-build.log"))
        }
    }
}
