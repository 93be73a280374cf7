import NetrootStore
import NetrootSystem
import Testing

extension Builds {
    /// Builds by dnf and zypper from repositories that the tests make.
    @Suite(.serialized) struct RPMBuildTests {
        let scratch: Scratch
        let small: RPMRepository
        static let agents = ["dnf", "zypper"]

        init() async throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
            small = try await RPMRepository.small.value
        }

        /// Builds with a cache of the test's own.
        private func build(_ options: String...) async throws -> Outcome {
            try await run(
                scratch.netroot(["build", "a"] + options), environment: ["NETROOT_CACHE": scratch.path + "/cache"],
                folder: scratch.path)
        }

        private func expectNothingLeft() throws {
            #expect(try Traces.mounts(below: scratch.path) == [])
            // gpg starts agents of its own, which would stay.
            #expect(try Traces.processes(naming: scratch.path) == [])
        }

        @Test(arguments: agents) func aWholeBuildAndASecondOne(agent: String) async throws {
            let mirror = try RecordingMirror(serving: small.folder)
            var recipe = FakeRecipe()
            recipe.header = try small.header(agent, "busybox devices kernel rpm-macros", url: mirror.folderURL)
            recipe.post = "echo post > /post-was-here"
            try recipe.write(scratch)
            let first = try await build()
            expectSuccess(first)
            #expect(first.errors.contains("%posttrans of kernel-1.0-1.x86_64 failed"))
            #expect(first.errors.contains("it prepares a boot from disk"))
            #expect(mirror.takeRequests().filter { $0.hasSuffix(".rpm") }.count == 6)
            try expectNothingLeft()
            let generation = try scratch.store("a").generation(1)
            let manifest = generation.manifest
            #expect(manifest.bootstrap == .init(agent: agent, from: mirror.folderURL))
            #expect(
                manifest.packages.map(\.name) == ["busybox", "devices", "filesystem", "kernel", "rpm-macros", "setup"])
            #expect(manifest.packages.allSatisfy { $0.version == "1.0-1" && $0.architecture == "x86_64" })
            let root = generation.root
            #expect(try Files.text(root + "/post-was-here") == "post\n")
            // Where the root's own rpm looks for it.
            #expect(Files.exists(root + "/var/lib/rpm/rpmdb.sqlite"))
            // libzypp has made one directory of the two.
            if agent == "dnf" { #expect(!Files.exists(root + "/usr/lib/sysimage/rpm")) }
            for directory in ["dev", "proc", "sys", "run", "tmp", "var/tmp"] {
                #expect(try Files.names(in: "\(root)/\(directory)") == [], "\(directory) holds something")
            }
            #expect(try Files.linkTarget(root + "/etc/kernel/install.d/50-dracut.install") == "/dev/null")
            #expect(try await run(["grep", "-rlF", scratch.path, root + "/etc"]).output == "")
            let log = try Files.text(generation.directory + "/build.log")
            #expect(log.contains("devices: /sys is read-only"))
            #expect(log.contains("kernel: in a build root") && !Files.exists(root + "/.buildenv"))

            let second = try await build()
            expectSuccess(second)
            let requests = mirror.takeRequests()
            #expect(requests.contains { $0.hasSuffix("/repomd.xml") }, "what is new is seen")
            #expect(requests.filter { $0.hasSuffix(".rpm") } == [])
            #expect(try scratch.store("a").generation(2).manifest.packages == manifest.packages)
        }

        @Test("A package that was replaced in the cache is not installed, and fetched again", arguments: agents)
        func aReplacedPackage(agent: String) async throws {
            let mirror = try RecordingMirror(serving: small.folder)
            let header = try small.header(agent, "busybox", url: mirror.folderURL)
            try scratch.write("a.def", header + "\n%setup\n    find \"$APPTAINER_ROOTFS\" >found\n    exit 42\n")
            expectError(try await build(), .failed, ["exit status 42"], outputLines: 5)
            let files = try Files.text(scratch.path + "/found")
            let found = try await run(["find", scratch.path + "/cache", "-name", "busybox-*.rpm"]).output
            let package = try #require(found.split(separator: "\n").first.map(String.init))
            let good = try Files.read(package)
            try Files.replace(package, with: try Files.read(small.folder + "/packages/unsigned-1.0-1.x86_64.rpm"))
            _ = mirror.takeRequests()
            expectError(try await build(), .failed, ["exit status 42"], outputLines: 5)
            #expect(try Files.text(scratch.path + "/found") == files)
            #expect(try Files.read(package) == good)
            #expect(
                mirror.takeRequests().filter { $0.hasSuffix(".rpm") } == ["/packages/busybox-1.0-1.x86_64.rpm"])
        }

        /// What is included, the exit status, words of the message.
        static let failing: [(include: String, status: NetrootSystem.ExitStatus, words: [String])] = [
            ("busybox no-such-thing", .failed, ["no package 'no-such-thing'", "Include"]),
            ("broken", .failed, ["%post of the package broken-1.0-1.x86_64 failed: exit status 3"]),
            ("broken-pre", .failed, ["%prein of the package broken-pre-1.0-1.x86_64 failed: exit status 4"]),
            ("broken-lua", .failed, ["%post of the package broken-lua-1.0-1.x86_64 failed: ", "words in Lua"]),
            ("needs-more", .failed, ["nothing provides no-such-capability needed by needs-more"]),
        ]

        @Test(arguments: agents, failing.indices) func theReasonIsTold(agent: String, index: Int) async throws {
            let row = Self.failing[index]
            try scratch.write("a.def", try small.header(agent, row.include))
            let outcome = try await build()
            expectError(outcome, row.status, ["\(scratch.path)/a.def: "] + row.words)
            #expect(try scratch.store("a").currentNumber() == nil)
            try expectNothingLeft()
        }

        @Test(arguments: agents) func aMirrorThatIsNotThere(agent: String) async throws {
            try scratch.write("a.def", try small.header(agent, "busybox", url: "http://127.0.0.1:1/x"))
            expectError(
                try await build(), .unavailable, ["the mirror cannot be reached: ", "127.0.0.1", "check the network"])
            try scratch.write("a.def", try small.header(agent, "busybox", url: "http://user:word@127.0.0.1:1/x"))
            let secret = try await build()
            expectError(secret, .unavailable, ["the mirror cannot be reached: ", "127.0.0.1"])
            #expect(!secret.errors.contains("word@"), "a password on the terminal")
            try scratch.write("a.def", try small.header(agent, "busybox", url: "file:///nowhere/at/all"))
            expectError(try await build(), .unavailable, ["the mirror cannot be reached: "])
        }

        @Test(arguments: agents) func aRepositoryOfAnotherKey(agent: String) async throws {
            let other = try await RPMRepository.other.value
            // Neither takes from its cache what was checked by another key, or not at all.
            var recipe = FakeRecipe()
            recipe.header = try other.header(agent, "busybox")
            try recipe.write(scratch)
            expectSuccess(try await build())
            recipe.header = "Bootstrap: \(agent)\nMirrorURL: \(other.url)\nInclude: busybox\n"
            try recipe.write(scratch)
            expectSuccess(try await build("--allow-unsigned"))
            recipe.header += "Setopt: gpgkey=\(small.key)\n"
            try recipe.write(scratch)
            expectError(try await build(), .failed, ["not signed by a key that is trusted: ", "--allow-unsigned"])
            try expectNothingLeft()
        }

        @Test(arguments: agents) func aKeyWithAnotherFingerprint(agent: String) async throws {
            let other = try await RPMRepository.other.value
            let header = try small.header(agent, "busybox")
            try scratch.write("a.def", header.replacing(small.key, with: other.key))
            expectError(
                try await build(), .failed,
                ["the key \(other.key) has the fingerprint \(try other.fingerprint())", "Fingerprints:"])
            try scratch.write("a.def", header.replacing(small.key, with: "file:///nowhere.asc"))
            expectError(
                try await build(), .unavailable, ["the key file:///nowhere.asc cannot be fetched: ", "Setopt: gpgkey="])
            try scratch.write("a.def", header.replacing(small.key, with: small.url + "/repodata/repomd.xml"))
            expectError(
                try await build(), .unavailable, ["repomd.xml cannot be fetched: gpg: no valid OpenPGP data found"])
            try expectNothingLeft()
        }

        @Test(arguments: agents) func whatNobodySignedNeedsLeave(agent: String) async throws {
            var recipe = FakeRecipe()
            recipe.header = "Bootstrap: \(agent)\nMirrorURL: \(small.url)\nInclude: unsigned\n"
            try recipe.write(scratch)
            expectError(
                try await build(), .usage,
                ["no key to check the packages of \(small.url)", "gpgkey=URL", "--allow-unsigned"])
            expectSuccess(try await build("--allow-unsigned"))
            #expect(try scratch.store("a").current().manifest.bootstrap.unsigned == [small.url])
            recipe.header += "Setopt: gpgcheck=0\n"
            try recipe.write(scratch)
            expectSuccess(try await build())
            #expect(try scratch.store("a").current().manifest.bootstrap.unsigned == [small.url])
        }

        /// dnf looks at the signature of each package; zypper at that of the repository, which holds their digests.
        @Test func onePackageThatNobodySigned() async throws {
            try scratch.write("a.def", try small.header("dnf", "unsigned"))
            expectError(try await build(), .failed, ["Package unsigned-1.0-1.x86_64.rpm is not signed"])
        }

        @Test func whatIsMissingHasTheNameOfItsRPMPackage() async throws {
            try scratch.writeHosts("a", more: "TRANSPORTS = nfs nbd")
            var recipe = FakeRecipe()
            recipe.header = try small.header("dnf", "busybox")
            recipe.programs = ["mount.nfs", "perl"]
            try recipe.write(scratch)
            expectError(try await build(), .failed, ["needs nbd-client", "add nbd to Include"])
            recipe.programs = []
            try recipe.write(scratch)
            expectError(try await build(), .failed, ["needs mount.nfs", "add nfs-utils to Include"])
            recipe.hasKernel = false
            try recipe.write(scratch)
            expectError(try await build(), .failed, ["has no kernel", "add kernel-core to Include"])
        }

        @Test(arguments: agents) func aPackageThatWasTamperedWith(agent: String) async throws {
            let copy = scratch.path + "/copy"
            expectSuccess(try await run(["cp", "-a", small.folder, copy]))
            let package = copy + "/packages/busybox-1.0-1.x86_64.rpm"
            var bytes = try Files.read(package)
            bytes[500_000] ^= 1
            try Files.replace(package, with: bytes)
            try scratch.write("a.def", try small.header(agent, "busybox", url: "file://" + copy))
            let words =
                agent == "dnf" ? "packages cannot be installed: " : "the mirror sends what its index does not say: "
            expectError(try await build(), .failed, [words])
            #expect(try scratch.store("a").currentNumber() == nil)
        }
    }
}
