import Glibc
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

extension Builds {
    /// Builds by the real mmdebstrap and apt, from a repository that the tests make.
    @Suite(.serialized) struct DebBuildTests {
        let scratch: Scratch
        let repository: DebRepository

        init() async throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
            repository = try await DebRepository.shared.value
        }

        private var cache: String { scratch.path + "/cache" }

        private func build(_ arguments: String..., environment: [String: String] = [:]) async throws -> Outcome {
            try await run(
                repository.trusting + scratch.netroot(["build", "a"] + arguments),
                environment: ["NETROOT_CACHE": cache].merging(environment) { $1 }, folder: scratch.path)
        }

        private func header(_ mirror: String, suite: String = "fixture", _ include: String = "marker") -> String {
            "Bootstrap: debootstrap\nOSVersion: \(suite)\nMirrorURL: \(mirror)\nInclude: \(include)\n"
        }

        /// A recipe that ends after the bootstrap.
        private func bootstrapOnly(_ header: String) throws {
            try scratch.write("a.def", header + "\n%setup\n    find \"$APPTAINER_ROOTFS\" >found\n    exit 42\n")
        }

        /// The one folder of the cache of the agent.
        private func debs() throws -> String {
            let folders = try Files.names(in: cache + "/debootstrap")
            #expect(folders.count == 1 && folders[0].hasPrefix("fixture-"))
            return "\(cache)/debootstrap/\(folders[0])"
        }

        @Test("A package that was replaced in the cache is not installed, and nothing of it runs")
        func aReplacedPackage() async throws {
            let mirror = try RecordingMirror(serving: repository.folder)
            var recipe = FakeRecipe()
            recipe.header = header(mirror.folderURL)
            try recipe.write(scratch)
            expectSuccess(try await build())
            let debs = try debs()
            let marker = debs + "/marker_1%3a1.0_all.deb"
            #expect(mirror.takeRequests().contains("/pool/marker_1.0_all.deb"))
            let good = try Files.read(marker)
            let evil = try Files.read(repository.folder + "/evil/marker_1.0_all.deb")
            #expect(good.count == evil.count && good != evil, "apt looks at the size alone")
            try Files.replace(marker, with: evil)

            let outcome = try await build()
            expectSuccess(outcome)
            #expect(
                outcome.errors.contains("marker_1%3a1.0_all.deb in the cache was not what the repository's index says"))
            let root = try scratch.store("a").generation(2).root
            #expect(!Files.exists(root + "/evil-ran"))
            #expect(try Files.text(root + "/usr/share/fixture/marker") == "good\n")
            #expect(try Files.read(marker) == good)
            #expect(mirror.takeRequests().filter { $0.hasSuffix(".deb") } == ["/pool/marker_1.0_all.deb"])
            // Neither a file of the root nor one of the cache has a name more.
            for folder in [debs, root + "/var/cache", root + "/usr/share/fixture"] {
                #expect(try await run(["find", folder, "-type", "f", "-links", "+1"]).output == "")
            }
            let cached = try await run(["find", debs, "-type", "f", "-printf", "%i\\n"]).output.split(separator: "\n")
            let installed = try await run(["find", root, "-type", "f", "-printf", "%i\\n"]).output.split(
                separator: "\n")
            #expect(!cached.isEmpty && Set(cached).isDisjoint(with: installed))
            #expect(try await run(["find", cache, "-type", "d", "-perm", "/077", "-printf", "%P\\n"]).output == "\n")
        }

        @Test("A symlink, half a package and a name that no index has stay out of the root")
        func oddCaches() async throws {
            let mirror = try RecordingMirror(serving: repository.folder)
            try bootstrapOnly(header(mirror.folderURL))
            expectError(try await build(), .failed, ["%setup failed with exit status 42"], outputLines: 5)
            let debs = try debs()
            let base = debs + "/base_1%3a1.0_amd64.deb"
            try Files.replace(base, with: Array(try Files.read(base).prefix(100_000)))
            let marker = debs + "/marker_1%3a1.0_all.deb"
            try Files.move(marker, to: scratch.path + "/elsewhere.deb")
            try Files.replaceLink(marker, target: scratch.path + "/elsewhere.deb")
            for name in ["odd name.deb", "other_1_all.deb"] {
                try Files.replace(
                    "\(debs)/\(name)", with: try Files.read(repository.folder + "/evil/marker_1.0_all.deb"))
            }
            expectError(try await build(), .failed, ["%setup failed with exit status 42"], outputLines: 5)
            #expect(try !Files.text(scratch.path + "/found").contains("evil-ran"))
            #expect(try Files.size(base) == Files.size(repository.folder + "/pool/base_1.0_amd64.deb"))
        }

        @Test("A cache that others can write is refused, with what to do")
        func aSharedCache() async throws {
            try Files.makeDirectory(cache)
            #expect(chmod(cache, 0o777) == 0)
            try bootstrapOnly(header("http://127.0.0.1:1"))
            expectError(
                try await build(), .usage,
                ["the cache \(cache) has mode 777", "chmod -R go-w \(cache)", "--cache"])
            #expect(try Files.names(in: cache) == [])
        }

        /// The suite, words of the message.
        static let wrong: [(suite: String, include: String, status: NetrootSystem.ExitStatus, words: [String])] = [
            ("expired", "marker", .failed, ["the mirror's index has expired", "invalid since", "Check-Valid-Until"]),
            ("future", "marker", .failed, ["the mirror's index is not valid yet", "set this machine's clock"]),
            ("unsigned", "marker", .failed, ["not signed by a key that is trusted", "'http", "is not signed"]),
            ("foreign", "marker", .failed, ["not signed by a key that is trusted", "NO_PUBKEY"]),
            ("changed", "marker", .failed, ["sends what its index does not say: Hash Sum mismatch"]),
            ("missing", "marker", .failed, ["the mirror lacks a file: 404", "pool/gone_1.0_all.deb"]),
            ("nosuch", "marker", .failed, ["the mirror lacks a file", "nosuch Release"]),
            (
                "fixture", "failing", .failed,
                ["the post-installation script of the package failing failed: exit status 3: no luck"]
            ),
        ]

        @Test("The real reason is told, and not the first line that matches", arguments: wrong.indices)
        func theReason(index: Int) async throws {
            let row = Self.wrong[index]
            let mirror = try RecordingMirror(serving: repository.folder)
            try bootstrapOnly(header(mirror.folderURL, suite: row.suite, row.include))
            expectError(try await build(), row.status, ["\(scratch.path)/a.def: "] + row.words)
            #expect(try scratch.store("a").currentNumber() == nil)
        }

        @Test("An expired Release is taken where AptOpt says so, and the root keeps no such option")
        func anExpiredRelease() async throws {
            let mirror = try RecordingMirror(serving: repository.folder)
            try bootstrapOnly(
                header(mirror.folderURL, suite: "expired") + "AptOpt: Acquire::Check-Valid-Until=false\n"
            )
            let text = try Files.text(scratch.path + "/a.def")
            try scratch.write(
                "a.def",
                text.replacing(
                    "exit 42", with: "! grep -r Valid-Until \"$APPTAINER_ROOTFS/etc\" || exit 9\n    exit 42"))
            expectError(try await build(), .failed, ["%setup failed with exit status 42"], outputLines: 5)
            #expect(try Files.text(scratch.path + "/found").contains("/usr/share/fixture/marker\n"))
        }

        @Test("A mirror's password reaches the mirror, and no file, command line or message")
        func credentials() async throws {
            let mirror = try RecordingMirror(serving: repository.folder, login: "me@site:s#cret")
            try bootstrapOnly(header(mirror.folderURL))
            expectError(try await build(), .failed, ["the mirror refuses access: 401", "NAME:PASSWORD@"])
            var recipe = FakeRecipe()
            recipe.header = header(mirror.folderURL.replacing("://", with: "://me%40site:s%23cret@"))
            try recipe.write(scratch)
            // What all can see of the processes meanwhile.
            let seen = Task {
                var lines = ""
                while !Task.isCancelled {
                    for pid in try Files.names(in: "/proc") where Int(pid) != nil {
                        // It may have ended meanwhile.
                        if let argv = try? Files.read("/proc/\(pid)/cmdline") {
                            lines += String(decoding: argv, as: UTF8.self)
                        }
                    }
                    try await Task.sleep(for: .milliseconds(100))
                }
                return lines
            }
            let outcome = try await build()
            seen.cancel()
            expectSuccess(outcome)
            let argvs = (try? await seen.value) ?? ""
            let directory = try scratch.store("a").current().directory
            for secret in ["s%23cret", "s#cret"] {
                #expect(!outcome.errors.contains(secret) && !argvs.contains(secret))
                #expect(try await run(["grep", "-rlF", "--", secret, scratch.path + "/netroots", cache]).output == "")
            }
            let root = try scratch.store("a").current().root
            #expect(try Files.text(root + "/etc/apt/sources.list") == "deb \(mirror.folderURL) fixture main\n")
            #expect(try Files.text(directory + "/build.log").contains("mmdebstrap"))
            #expect(try Files.names(in: root + "/etc/apt/auth.conf.d") == [])
        }
    }

    /// Faults that the build tells before it begins, or with the right next step.
    @Suite(.serialized) struct AdviceBuildTests {
        let scratch: Scratch

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
            try scratch.write("a.def", "Bootstrap: scratch\n")
        }

        @Test(
            "A NETROOT that is mounted noexec or read-only is refused before anything begins",
            arguments: ["noexec", "ro"])
        func anUnfitMount(option: String) async throws {
            try Files.makeDirectory(scratch.path + "/netroots")
            let mount = "mount -t tmpfs -o \(option) none '\(scratch.path)/netroots'"
            let outcome = try await scratch.run("build", "a", wrapper: Namespace.mounting(mount))
            let cure = option == "ro" ? "rw" : "exec"
            expectError(
                outcome, .usage,
                [
                    "\(scratch.path)/netroots, which is mounted \(option)",
                    "mount -o remount,\(cure) \(scratch.path)/netroots",
                ])
            #expect(!outcome.errors.contains("bootstrap"))
        }

        @Test("A symlink of %files to nothing is told with its target and its line")
        func aDanglingLink() async throws {
            try Files.makeDirectory(scratch.path + "/conf")
            try Files.replaceLink(scratch.path + "/conf/link", target: "/nowhere/at/all")
            for (source, words) in [
                ("conf/link", "conf/link is a symlink to /nowhere/at/all"),
                ("conf", "conf holds conf/link, a symlink to /nowhere/at/all"),
                ("conf/*", "conf/link, a symlink to /nowhere/at/all"),
            ] {
                try scratch.write("a.def", "Bootstrap: scratch\n\n%files\n    \(source) /etc/x\n")
                let outcome = try await scratch.run("build", "a")
                expectError(outcome, .usage, ["\(scratch.path)/a.def:4: %files: ", words, "which does not exist"])
            }
        }

        @Test("A root of a container image that has no kernel is told what its agent can do")
        func aContainerWithoutKernel() async throws {
            let image = ContainerImage([.init([ContainerImage.directory("etc")])])
            try await image.write(to: scratch.path + "/image")
            try scratch.write("a.def", "Bootstrap: oci\nFrom: image:test\n")
            let outcome = try await scratch.run(
                "build", "a", environment: ["NETROOT_CACHE": scratch.path + "/cache"])
            expectError(outcome, .failed, ["the root has no kernel", "in %post"])
            #expect(!outcome.errors.contains("Include"))
        }

        @Test("A configuration that was replaced in the cache of images is not believed")
        func aReplacedConfiguration() async throws {
            let image = ContainerImage([.init([ContainerImage.directory("etc"), ContainerImage.file("etc/good")])])
            try await image.write(to: scratch.path + "/image")
            try scratch.write("a.def", "Bootstrap: oci\nFrom: image:test\n\n%setup\n    exit 42\n")
            let environment = ["NETROOT_CACHE": scratch.path + "/cache"]
            expectError(
                try await scratch.run("build", "a", environment: environment), .failed, ["exit status 42"],
                outputLines: 5)
            let blobs = scratch.path + "/cache/container/layout/blobs/sha256"
            var configuration: String?
            for name in try Files.names(in: blobs) {
                let bytes = try Files.read("\(blobs)/\(name)")
                if String(decoding: bytes, as: UTF8.self).contains("diff_ids") { configuration = "\(blobs)/\(name)" }
            }
            let path = try #require(configuration)
            let good = try Files.read(path)
            // skopeo looks at the name, and perhaps at the size.
            var evil = good
            evil[evil.count - 1] = UInt8(ascii: " ")
            try Files.replace(path, with: evil)
            let outcome = try await scratch.run("build", "a", environment: environment)
            expectError(outcome, .failed, ["exit status 42"], outputLines: 5)
            #expect(try Files.read(path) == good)
        }
    }
}
