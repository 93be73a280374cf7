import Foundation
import Glibc
import NetrootConfig
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

extension Builds {
    /// `ROOTPW_FILE` and `--rootpw-generate`: what becomes of root's password, and where it is seen.
    @Suite(.serialized) struct RootPasswordTests {
        let scratch: Scratch
        let environment: [String: String]

        init() async throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a", more: "ROOTPW_FILE = site.rootpw")
            environment = try await FakeRecipe.environment(scratch)
        }

        private static let password = "correct horse: battery"

        private func build(_ options: String...) async throws -> Outcome {
            try await run(scratch.netroot(["build", "a"] + options), environment: environment, folder: scratch.path)
        }

        private func current() throws -> Generation { try scratch.store("a").current() }

        /// The second field of root's line in /etc/shadow.
        private func hash() throws -> String {
            let lines = try Files.text(current().root + "/etc/shadow").split(separator: "\n")
            let line = try #require(lines.first { $0.hasPrefix("root:") })
            return String(line.split(separator: ":", omittingEmptySubsequences: false)[1])
        }

        /// What crypt(3) makes of a password with the salt of a hash, in the words of another program than netroot.
        private func crypt(_ password: String, _ hash: String) async throws -> String {
            try await run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, hash]).output
        }

        /// The files below the label's directory that hold a text.
        private func holders(of text: String) async throws -> [String] {
            let netroot = try scratch.label("a").netroot
            return try await run(["grep", "-rlF", "--", text, netroot]).output.split(separator: "\n")
                .map { String($0.dropFirst(netroot.count + 1)) }
        }

        @Test("The file's password is root's, whatever the recipe set; log and manifest know neither it nor its hash")
        func file() async throws {
            try scratch.write("site.rootpw", Self.password + "\n", mode: 0o600)
            try FakeRecipe(
                post:
                    "printf 'root:$6$recipe$x:1:0:99999:7:::\\nguest:!:1::::::\\n' > /etc/shadow; chmod 640 /etc/shadow"
            ).write(scratch)
            let built = try await build("-v")
            expectSuccess(built)
            let hash = try hash()
            #expect(try await crypt(Self.password, hash) == hash)
            #expect(try await holders(of: Self.password).isEmpty)
            #expect(try await holders(of: hash) == ["generations/1/tree/root/etc/shadow"])
            #expect(!(built.output + built.errors).contains(hash))
            #expect(try Files.text(current().root + "/etc/shadow").contains("\nguest:!:1::::::\n"))
            var status = stat()
            #expect(stat(try current().root + "/etc/shadow", &status) == 0 && status.st_mode & 0o7777 == 0o640)
            #expect(try current().manifest.rootPassword == .file)
            // Nobody knows whether the file has the same password still.
            expectSuccess(try await build("--if-changed"))
            #expect(try current().number == 2)
            #expect(try self.hash() != hash, "a new salt")
        }

        @Test("A hash is taken as it is, also over what the bootstrap left; another account's is still refused")
        func hashed() async throws {
            let hash = try PasswordHash(of: Array("x".utf8)).text
            try scratch.write("site.rootpw", "hashed:\(hash)\n", mode: 0o400)
            let bin = scratch.path + "/bin/mmdebstrap"
            let copying = try Files.text(bin).replacing("exec cp", with: "cp")
            func bootstrap(_ lines: String) throws {
                let write = "printf '\(lines)' > \"$root/etc/shadow\"\n"
                try scratch.write("bin/mmdebstrap", copying + write, mode: 0o755)
            }
            try FakeRecipe().write(scratch)
            try bootstrap("root:\(hash):1::::::\\n")
            expectSuccess(try await build())
            #expect(try self.hash() == hash)
            try bootstrap("root:\(hash):1::::::\\nguest:\(hash):1::::::\\n")
            let refused = try await build()
            expectError(refused, .failed, ["/etc/shadow: the hash of a password"], outputLines: 1)
            #expect(!refused.errors.contains(hash))
        }

        @Test("A file that others can read stops the build before it begins, and so does one without a password")
        func refusedFile() async throws {
            try FakeRecipe().write(scratch)
            let file = try scratch.write("site.rootpw", Self.password, mode: 0o644)
            expectError(try await build(), .usage, ["\(file) has mode 0644", "chmod 600 \(file)"])
            try scratch.write("site.rootpw", "\n", mode: 0o600)
            expectError(try await build(), .usage, ["\(file):1: there is no password on the first line"])
            try scratch.write("site.rootpw", Self.password + "\r\n", mode: 0o600)
            let returning = try await build()
            expectError(returning, .usage, ["\(file):1: the line ends with a carriage return"])
            #expect(!returning.errors.contains("horse"))
            expectSuccess(try await run(["rm", file]))
            expectError(try await build(), .failed, ["cannot read \(file)"])
            #expect(!Files.exists(try scratch.label("a").netroot))
        }

        @Test("A made password is shown once, at the end, and is nowhere else; a label that has one gets none")
        func generated() async throws {
            try FakeRecipe().write(scratch)
            expectError(
                try await build("--rootpw-generate"), .usage, ["--rootpw-generate", "[a] has ROOTPW_FILE"])
            try scratch.writeHosts("a")
            let built = try await build("--rootpw-generate", "-v")
            expectSuccess(built)
            let shown = try #require(built.output.firstMatch(of: /root's password: ([a-z2-9-]{23})\n$/)).output.1
            let hash = try hash()
            #expect(try await crypt(String(shown), hash) == hash)
            #expect((built.output + built.errors).components(separatedBy: shown).count == 2)
            #expect(try await holders(of: String(shown)).isEmpty)
            #expect(try current().manifest.rootPassword == .generated)
            // Without it, the recipe's account stays what it is, and another build is no repetition.
            expectSuccess(try await build("--if-changed"))
            #expect(try current().number == 2 && current().manifest.rootPassword == nil)
        }

        @Test("In a system for RAM root has no password, whatever the recipe did, unless the label gives one")
        func locked() async throws {
            try scratch.writeHosts(
                "a",
                more: "FORMAT = tree initramfs\nTRANSPORTS = nfs\nCOMPRESSION = zstd:1\nINITRAMFS_LAYOUT = cpio")
            // A flag of chattr(1) is no way around it.
            let set = "printf 'root:$6$recipe$x:1:0:99999:7:::\\n' > /etc/shadow; chattr +i /etc/shadow || true"
            try FakeRecipe(post: set).write(scratch)
            let built = try await build()
            expectSuccess(built)
            #expect(built.errors.contains("took root's password away"))
            #expect(try hash() == "*")
            #expect(try current().manifest.rootPassword == .locked)
            #expect(try await build("--if-changed").output.contains("generation 1"))
        }

        @Test("A shell does not get around the lock, and the manifest says nothing of a password that somebody changed")
        func shell() async throws {
            let set = "printf 'root:$6$shell$x:1:0:99999:7:::\\n' > /etc/shadow; cp /etc/shadow /etc/shadow-"
            func shell(_ command: String) async throws -> Outcome {
                let argv = scratch.netroot(["shell", "a", "--", "sh", "-c", command])
                let outcome = try await run(argv, environment: environment, folder: scratch.path)
                expectSuccess(outcome)
                return outcome
            }
            // The archive is made because of the transport.
            try scratch.writeHosts(
                "a", more: "TRANSPORTS = nfs ram\nCOMPRESSION = zstd:1\nINITRAMFS_LAYOUT = cpio")
            try FakeRecipe().write(scratch)
            expectSuccess(try await build())
            #expect(try current().manifest.rootPassword == .locked && current().artifact(.rescue) != nil)
            #expect(try await shell(set).errors.contains("took root's password away"))
            #expect(try hash() == "*" && current().manifest.rootPassword == .locked)
            #expect(!Files.exists(try current().root + "/etc/shadow-"))

            try scratch.writeHosts("a", more: "ROOTPW_FILE = site.rootpw")
            try scratch.write("site.rootpw", Self.password + "\n", mode: 0o600)
            expectSuccess(try await build())
            _ = try await shell("cp /etc/shadow /etc/shadow-")
            #expect(try current().manifest.rootPassword == .file)
            #expect(!Files.exists(try current().root + "/etc/shadow-"))
            _ = try await shell(set)
            #expect(try hash() == "$6$shell$x" && current().manifest.rootPassword == nil)
        }

        @Test("An ordinary user's file is read in his name, before the build enters a user namespace")
        func withoutRoot() async throws {
            try await FreshUser.with { user in
                try scratch.writeHosts("a", more: "FORMAT = squashfs\nCOMPRESSION = zstd:1\nROOTPW_FILE = site.rootpw")
                try scratch.write("site.rootpw", Self.password + "\n", mode: 0o600)
                try FakeRecipe(post: "env > /srv-env").write(scratch)
                _ = try await InstalledNetroot.copy(Place.netroot, to: scratch.path + "/installed")
                expectSuccess(try await run(["chown", "-R", "\(user.name):\(user.name)", scratch.path]))
                let argv = [scratch.path + "/installed/bin/netroot"] + scratch.netroot(["build", "a"]).dropFirst()
                expectSuccess(try await user.run(argv, environment: environment))
                let image = try current().image
                let shadow = try await run(["unsquashfs", "-cat", image, "etc/shadow"]).output
                let hash = String(shadow.split(separator: ":", omittingEmptySubsequences: false)[1])
                #expect(try await crypt(Self.password, hash) == hash)
                let seen = try await run(["unsquashfs", "-cat", image, "srv-env"]).output
                #expect(seen.contains("PATH=") && !seen.contains("NETROOT_HANDED"))
            }
        }
    }
}
