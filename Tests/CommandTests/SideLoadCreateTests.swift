import Foundation
import NetrootImage
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

/// `sideload create`: what is in the archive, and what is refused.
@Suite struct SideLoadCreateTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    struct Row: Decodable {
        struct Key: Decodable {
            var name, type, fingerprint, knownHosts: String
        }
        var path, mode: String
        var bytes, entries, authorizedKeys: Int
        var hostKeys: [Key]
    }

    private func create(_ arguments: String..., output: String = "site.cpio") async throws -> Outcome {
        try await run(
            [Place.netroot, "sideload", "create", "-o", output, "--hosts", scratch.hosts] + arguments,
            folder: scratch.path)
    }

    private func key(_ name: String, _ arguments: String...) async throws -> String {
        try await CommandRunner().run(
            Command(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", "\(scratch.path)/\(name)"] + arguments
            ))
        return try Files.text("\(scratch.path)/\(name).pub")
    }

    /// What the reference tool says of an archive: mode, owner and name of each entry.
    private func listing(_ name: String = "site.cpio") async throws -> [String] {
        let bytes = try Files.read(scratch.path + "/" + name)
        let text = try await CommandRunner().capture(
            Command(["cpio", "-tv", "--numeric-uid-gid", "--quiet"]), input: bytes)
        return text.split(separator: "\n").map { line in
            let words = line.split(separator: " ")
            // The rest of a name with a line end in it.
            guard words.count > 8 else { return String(line) }
            return ([words[0], words[2], words[3]] + words.dropFirst(8)).joined(separator: " ")
        }
    }

    private func mode(_ name: String) throws -> String {
        let attributes = try FileManager.default.attributesOfItem(atPath: scratch.path + "/" + name)
        return String((attributes[.posixPermissions] as? Int) ?? 0, radix: 8)
    }

    @Test func everythingIsRootsWithTheModesThatSSHDWants() async throws {
        _ = try await key("admin")
        try scratch.write("tree/srv/a b\nc", "x", mode: 0o640)
        try FilePlace.link(scratch.path + "/tree/srv/link", to: "/nowhere at all")
        let outcome = try await create(
            "--authorized-keys", "admin.pub", "--host-keys", "new", "--hostname", "r1.example", "--tree", "tree",
            "--ssh-ca", "admin.pub", "--json")
        let row = try expectJSON(Row.self, outcome)
        let lines = try await listing()
        for line in [
            "drwx------ 0 0 netroot/overlay/root/.ssh", "-rw------- 0 0 netroot/overlay/root/.ssh/authorized_keys",
            "-rw------- 0 0 netroot/overlay/etc/ssh/ssh_host_ed25519_key",
            "-rw-r--r-- 0 0 netroot/overlay/etc/ssh/ssh_host_ed25519_key.pub",
            "-rw------- 0 0 netroot/overlay/etc/ssh/ssh_host_ecdsa_key",
            "-rw------- 0 0 netroot/overlay/etc/ssh/ssh_host_rsa_key", "-rw-r--r-- 0 0 netroot/overlay/etc/hostname",
            "lrwxrwxrwx 0 0 netroot/overlay/srv/link -> /nowhere at all", "-rw-r----- 0 0 netroot/overlay/srv/a b", "c",
            "-rw-r--r-- 0 0 netroot/overlay/etc/ssh/netroot_user_ca.pub",
        ] {
            #expect(lines.contains(line), "\(line) in \(lines)")
        }
        #expect(row.mode == "0600")
        #expect(try mode("site.cpio") == "600")
        #expect(row.authorizedKeys == 1)
        #expect(row.hostKeys.map(\.type) == ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
        #expect(row.hostKeys.allSatisfy { $0.knownHosts.hasPrefix("r1.example \($0.type) AAAA") })
    }

    /// The fingerprints that are printed are those of the keys in the archive, and ssh finds the machine by the lines.
    @Test func printedFingerprintsAreThoseOfTheKeys() async throws {
        let row = try expectJSON(Row.self, try await create("--host-keys", "new", "--json"))
        try await unpack()
        for key in row.hostKeys {
            let path = "\(scratch.path)/out/netroot/overlay/etc/ssh/\(key.name)"
            let derived = try await CommandRunner().capture(Command(["ssh-keygen", "-y", "-f", path]))
            try scratch.write("derived.pub", derived)
            let print = try await CommandRunner().capture(
                Command(["ssh-keygen", "-lf", scratch.path + "/derived.pub"]))
            #expect(print.contains(" \(key.fingerprint) "))
            #expect(key.knownHosts.hasPrefix("HOST \(derived.split(separator: "\n")[0])"))
            if key.type == "ssh-rsa" { #expect(Int(print.prefix { $0 != " " }) ?? 0 >= 3072) }
        }
        // As they are printed, ssh takes them for no machine but one of that name.
        try scratch.write("known", row.hostKeys.map { $0.knownHosts + "\n" }.joined())
        let found = try await run(["ssh-keygen", "-F", "rescue1", "-f", "known"], folder: scratch.path)
        #expect(found.status == 1 && found.output.isEmpty, "\(found.output)")
        let text = try await create("--host-keys", "new")
        #expect(
            text.output.contains("# for known_hosts: put the machine's name or address in the place of HOST\nHOST ssh-")
        )
        let again = try expectJSON(Row.self, try await create("--host-keys", "new", "--json"))
        #expect(Set(again.hostKeys.map(\.fingerprint)).isDisjoint(with: row.hostKeys.map(\.fingerprint)))
    }

    private func unpack(_ name: String = "site.cpio") async throws {
        try Files.makeDirectory(scratch.path + "/out")
        try await CommandRunner().run(
            Command(
                ["cpio", "-idm", "--quiet", "-F", "\(scratch.path)/\(name)"], workingDirectory: scratch.path + "/out"))
    }

    @Test(arguments: [("zst", ["zstd", "-dc"]), ("xz", ["xz", "-dc"]), ("gz", ["gzip", "-dc"])])
    func theEndOfTheNameSaysHowItIsCompressed(end: String, program: [String]) async throws {
        try scratch.write("tree/etc/motd", "hello\n")
        expectSuccess(try await create("--tree", "tree"))
        expectSuccess(try await create("--tree", "tree", output: "site.cpio.\(end)"))
        let unpacked = try await CommandRunner().captureBytes(
            Command(program), input: try Files.read("\(scratch.path)/site.cpio.\(end)"))
        #expect(try Files.read(scratch.path + "/site.cpio") == unpacked)
        #expect(try mode("site.cpio.\(end)") == "644")
        if end == "xz" {
            let verbose = try await CommandRunner().capture(
                Command(["xz", "--robot", "-lv", "\(scratch.path)/site.cpio.xz"]))
            #expect(verbose.contains("\tCRC32\t"))
        }
    }

    @Test func theSameTreeGivesTheSameBytes() async throws {
        try scratch.write("tree/etc/motd", "hello\n")
        try scratch.write("tree/srv/x", "y", mode: 0o600)
        expectSuccess(try await create("--tree", "tree", output: "a.cpio.zst"))
        expectSuccess(try await create("--tree", "tree", output: "b.cpio.zst"))
        #expect(try Files.read(scratch.path + "/a.cpio.zst") == Files.read(scratch.path + "/b.cpio.zst"))
        #expect(try mode("a.cpio.zst") == "600", "a file that not everybody reads is in it")
    }

    @Test func anOrdinaryUserMakesOne() async throws {
        try #require(Place.isRoot)
        try await FreshUser.with { user in
            let argv = user.argv(
                [Place.netroot, "sideload", "create", "-o", user.home + "/s.cpio", "--host-keys", "new"])
            expectSuccess(try await run(argv, folder: user.home))
            let bytes = try Files.read(user.home + "/s.cpio")
            try scratch.write("site.cpio", bytes: bytes)
            #expect(try await listing().allSatisfy { $0.contains(" 0 0 netroot") })
        }
    }

    // MARK: - Keys

    @Test func linesAreTakenAsSSHDTakesThem() async throws {
        let plain = try await key("a").trimmingCharacters(in: .newlines)
        try scratch.write(
            "keys",
            """
            # a comment\r

            \t \(plain)\r
            from="10.0.0.*,!10.0.0.9",command="echo \\"a b\\"",no-pty \(plain)
            RESTRICT,environment="A=b c" \(plain) and a comment with words
            """)
        let row = try expectJSON(Row.self, try await create("--authorized-keys", "keys", "--json"))
        #expect(row.authorizedKeys == 3)
        try await unpack()
        let laid = try Files.text(scratch.path + "/out/netroot/overlay/root/.ssh/authorized_keys")
        #expect(!laid.contains("\r") && laid.split(separator: "\n").count == 3)
        #expect(laid.contains("command=\"echo \\\"a b\\\"\",no-pty ssh-ed25519 "))
    }

    @Test(arguments: [
        ("KEY\nssh-foo AAAA x\n", "line 2", "no key of a type that sshd knows"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me\n", "line 1", "no key"),
        ("ssh-ed25519\n", "line 1", "no key behind ssh-ed25519"),
        ("# one\nfrom=\"x KEY\n", "line 2", "not closed"), ("frm=\"x\" KEY\n", "line 1", "no option 'frm='"),
        ("command=ls KEY\n", "line 1", "no quotation marks"), ("no-pty, KEY\n", "line 1", "end with a comma"),
        ("from=\"a\",from=\"b\" KEY\n", "line 1", "twice"), ("ssh-dss AAAA x\n", "line 1", "DSA"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA x\n", "line 1", "--ssh-ca"), ("", "no key in it", "log in"),
        ("# only\n\n", "no key in it", "log in"), ("---- BEGIN SSH2 PUBLIC KEY ----\n", "ssh-keygen -i", "format"),
    ])
    func aLineThatSSHDDoesNotTakeIsAnError(text: String, word: String, why: String) async throws {
        let plain = try await key("a").trimmingCharacters(in: .newlines)
        try scratch.write("keys", text.replacing("KEY\n", with: plain + "\n"))
        expectError(try await create("--authorized-keys", "keys"), .failed, ["keys: ", word, why])
        #expect(!Files.exists(scratch.path + "/site.cpio"))
    }

    @Test func aPrivateKeyIsNoAuthorizedKey() async throws {
        let text = try await key("a")
        expectError(try await create("--authorized-keys", "a"), .failed, ["a: ", "private key", ".pub"])
        try scratch.write("both", text + (try Files.text(scratch.path + "/a")))
        expectError(try await create("--authorized-keys", "both"), .failed, ["both: ", "private key"])
        expectError(try await create("--ssh-ca", "a"), .failed, ["a: ", "private key"])
        expectError(try await create("--authorized-keys", "gone"), .failed, ["gone"])
    }

    @Test func hostKeysOfADirectoryAreTaken() async throws {
        try Files.makeDirectory(scratch.path + "/keys")
        _ = try await key("keys/ssh_host_ed25519_key")
        _ = try await key("ca")
        try await CommandRunner().run(
            Command(
                [
                    "ssh-keygen", "-q", "-s", "\(scratch.path)/ca", "-I", "h", "-h",
                    "\(scratch.path)/keys/ssh_host_ed25519_key.pub",
                ]))
        let row = try expectJSON(Row.self, try await create("--host-keys", "keys", "--json"))
        #expect(row.hostKeys.map(\.name) == ["ssh_host_ed25519_key"])
        try await unpack()
        let folder = scratch.path + "/out/netroot/overlay/etc/ssh"
        #expect(
            try Files.read(folder + "/ssh_host_ed25519_key") == Files.read(scratch.path + "/keys/ssh_host_ed25519_key"))
        let config = try Files.text(folder + "/sshd_config.d/05-netroot-host-keys.conf")
        #expect(config.contains("HostKey /etc/ssh/ssh_host_ed25519_key\n"))
        #expect(config.contains("HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub\n"))
    }

    @Test func hostKeysThatSSHDCannotUseAreRefused() async throws {
        try Files.makeDirectory(scratch.path + "/keys")
        expectError(try await create("--host-keys", "keys"), .failed, ["no ssh_host_*_key"])
        _ = try await key("keys/ssh_host_rsa_key", "-t", "ed25519")
        try Files.move(scratch.path + "/keys/ssh_host_rsa_key", to: scratch.path + "/aside")
        expectError(try await create("--host-keys", "keys"), .failed, ["ssh_host_rsa_key.pub", "private key"])
        try scratch.write("keys/ssh_host_rsa_key", "nonsense\n", mode: 0o600)
        expectError(try await create("--host-keys", "keys"), .failed, ["ssh_host_rsa_key: ", "no private key"])
        _ = try await key("other")
        try Files.move(scratch.path + "/other", to: scratch.path + "/keys/ssh_host_rsa_key")
        expectError(try await create("--host-keys", "keys"), .failed, ["ssh_host_rsa_key.pub", "not the public key"])
        try Files.move(scratch.path + "/aside", to: scratch.path + "/keys/ssh_host_rsa_key")
        try await CommandRunner().run(
            Command(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", "\(scratch.path)/keys/ssh_host_rsa_key"]))
        expectError(try await create("--host-keys", "keys"), .failed, ["ssh_host_rsa_key: ", "passphrase"])
    }

    // MARK: - Name, networks, tree, password

    @Test(arguments: ["-a", "a-", "a..b", "a_b", "ä", "127.0.0.1", "a.", String(repeating: "a", count: 65)])
    func aHostNameIsOne(name: String) async throws {
        expectError(try await create("--hostname=\(name)"), .usage, ["--hostname '\(name)'"])
    }

    @Test func networkFilesGoWhereTheirServiceLooks() async throws {
        try scratch.write("10-a.network", "[Match]\nName=en*\n[Network]\nDHCP=yes\n")
        try scratch.write("b.netdev", "[NetDev]\nName=br0\nKind=bridge\n")
        try scratch.write("c.nmconnection", "[connection]\nid=c\n[wifi-security]\npsk=secretsecret\n")
        expectSuccess(try await create("--network", "10-a.network", "b.netdev", "c.nmconnection"))
        let lines = try await listing()
        for line in [
            "-rw-r--r-- 0 0 netroot/overlay/etc/systemd/network/10-a.network",
            "-rw-r--r-- 0 0 netroot/overlay/etc/systemd/network/b.netdev",
            "-rw------- 0 0 netroot/overlay/etc/NetworkManager/system-connections/c.nmconnection",
        ] {
            #expect(lines.contains(line), "\(line) in \(lines)")
        }
        #expect(try mode("site.cpio") == "600")
        try scratch.write("50-cloud.yaml", "network:\n")
        expectError(try await create("--network", "50-cloud.yaml"), .failed, ["50-cloud.yaml", "netplan generate"])
        try scratch.write("x.conf", "[Match]\n")
        expectError(try await create("--network", "x.conf"), .failed, ["x.conf", "*.network"])
        try scratch.write("empty.network", "[Network]\n")
        expectError(try await create("--network", "empty.network"), .failed, ["empty.network", "[Match]"])
        try scratch.write("wg.netdev", "[NetDev]\nKind=wireguard\n[WireGuard]\nPrivateKey=AAAA=\n")
        expectError(try await create("--network", "wg.netdev"), .failed, ["wg.netdev", "--keep-owners"])
        try scratch.write("d/b.netdev", "[NetDev]\n")
        expectError(try await create("--network", "b.netdev", "d/b.netdev"), .failed, ["same name"])
    }

    @Test func aTreeIsJudgedBeforeItIsPacked() async throws {
        _ = try await key("admin")
        try scratch.write("tree/root/.ssh/authorized_keys", "x")
        expectError(
            try await create("--tree", "tree", "--authorized-keys", "admin.pub"), .failed,
            ["/root/.ssh/authorized_keys", "--tree"])
        try scratch.write("users/root/.ssh/id_ed25519", try Files.text(scratch.path + "/admin"), mode: 0o600)
        expectError(try await create("--tree", "users"), .failed, ["root/.ssh/id_ed25519", "private key of a user"])
        try scratch.write("open/etc/ssl/private/x.key", try Files.text(scratch.path + "/admin"))
        expectError(try await create("--tree", "open"), .failed, ["x.key", "0644", "0600"])
        expectError(try await create("--tree", "gone"), .failed, ["gone"])
        try Files.makeDirectory(scratch.path + "/odd")
        try await CommandRunner().run(
            Command(
                ["python3", "-c", "import socket; socket.socket(socket.AF_UNIX).bind('s')"],
                workingDirectory: scratch.path + "/odd"))
        expectError(try await create("--tree", "odd"), .failed, ["odd/s", "socket"])
    }

    @Test func aDeviceOfATreeIsRefused() async throws {
        try #require(Place.isRoot)
        try Files.makeDirectory(scratch.path + "/tree")
        try await CommandRunner().run(Command(["mknod", "\(scratch.path)/tree/null", "c", "1", "3"]))
        expectError(try await create("--tree", "tree"), .failed, ["tree/null", "device"])
    }

    @Test func ownersAreRootsUnlessTheyAreKept() async throws {
        try #require(Place.isRoot)
        try scratch.write("tree/srv/x", "y")
        try await CommandRunner().run(Command(["chown", "1234:5678", "\(scratch.path)/tree/srv/x"]))
        expectSuccess(try await create("--tree", "tree"))
        #expect(try await listing().contains("-rw-r--r-- 0 0 netroot/overlay/srv/x"))
        expectSuccess(try await create("--tree", "tree", "--keep-owners"))
        #expect(try await listing().contains("-rw-r--r-- 1234 5678 netroot/overlay/srv/x"))
    }

    /// A program of an ordinary user's would be root's.
    @Test func aSetuidFileOfAnotherOwnerIsNoted() async throws {
        try #require(Place.isRoot)
        try scratch.write("tree/usr/local/bin/own", "y", mode: 0o4755)
        try scratch.write("tree/usr/local/bin/anns", "y")
        let path = scratch.path + "/tree/usr/local/bin/anns"
        try await CommandRunner().run(Command(["chown", "1234:5678", path]))
        try await CommandRunner().run(Command(["chmod", "4755", path]))
        let outcome = try await create("--tree", "tree")
        expectSuccess(outcome)
        #expect(outcome.errors.contains("tree/usr/local/bin/anns: setuid, and root's in the archive"))
        #expect(!outcome.errors.contains("bin/own") && !outcome.errors.contains("setgid"))
        #expect(try await listing().contains("-rwsr-xr-x 0 0 netroot/overlay/usr/local/bin/anns"))
        #expect(try await create("--tree", "tree", "--keep-owners").errors.isEmpty)
    }

    @Test func aTreeWithFilesOfRunIsNoted() async throws {
        try scratch.write("tree/run/systemd/network/10-netplan-a.network", "[Match]\n")
        let outcome = try await create("--tree", "tree")
        expectSuccess(outcome)
        #expect(outcome.errors.contains("tree/run: a filesystem of the running system is mounted over /run"))
    }

    @Test func thePasswordIsHashedAndIsNoFileOfTheRoot() async throws {
        try scratch.write("password", "correct horse\n", mode: 0o600)
        let outcome = try await create("--root-password-file", "password")
        expectSuccess(outcome)
        #expect(!(outcome.output + outcome.errors).contains("horse"))
        #expect(try await listing() == ["drwxr-xr-x 0 0 netroot", "-rw------- 0 0 netroot/root-password"])
        #expect(try mode("site.cpio") == "600")
        try await unpack()
        let hash = try Files.text(scratch.path + "/out/netroot/root-password")
        #expect(hash.hasPrefix("$") && !hash.contains("horse"))
        try scratch.write("open", "secret\n", mode: 0o644)
        expectError(try await create("--root-password-file", "open"), .usage, ["open", "0644", "chmod 600"])
        try scratch.write("empty", "", mode: 0o600)
        expectError(try await create("--root-password-file", "empty"), .usage, ["empty", "no password"])
    }

    @Test func aWrongCommandLineIsSaid() async throws {
        let nothing = try await create()
        #expect(nothing.status == 64 && nothing.errors.contains("nothing to put into site.cpio"))
        let end = try await create("--hostname", "a", output: "site.img")
        #expect(end.status == 64 && end.errors.contains("ends with none of .zst, .xz, .gz, .cpio"))
        expectError(
            try await create("--hostnam", "a"), .usage, ["unknown option '--hostnam'", "did you mean '--hostname'?"])
    }
}
