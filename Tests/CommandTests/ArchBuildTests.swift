import NetrootStore
import NetrootSystem
import Testing

extension Builds {
    /// The agent arch on a small repository that the test makes and signs.
    @Suite(.serialized) struct ArchBuildTests {
        let scratch: Scratch
        let repository: String
        let cache: [String: String]

        init() async throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            repository = scratch.path + "/repository"
            cache = ["NETROOT_CACHE": scratch.path + "/cache"]
            try scratch.writeHosts("a")
            expectSuccess(
                try await run([Place.checkout + "/Tests/Fixtures/pacman-repository", "small", "--sign", repository]))
        }

        /// Builds a recipe of this header and include; where `whole`, with a kernel and a dracut of a few bytes.
        private func build(
            _ include: String, header: String? = nil, whole: Bool = false, _ options: String...
        ) async throws -> Outcome {
            let header = "Bootstrap: arch\n\(header ?? "ConfURL: repository/pacman.conf")\nInclude: \(include)\n"
            if whole {
                try FakeRecipe().write(scratch)
                let text = try Files.text(scratch.path + "/a.def")
                let fake = "Bootstrap: debootstrap\nOSVersion: bookworm\n"
                try #require(text.hasPrefix(fake))
                try scratch.write("a.def", header + text.dropFirst(fake.utf8.count))
            } else {
                try scratch.write("a.def", header)
            }
            return try await run(
                scratch.netroot(["build", "a"] + options), environment: cache, folder: scratch.path)
        }

        /// What is in the root, in the manifest and in the cache; and the second build fetches no package again.
        @Test func aRootOfPackages() async throws {
            expectSuccess(try await build("base devices", whole: true))
            let first = try scratch.store("a").current()
            let bootstrap = first.manifest.bootstrap
            #expect(bootstrap.agent == "arch" && bootstrap.from == "repository/pacman.conf")
            #expect(bootstrap.unsigned == nil)
            #expect(first.manifest.packages.map(\.name) == ["base", "devices"])
            #expect(first.manifest.packages.first?.version == "1.0-1")
            #expect(try Files.text(first.root + "/usr/share/fixture/devices") == "devices\n")
            // The host's device was written to, not a file; its /sys not.
            #expect(!Files.exists(first.root + "/dev/null"))
            #expect(try Files.text(first.log).contains("devices: /sys is read-only"))
            #expect(try Files.linkTarget(first.root + "/etc/pacman.d/hooks/90-mkinitcpio-install.hook") == "/dev/null")
            #expect(try Files.text(first.log).contains("base-1.0-1-x86_64 downloading"))
            // No keys, agents or configurations of the build stay.
            #expect(!Files.exists(first.root + "/etc/pacman.d/gnupg"))
            #expect(!Files.exists(first.directory + "/scratch"))
            let processes = try await run(["ps", "-eo", "stat,args"]).output.split(separator: "\n")
            #expect(processes.filter { $0.contains(scratch.path) && !$0.hasPrefix("Z") } == [])

            expectSuccess(try await build("base devices", whole: true))
            let second = try scratch.store("a").current()
            #expect(second.number == first.number + 1)
            #expect(!(try Files.text(second.log).contains("-x86_64 downloading")))
        }

        @Test func aDamagedCacheIsMended() async throws {
            expectSuccess(try await build("base", whole: true))
            let names = try Files.names(in: scratch.path + "/cache/arch")
            let package = "\(scratch.path)/cache/arch/\(try #require(names.first))/base-1.0-1-x86_64.pkg.tar.zst"
            var bytes = try Files.read(package)
            bytes[bytes.count / 2] ^= 1
            try Files.replace(package, with: bytes)
            let outcome = try await build("base", whole: true)
            expectSuccess(outcome)
            #expect(outcome.errors.contains("they are fetched again"))
        }

        /// The configuration of the distribution, with another mirror; its packages are signed, but by none of its keys.
        @Test func aMirror() async throws {
            let header = "MirrorURL: file://\(repository)"
            expectSuccess(try await build("base", header: header, whole: true, "--allow-unsigned"))
            let bootstrap = try scratch.store("a").current().manifest.bootstrap
            #expect(bootstrap.from == "file://\(repository)/$repo/os/$arch")
            #expect(bootstrap.unsigned == ["core", "extra"])
        }

        @Test func whatNobodySignedIsRefused() async throws {
            expectError(
                try await build("unsigned"), .failed, ["\(scratch.path)/a.def", "not signed", "--allow-unsigned"])
            expectSuccess(try await build("unsigned", whole: true, "--allow-unsigned"))
            #expect(try scratch.store("a").current().manifest.bootstrap.unsigned == ["core"])
        }

        @Test func whatWasChangedIsRefused() async throws {
            expectError(try await build("tampered"), .failed, ["not signed", "tampered: signature", "is invalid"])
        }

        @Test func aKeyThatIsNotTrustedIsRefused() async throws {
            try await expectStatus(["rm", "-r", repository + "/gnupg"])
            expectSuccess(
                try await run([
                    Place.checkout + "/Tests/Fixtures/pacman-repository", "small", "--sign", scratch.path + "/other",
                ]))
            try await expectStatus(["cp", "-R", scratch.path + "/other/gnupg", repository + "/gnupg"])
            expectError(try await build("base"), .failed, ["not signed by a key that is trusted"])
        }

        @Test func aConfigurationThatChecksNothingIsRefused() async throws {
            let conf = try Files.text(repository + "/pacman.conf")
            try scratch.write("repository/weak.conf", conf + "SigLevel = Optional TrustAll\n")
            expectError(
                try await build("base", header: "ConfURL: repository/weak.conf"), .failed,
                ["repository/weak.conf:", "SigLevel = Optional TrustAll", "--allow-unsigned"])
        }

        @Test func aScriptThatFailsFailsTheBuild() async throws {
            expectError(
                try await build("base broken"), .failed, [".INSTALL of the package broken failed: the words of broken"])
            expectError(
                try await build("base hooked"), .failed, ["the hook '(1/1) A hook that fails' failed"])
        }

        @Test func theReasonIsPacmansOwn() async throws {
            expectError(try await build("base nosuch"), .failed, ["a.def", "no package 'nosuch'", "Include"])
            expectError(try await build("needs-more"), .failed, ["no-such-package", "required by needs-more"])
            expectError(try await build("base clash"), .failed, ["conflicting files", "/etc/passwd"])
            expectError(try await build("base"), .failed, ["the root has no kernel", "add linux to Include"])
        }

        @Test func noRepository() async throws {
            try scratch.write("empty.conf", "[options]\nGPGDir = \(repository)/gnupg\n")
            try scratch.write("more.conf", "[core]\nServer = file://\(repository)\nInclude = /srv/weak\n")
            expectError(
                try await build("base", header: "ConfURL: more.conf"), .failed,
                ["more.conf:3: Include = /srv/weak", "would not be looked at"], outputLines: 1)
            expectError(
                try await build("base", header: "ConfURL: empty.conf"), .failed, ["empty.conf names no repository"])
            expectError(
                try await build("base", header: "ConfURL: absent.conf"), .failed, ["\(scratch.path)/absent.conf"])
            let port = try Listener().port
            expectError(
                try await build("base", header: "ConfURL: http://127.0.0.1:\(port)/pacman.conf"), .unavailable,
                ["cannot be reached", "127.0.0.1"])
            try scratch.write(
                "far.conf", "[options]\nGPGDir = \(repository)/gnupg\n[core]\nServer = http://127.0.0.1:\(port)/$repo\n"
            )
            expectError(
                try await build("base", header: "ConfURL: far.conf"), .unavailable, ["cannot be reached", "core.db"])
        }

        @Test func pacmanIsNamedWhereItIsMissing() async throws {
            try scratch.write("a.def", "Bootstrap: arch\n")
            expectError(
                try await scratch.run("build", "a", wrapper: Namespace.hiding(["pacman"])), .unavailable,
                ["not installed: pacman", "apt-get install pacman-package-manager"])
        }

        /// The keys of Arch Linux are a package of the host's; nothing is trusted without them.
        @Test func theDistributionsKeysAreNamedWhereTheyAreMissing() async throws {
            try scratch.write("a.def", "Bootstrap: arch\nMirrorURL: file://\(repository)\n")
            let hide = """
                mount -t tmpfs none /usr/share/keyrings
                if [ -d /usr/share/pacman/keyrings ]; then mount -t tmpfs none /usr/share/pacman/keyrings; fi
                exec "$@"
                """
            let outcome = try await scratch.run(
                "build", "a", wrapper: ["unshare", "--mount", "--", "sh", "-c", hide, "sh"], environment: cache)
            expectError(
                outcome, .unavailable,
                ["not installed: /usr/share/keyrings/archlinux.gpg", "apt-get install archlinux-keyring"])
        }

        private func expectStatus(_ argv: [String]) async throws { expectSuccess(try await run(argv)) }
    }
}
