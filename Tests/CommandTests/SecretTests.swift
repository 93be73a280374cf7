import Glibc
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

extension Builds {
    /// What every client of a shared image could read, and what would tell none from the others.
    @Suite(.serialized) struct SecretTests {
        let scratch: Scratch
        let environment: [String: String]

        init() async throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
            environment = try await FakeRecipe.environment(scratch)
        }

        private static let key =
            "-----BEGIN PRIVATE KEY-----\n\(String(repeating: "MIIEvQIBADANBgkqhkiG", count: 4))\n"
            + "-----END PRIVATE KEY-----\n"
        private static let token = "ghp_" + String(repeating: "a1B2", count: 9)

        private func build(_ label: String = "a", _ options: String...) async throws -> Outcome {
            try await run(
                scratch.netroot(["build", label] + options), environment: environment, folder: scratch.path)
        }

        private func shell(_ command: String, _ options: String...) async throws -> Outcome {
            try await run(
                scratch.netroot(["shell", "a"] + options + ["--", "sh", "-c", command]), folder: scratch.path)
        }

        private func current(_ label: String = "a") throws -> Generation { try scratch.store(label).current() }

        /// The bootstrap tool leaves this in the root too; lines of shell with `$root`.
        private func bootstrapLeaves(_ lines: String) throws {
            let path = scratch.path + "/bin/mmdebstrap"
            let text = try Files.text(path).replacing("exec cp", with: "cp") + lines + "\n"
            try scratch.write("bin/mmdebstrap", text, mode: 0o755)
        }

        @Test("A private key stops the build with its path, until ALLOW_SECRETS names it, which the manifest says")
        func aKeyInTheRoot() async throws {
            try scratch.write("key.pem", Self.key)
            try scratch.write("hosts.conf", "[a]\nRECIPE = a.def\nALLOW_SECRETS = /etc/app/*.pem /etc/nothing\n")
            let setup = """
                mkdir -p "$APPTAINER_ROOTFS/etc/app" && cp key.pem "$APPTAINER_ROOTFS/etc/app/key.pem"
                chmod 644 "$APPTAINER_ROOTFS/etc/app/key.pem"
                """
            try FakeRecipe(setup: setup).write(scratch)
            let allowed = try await build()
            expectSuccess(allowed)
            #expect(allowed.errors.contains("ALLOW_SECRETS: /etc/nothing allows nothing"))
            let noted = [Manifest.AllowedSecret(path: "/etc/app/key.pem", kind: "private-key")]
            #expect(try current().manifest.allowedSecrets == noted)
            let manifest = try Files.text(current().directory + "/manifest.json")
            #expect(!manifest.contains("MIIE") && !manifest.contains("BEGIN"))
            #expect(try await build("a", "--if-changed").output.contains("generation 1"))

            // What is no longer allowed is no longer up to date.
            try scratch.writeHosts("a")
            let refused = try await build("a", "--if-changed")
            expectError(
                refused, .failed,
                [
                    "a secret", "/etc/app/key.pem: a private key, readable by every user",
                    "ALLOW_SECRETS = PATH… in [a]",
                ],
                outputLines: 1)
            #expect(try current().number == 1)
        }

        @Test("Of many secrets the first 20 are named, and a hostile name does not steer the terminal")
        func manyKeys() async throws {
            try scratch.write("key.pem", Self.key)
            let setup = """
                mkdir "$APPTAINER_ROOTFS/etc/keys" && cd "$APPTAINER_ROOTFS/etc/keys"
                for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do cp \(scratch.path)/key.pem k$n; done
                cp k1 "$(printf '\\033[31mred')"
                """
            try FakeRecipe(setup: setup).write(scratch)
            let outcome = try await build()
            expectError(
                outcome, .failed, ["23 secrets", "/etc/keys/\\x1b[31mred: a private key", "and 3 more"], outputLines: 21
            )
            #expect(!outcome.errors.contains("\u{1B}[31mred"))
            #expect(outcome.messageLines.filter { $0.hasPrefix("  /etc/keys/") }.count == 20)
        }

        @Test("What is made again at boot is removed: of the bootstrap, of %files no, of %post and of %test")
        func identities() async throws {
            try bootstrapLeaves(
                """
                mkdir -p "$root/etc/dropbear" "$root/etc/ssl/private" "$root/etc/ssl/certs" "$root/var/lib/systemd"
                echo key > "$root/etc/dropbear/dropbear_rsa_host_key"
                printf '%s' '\(Self.key)' > "$root/etc/ssl/private/ssl-cert-snakeoil.key"
                echo cert > "$root/etc/ssl/certs/ssl-cert-snakeoil.pem"
                ln -s ssl-cert-snakeoil.pem "$root/etc/ssl/certs/0123abcd.0"
                ln -s other.pem "$root/etc/ssl/certs/4567abcd.0"
                echo seed > "$root/var/lib/systemd/random-seed"
                mkdir -p "$root/etc/iscsi" "$root/root"
                echo GenerateName=yes > "$root/etc/iscsi/initiatorname.iscsi"
                echo 'secret --password x' > "$root/root/.bash_history"
                """)
            let post = """
                mkdir -p /etc/ssh /etc/munge /var/lib/dhcp /home/a/.local/share/fish
                echo key > /etc/ssh/ssh_host_rsa_key; echo key > /etc/munge/munge.key
                echo lease > /var/lib/dhcp/dhclient.leases
                echo typed > /root/.lesshst; echo typed > /home/a/.local/share/fish/fish_history
                echo 'root:$6$typed$x:1::::::' > /etc/shadow-
                echo 00112233445566778899aabbccddeeff > /etc/machine-id
                echo 'InitiatorName=iqn.x' > /etc/iscsi/second
                echo example.org > /etc/mailname
                """
            try FakeRecipe(post: post, test: "echo typed > /root/.python_history").write(scratch)
            let outcome = try await build()
            expectSuccess(outcome)
            let root = try current().root
            let gone = [
                "etc/dropbear/dropbear_rsa_host_key", "etc/ssl/private/ssl-cert-snakeoil.key",
                "etc/ssl/certs/ssl-cert-snakeoil.pem", "var/lib/systemd/random-seed", "root/.bash_history",
                "etc/ssh/ssh_host_rsa_key", "etc/munge/munge.key", "var/lib/dhcp/dhclient.leases", "root/.lesshst",
                "home/a/.local/share/fish/fish_history", "etc/shadow-", "root/.python_history",
            ]
            for path in gone { #expect(!Files.exists("\(root)/\(path)"), "\(path)") }
            #expect(try Files.names(in: root + "/etc/ssl/certs") == ["4567abcd.0"])
            #expect(try Files.text(root + "/etc/machine-id").isEmpty)
            // These tell nothing about a machine.
            for path in ["etc/iscsi/initiatorname.iscsi", "etc/mailname"] {
                #expect(Files.exists("\(root)/\(path)"), "\(path)")
            }
            for path in ["etc/munge/munge.key, which %post left", "root/.python_history, which the recipe left"] {
                #expect(outcome.errors.contains("removed \(path): all clients would share it"), "\(path)")
            }
        }

        @Test("A key that the recipe brings by %setup is not removed behind its back: the build stops")
        func aKeyThatTheRecipeBrings() async throws {
            let setup = """
                mkdir -p "$APPTAINER_ROOTFS/etc/munge" && echo key > "$APPTAINER_ROOTFS/etc/munge/munge.key"
                """
            try FakeRecipe(setup: setup).write(scratch)
            expectError(
                try await build(), .failed, ["/etc/munge/munge.key: a key that machines share"], outputLines: 1)
            try scratch.writeHosts("a", more: "ALLOW_SECRETS = /etc/munge/munge.key")
            expectSuccess(try await build())
            #expect(try Files.text(current().root + "/etc/munge/munge.key") == "key\n")
        }

        @Test("What would be removed stays by ALLOW_SECRETS: that is no word for nothing, and the manifest names it")
        func anAllowedIdentity() async throws {
            try scratch.writeHosts("a", more: "ALLOW_SECRETS = /etc/udev/rules.d /etc/munge/munge.key")
            let post = """
                mkdir -p /etc/munge /etc/udev/rules.d
                echo key > /etc/munge/munge.key; echo rules > /etc/udev/rules.d/70-persistent-net.rules
                """
            try FakeRecipe(post: post).write(scratch)
            let outcome = try await build()
            expectSuccess(outcome)
            #expect(!outcome.errors.contains("allows nothing"))
            let noted = [
                Manifest.AllowedSecret(path: "/etc/munge/munge.key", kind: "shared-key"),
                Manifest.AllowedSecret(path: "/etc/udev/rules.d/70-persistent-net.rules", kind: "identity"),
            ]
            #expect(try current().manifest.allowedSecrets == noted)
            #expect(try await build("a", "--if-changed").output.contains("generation 1"))
        }

        @Test("A password that the recipe did not set stops the build; one that it set does not, nor does a label's")
        func hashes() async throws {
            try bootstrapLeaves("printf 'root:$6$theirs$x:1::::::\\nguest::1::::::\\n' > \"$root/etc/shadow\"")
            try FakeRecipe().write(scratch)
            expectError(
                try await build(), .failed,
                [
                    "2 secrets", "/etc/shadow: the hash of a password that the recipe did not set",
                    "/etc/shadow: an account without a password",
                ], outputLines: 2)
            let set = "printf 'root:$6$ours$x:1::::::\\nguest:!:1::::::\\n' > /etc/shadow"
            try FakeRecipe(post: set).write(scratch)
            expectSuccess(try await build())
            #expect(try current().manifest.allowedSecrets == nil)
            try scratch.writeHosts("a", "b")
            try FakeRecipe(header: "Bootstrap: localimage\nFrom: label:a\n").write(scratch, "b")
            expectSuccess(try await build("b"))
        }

        @Test("Neither the scripts of packages nor those of the recipe see the build host's name, and it keeps it")
        func theHostName() async throws {
            let host = try Files.text("/proc/sys/kernel/hostname")
            try bootstrapLeaves("cat /proc/sys/kernel/hostname > \"$root/etc/builder\"")
            try FakeRecipe(
                post: """
                    cat /proc/sys/kernel/hostname > /etc/in-post
                    cat /proc/sys/kernel/hostname > /etc/mailname
                    """
            ).write(scratch)
            expectSuccess(try await build())
            let root = try current().root
            #expect(try Files.text(root + "/etc/builder") == "localhost\n")
            #expect(try Files.text(root + "/etc/in-post") == "localhost\n")
            #expect(!Files.exists(root + "/etc/mailname"))
            expectSuccess(try await shell("cat /proc/sys/kernel/hostname > /etc/in-shell"))
            #expect(try Files.text(current().root + "/etc/in-shell") == "localhost\n")
            #expect(try Files.text("/proc/sys/kernel/hostname") == host)
        }

        @Test("A shell leaves no history, its command is nowhere in the generation, and a token that it left stops it")
        func theShell() async throws {
            try FakeRecipe().write(scratch)
            expectSuccess(try await build())
            let left = try await shell(
                "echo \(Self.token) > /dev/null; echo typed > /root/.bash_history; echo \"$HISTFILE\" > /etc/histfile")
            expectSuccess(left)
            let second = try current()
            #expect(second.number == 2 && !Files.exists(second.root + "/root/.bash_history"))
            #expect(left.errors.contains("removed root/.bash_history, which the shell left"))
            #expect(try Files.text(second.root + "/etc/histfile") == "/dev/null\n")
            #expect(second.manifest.origin == Manifest.Origin(verb: "shell", base: 1))
            let found = try await run(["grep", "-r", "-F", "-l", Self.token, second.directory])
            #expect(found.status == 1, "\(found.output)")

            expectError(
                try await shell("umask 077; echo \(Self.token) > /etc/token"), .failed,
                ["/etc/token: a token; remove it\n"], outputLines: 1)
            #expect(try current().number == 2)

            // Clients have it already: it is said, and what was typed goes.
            let live = try await shell("echo \(Self.token) > /etc/token; echo typed > /root/.bash_history", "--live")
            expectSuccess(live)
            #expect(live.errors.contains("warning:   /etc/token: a token, readable by every user"))
            #expect(!Files.exists(second.root + "/root/.bash_history") && Files.exists(second.root + "/etc/token"))

            // Nobody works for an hour in a copy that cannot be published.
            let late = try await shell("echo entered")
            expectError(
                late, .failed, ["generation 2 has a secret", "/etc/token: a token", "build again"], outputLines: 2)
            #expect(!late.output.contains("entered"))
        }

        @Test("What %files brought stays in a shell's copy and in a root made from it; what these add does not")
        func whatARecipeBrought() async throws {
            let rules = "etc/udev/rules.d/70-persistent-net.rules"
            try scratch.write("70-persistent-net.rules", "ours\n")
            try scratch.writeHosts("a", "b")
            // The recipe's takes the place of one that the bootstrap left.
            try bootstrapLeaves("mkdir -p \"$root/etc/udev/rules.d\"; echo theirs > \"$root/\(rules)\"")
            try FakeRecipe(files: "70-persistent-net.rules /etc/udev/rules.d/", post: "echo a > /etc/hostname")
                .write(scratch)
            expectSuccess(try await build())
            #expect(try Files.text(current().root + "/" + rules) == "ours\n")

            let shell = try await shell("mkdir -p /etc/ssh; echo key > /etc/ssh/ssh_host_rsa_key")
            expectSuccess(shell)
            #expect(!shell.errors.contains(rules))
            let second = try current()
            #expect(second.number == 2 && !Files.exists(second.root + "/etc/ssh/ssh_host_rsa_key"))
            #expect(try Files.text(second.root + "/" + rules) == "ours\n")

            try FakeRecipe(
                header: "Bootstrap: localimage\nFrom: label:a\n", post: "echo key > /etc/ssh/ssh_host_rsa_key"
            ).write(scratch, "b")
            expectSuccess(try await build("b"))
            let other = try current("b").root
            #expect(try Files.text(other + "/" + rules) == "ours\n")
            #expect(try Files.text(other + "/etc/hostname") == "a\n")
            #expect(!Files.exists(other + "/etc/ssh/ssh_host_rsa_key"))
        }

        @Test("A certificate that the bootstrap left is there in %post, for programs that check it, and gone after it")
        func theCertificateOfThePackages() async throws {
            try bootstrapLeaves(
                """
                mkdir -p "$root/etc/ssl/certs" "$root/var/lib/cloud/instances/i-1"
                echo cert > "$root/etc/ssl/certs/ssl-cert-snakeoil.pem"
                echo builder > "$root/etc/hostname"
                """)
            let post = "test -s /etc/ssl/certs/ssl-cert-snakeoil.pem && test ! -e /etc/hostname"
            try FakeRecipe(post: post).write(scratch)
            let outcome = try await build()
            expectSuccess(outcome)
            let root = try current().root
            let gone = ["etc/ssl/certs/ssl-cert-snakeoil.pem", "var/lib/cloud/instances", "etc/hostname"]
            for path in gone {
                #expect(!Files.exists("\(root)/\(path)"), "\(path)")
                #expect(!outcome.errors.contains(path), "it is no news")
                let log = try Files.text(current().log)
                #expect(log.contains("removed \(path), which the bootstrap left"), "\(path)")
            }
        }

        @Test("A shell at a terminal that left a token opens again on its copy, until the token is gone or it fails")
        func theShellAtATerminal() async throws {
            try FakeRecipe().write(scratch)
            expectSuccess(try await build())
            // script(1) gives it a terminal.
            let netroot = scratch.netroot(["shell", "a"]).map { "'\($0)'" }.joined(separator: " ")
            func session(_ last: String) async throws -> Outcome {
                let first = "echo \(Self.token) > /etc/token; echo work > /etc/work; exit 0"
                let shown = "for n in $(seq 100); do grep -q 'opens again' shown && break; sleep 0.2; done"
                let typed = "sleep 1; echo '\(first)'; \(shown); sleep 1; echo '\(last)'; sleep 2"
                return try await run(
                    ["sh", "-c", ": > shown; (\(typed)) | script -qefc \"$1\" shown", "sh", netroot],
                    folder: scratch.path)
            }
            let dropped = try await session("exit 1")
            #expect(dropped.output.contains("/etc/token: a token") && dropped.output.contains("opens again"))
            #expect(dropped.status != 0)
            #expect(try current().number == 1)
            let published = try await session("rm /etc/token; exit 0")
            #expect(published.status == 0, "\(published.output)")
            #expect(try current().number == 2)
            #expect(try Files.text(current().root + "/etc/work") == "work\n")
        }

        @Test("A hash of a web server or of GRUB is none of an account, and the advice is none of chpasswd")
        func aHashOfNoAccount() async throws {
            try FakeRecipe(post: "mkdir -p /srv/www; echo 'a:$apr1$x' > /srv/www/.htpasswd").write(scratch)
            let outcome = try await build()
            expectError(
                outcome, .failed, ["/srv/www/.htpasswd: the hash of a password, readable by every user; remove it"],
                outputLines: 1)
            #expect(!outcome.errors.contains("chpasswd"))
        }

        @Test("The keys that the one client of a read-write root made stay in a shell's copy")
        func theShellOfAReadWriteRoot() async throws {
            try scratch.writeHosts("a", more: "RW = Y")
            try FakeRecipe().write(scratch)
            expectSuccess(try await build())
            let root = try current().root
            try Files.makeDirectory(root + "/etc/ssh")
            try Files.replace(root + "/etc/ssh/ssh_host_ed25519_key", with: Array(Self.key.utf8), mode: 0o600)
            try Files.replace(root + "/etc/machine-id", with: Array("0011\n".utf8))
            expectSuccess(try await shell("true"))
            let second = try current()
            #expect(second.number == 2 && second.manifest.allowedSecrets == nil)
            #expect(try Files.text(second.root + "/etc/ssh/ssh_host_ed25519_key") == Self.key)
            #expect(try Files.text(second.root + "/etc/machine-id") == "0011\n")
        }
    }
}
