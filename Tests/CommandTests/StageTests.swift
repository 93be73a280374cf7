import Glibc
import NetrootStore
import NetrootSystem
import Testing

extension Builds {
    /// Recipes of several stages, and roots that begin empty.
    @Suite(.serialized) struct StageTests {
        let scratch: Scratch

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
        }

        private func build(_ stages: String, setup: String = "", _ options: String...) async throws -> Outcome {
            var recipe = FakeRecipe(setup: setup)
            recipe.header = stages
            try recipe.write(scratch)
            var environment = try await FakeRecipe.environment(scratch)
            environment["NETROOT_CACHE"] = scratch.path + "/cache"
            environment["PATH"] = scratch.path + "/first:" + (environment["PATH"] ?? "")
            return try await run(
                scratch.netroot(["build", "a"] + options), environment: environment, folder: scratch.path)
        }

        /// Of a stage that lends files too: they are in the root.
        @Test func whatIsTakenUnsignedIsNoted() async throws {
            try scratch.write(
                "first/mmdebstrap",
                """
                #!/bin/sh
                if grep -q AllowInsecureRepositories "$NETROOT_APT_CONFIG"; then
                    touch "$NETROOT_DEB_CACHE/a.deb"
                else
                    case "$*" in
                        *trixie*)
                            echo "E: The repository 'http://mirror.example.org/debian trixie Release' is not signed." >&2
                            exit 1 ;;
                    esac
                fi
                exec '\(scratch.path)/bin/mmdebstrap' "$@"

                """, mode: 0o755)
            let stages =
                "Bootstrap: debootstrap\nOSVersion: trixie\nStage: lender\n\n"
                + "Bootstrap: debootstrap\nOSVersion: bookworm\n%files from lender\n    /usr/bin/sh /x\n"
            expectError(try await build(stages), .failed, ["not signed by a key that is trusted", "--allow-unsigned"])
            expectSuccess(try await build(stages, setup: "", "--allow-unsigned"))
            let noted = try scratch.store("a").current().manifest.bootstrap.unsigned
            #expect(noted == ["http://mirror.example.org/debian trixie Release"])
            func cached(_ agent: String) throws -> [String] {
                let folder = "\(scratch.path)/cache/\(agent)"
                return try Files.names(in: folder).filter { $0.hasPrefix("trixie-") }
                    .flatMap { try Files.names(in: "\(folder)/\($0)") }
            }
            #expect(try cached("debootstrap-unsigned") == ["a.deb"])
            #expect(try cached("debootstrap") == [])
        }

        private static let lender = """
            Bootstrap: scratch
            Stage: lender

            %setup
                cd "$APPTAINER_ROOTFS"
                mkdir -p etc/conf.d srv/data/deep usr/lib
                echo a > etc/conf.d/a.conf; echo b > etc/conf.d/b.conf; echo c > etc/conf.d/c.txt
                echo mine > etc/passwd
                echo deep > srv/data/deep/file; ln srv/data/deep/file srv/data/same
                chown 12:34 srv/data/deep/file; chmod 2750 srv/data/deep; ln -s /etc/passwd srv/data/link
                cp /bin/true srv/ping; setcap cap_net_raw+ep srv/ping
                ln -s /etc etc-link; ln -s /etc/passwd passwd-link
                ln -s /usr/bin host-link; ln -s "$OLDPWD/secret" secret-link


            """

        @Test func filesOfAStage() async throws {
            try scratch.write("secret", "of the host\n")
            let outcome = try await build(
                Self.lender + """
                    Bootstrap: scratch
                    Stage: unneeded
                    %setup
                        touch "$PWD/was-built"

                    Bootstrap: scratch
                    Stage: middle
                    %files from lender
                        /etc/conf.d/a.conf /relay/a.conf

                    Bootstrap: debootstrap
                    OSVersion: bookworm
                    %files from lender
                        /etc/conf.d/*.conf /opt/conf/
                        /srv/data
                        srv/ping /opt/
                        /srv/{ping,data} /opt/both/
                        passwd-link /opt/passwd
                        /etc-link/pass* /opt/through
                    %files from middle
                        /relay/a.conf /opt/relayed

                    """)
            expectSuccess(outcome)
            let steps = outcome.errors.split(separator: "\n").map { String($0.drop { " .0123456789".contains($0) }) }
            #expect(
                steps.prefix(6) == [
                    "\(scratch.path)/a.def: 1 of 4 stages not built: nothing copies from them", "s  lender: bootstrap",
                    "s  lender: %setup", "s  middle: bootstrap", "s  middle: %files", "s  bootstrap",
                ], "\(steps)")
            #expect(!Files.exists(scratch.path + "/was-built"))
            let generation = try scratch.store("a").current()
            let root = generation.root
            #expect(try Files.names(in: root + "/opt/conf") == ["a.conf", "b.conf"])
            #expect(try Files.names(in: root + "/opt/both") == ["data", "ping"])
            // Without a destination the same path; owners, hard links, capabilities and symlinks as they are.
            let listing = try await run(
                ["sh", "-c", "cd \"$1\" && stat -c '%n %a %u:%g %h' deep deep/file same", "sh", root + "/srv/data"])
            #expect(listing.output == "deep 2750 0:0 2\ndeep/file 644 12:34 2\nsame 644 12:34 2\n")
            #expect(try Files.linkTarget(root + "/srv/data/link") == "/etc/passwd")
            #expect(try await run(["getcap", root + "/opt/ping"]).output.contains("cap_net_raw=ep"))
            // Followed where the recipe names it: inside the stage.
            #expect(try Files.text(root + "/opt/passwd") == "mine\n" && Files.text(root + "/opt/through") == "mine\n")
            #expect(try Files.text(root + "/opt/relayed") == "a\n")
            #expect(generation.manifest.bootstrap.agent == "debootstrap")
            #expect(!Files.exists(generation.directory + "/scratch"))
            #expect(try Traces.mounts(below: scratch.path) == [])
        }

        /// Lines of `%files from lender`: each names what is on the host, and not in the stage.
        @Test(arguments: [
            "/host-link/*sh", "/host-link/sh", "secret-link", "/no/such", "/etc/*.such", "../../../etc/hostname",
        ])
        func whatIsNotInTheStageIsMissing(source: String) async throws {
            try scratch.write("secret", "of the host\n")
            let last =
                "Bootstrap: debootstrap\nOSVersion: bookworm\n%files from lender\n    /etc/passwd /x\n    \(source) /y\n"
            let outcome = try await build(Self.lender + last)
            let line = (Self.lender + last).split(separator: "\n", omittingEmptySubsequences: false).count - 1
            let words =
                source == "secret-link"
                ? "is a symlink to \(scratch.path)/secret, which" : "does not exist in that stage"
            expectError(
                outcome, .usage,
                [
                    "\(scratch.path)/a.def:\(line): %files from lender: \(source) \(words)",
                    "does not exist in that stage",
                ])
            #expect(!Files.exists(scratch.path + "/netroots/a/current"))
        }

        /// Symlinks in the root lead to where a boot would find it, or are in the way; the host's files stay as they are.
        @Test func symlinksInTheWayOfFiles() async throws {
            try scratch.write("outside/file", "of the host\n")
            try scratch.write("new", "new\n")
            try scratch.write("tree/below", "new\n")
            let setup = """
                cd "$APPTAINER_ROOTFS"; mkdir -p opt; up=../../../../../../../..
                ln -s "$OLDPWD/outside" opt/absolute; ln -s "$up$OLDPWD/outside" opt/relative
                ln -s "$OLDPWD/outside/file" opt/new; ln -s /srv/a/b/c opt/deep
                """
            let files = """
                new /opt/absolute/file
                new /opt/relative/other
                new /opt/
                new ../../../../../../..\(scratch.path)/outside/third
                """
            let header = "Bootstrap: debootstrap\nOSVersion: bookworm\n%files\n\(files)\n"
            expectSuccess(
                try await build(
                    Self.lender + header + "%files from lender\n/etc/conf.d/a.conf /opt/deep\n", setup: setup))
            let root = try scratch.store("a").current().root
            #expect(try Files.text(root + "/srv/a/b/c") == "a\n")
            for name in ["file", "other", "third"] {
                #expect(try Files.text("\(root)\(scratch.path)/outside/\(name)") == "new\n")
            }
            #expect(try Files.linkTarget(root + "/opt/new") == nil && Files.text(root + "/opt/new") == "new\n")
            let outcome = try await build(header + "tree /opt\n", setup: setup + "\nln -s x opt/tree")
            expectError(
                outcome, .failed,
                [
                    "a.def:", "%files: tree cannot be copied into the root: cp: ", "'/opt/tree'",
                    "change the destination",
                ],
                outputLines: 2)
            #expect(try Files.names(in: scratch.path + "/outside") == ["file"])
            #expect(try Files.text(scratch.path + "/outside/file") == "of the host\n")
        }

        /// Only what the recipe writes is a pattern.
        @Test func theFolderOfARecipeIsNoPattern() async throws {
            let folder = "sites[lab]{a,b}*"
            try scratch.write(folder + "/one.txt", "1\n")
            try scratch.write(folder + "/r.def", "Bootstrap: scratch\n%files\n    {one,two}.[t]xt /\n    three*\n")
            try scratch.write("hosts.conf", "[a]\nRECIPE = \(folder)/r.def\n")
            let missing = try await scratch.run("build", "a")
            expectError(missing, .usage, ["\(folder)/r.def:4: %files: three* does not exist"])
            try scratch.write(folder + "/three-3", "3\n")
            expectError(try await scratch.run("build", "a"), .failed, ["r.def: the root has no kernel"])
        }

        @Test func aStageThatFailsNamesItsSection() async throws {
            let outcome = try await build(
                "Bootstrap: scratch\nStage: one\n%setup\n    echo out of luck\n    false\n\n"
                    + "Bootstrap: debootstrap\nOSVersion: bookworm\n%files from one\n    /x\n")
            expectError(
                outcome, .failed, ["\(scratch.path)/a.def:4: %setup failed with exit status 1", "out of luck"],
                outputLines: 5)
            #expect(outcome.errors.contains("one: %setup: failed\n"))
        }

        @Test func aRootThatBeginsEmpty() async throws {
            let small = try await Workshop.shared.smallRoot()
            let outcome = try await build("Bootstrap: scratch\n", setup: "cp -a '\(small)/.' \"$APPTAINER_ROOTFS\"")
            expectSuccess(outcome)
            let generation = try scratch.store("a").current()
            #expect(generation.manifest.bootstrap == .init(agent: "scratch"))
            #expect(
                Files.exists(generation.root + "/usr/bin/sh") && generation.manifest.kernelVersion == FakeRecipe.kernel
            )
            #expect(Files.exists(generation.root + "/usr/lib/dracut/modules.d/95netroot-rootovl/module-setup.sh"))
        }

        @Test func anEmptyRootIsNotPublished() async throws {
            try scratch.write("a.def", "Bootstrap: scratch\n%setup\n    true\n")
            let outcome = try await scratch.run("build", "a")
            expectError(outcome, .failed, ["\(scratch.path)/a.def: the root has no kernel"])
        }
    }
}
