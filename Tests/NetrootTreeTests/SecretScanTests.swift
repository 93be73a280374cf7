import Glibc
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootTree

@Suite struct SecretScanTests {
    private static let base64 = String(repeating: "MIIEvQIBADANBgkqhkiG", count: 4)
    private static func pem(_ kind: String) -> String {
        "-----BEGIN \(kind)PRIVATE KEY-----\n\(base64)\n-----END \(kind)PRIVATE KEY-----\n"
    }
    private static let github = "ghp_" + String(repeating: "a1B2", count: 9)

    /// What the one file of a root is.
    private func kind(_ path: String, _ content: String) throws -> SecretFinding.Kind? {
        let sample = try ScratchRoot()
        try sample.scratch.write("root/" + path, content)
        let findings = try SecretScan.findings(in: DirectoryHandle(sample.root))
        #expect(findings.allSatisfy { $0.path == Array(path.utf8) })
        return findings.first?.kind
    }

    @Test(
        "A key, a hash, a password, a token or a name of a machine is found by what it is and by where it is",
        arguments: [
            // By content, wherever people put files.
            ("etc/app/server.pem", pem(""), SecretFinding.Kind.privateKey),
            ("etc/app/bundle", "some text\n" + pem("RSA "), .privateKey),
            ("srv/www/tls.key", pem("EC "), .privateKey),
            ("key.pem", pem("ENCRYPTED "), .privateKey),
            ("app/config/id", pem("OPENSSH "), .privateKey),
            ("var/lib/x/key.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n\(base64)\n", .privateKey),
            ("opt/gcp.json", #"{"private_key": "-----BEGIN PRIVATE KEY-----\n\#(base64)\n"}"#, .privateKey),
            ("etc/app/old", "-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-128-CBC,00\n\n\(base64)\n", .privateKey),
            ("root/k.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\n", .privateKey),
            ("var/lib/tor/site/hs_ed25519_secret_key", "== ed25519v1-secret: type0 ==\0\0\0x", .privateKey),
            ("etc/openvpn/ta.key", "#\n-----BEGIN OpenVPN Static key V1-----\n00\n", .privateKey),
            ("root/keys.txt", "AGE-SECRET-KEY-1" + String(repeating: "QPZRY9X8", count: 8), .privateKey),
            ("etc/deploy.conf", "key \(github)\n", .token),
            ("usr/local/etc/hook", "curl -H 'Authorization: token \(github)'\n", .token),
            ("home/a/note", "xoxb-" + String(repeating: "12ab", count: 7), .token),
            // By place.
            ("etc/ssh/ssh_host_rsa_key", "key", .privateKey),
            ("etc/dropbear/dropbear_rsa_host_key", "\0\0\0\u{7}ssh-rsa", .privateKey),
            ("home/a/.gnupg/private-keys-v1.d/0A.key", "(private", .privateKey),
            ("etc/krb5.keytab", "\u{5}\u{2}\0\0", .privateKey),
            ("etc/wireguard/wg0.conf", "[Interface]\nPrivateKey = abc=\n", .privateKey),
            ("etc/systemd/network/wg.netdev", "[WireGuard]\nPrivateKey=abc=\n", .privateKey),
            ("etc/munge/munge.key", "\u{1}\u{2}", .sharedKey),
            ("etc/rootovl/any/etc/munge/munge.key", "\u{1}\u{2}", .sharedKey),
            ("etc/corosync/authkey", "x", .sharedKey),
            ("etc/bind/rndc.key", "key \"rndc-key\" { secret \"x\"; };\n", .sharedKey),
            ("etc/ceph/ceph.client.admin.keyring", "[client.admin]\n\tkey = AQ==\n", .sharedKey),
            ("etc/iscsi/initiatorname.iscsi", "## x\nInitiatorName=iqn.1993-08.org.debian:01:ab\n", .identity),
            ("etc/nvme/hostnqn", "nqn.2014-08.org.nvmexpress:uuid:x\n", .identity),
            ("var/lib/NetworkManager/secret_key", "nm-v2:x", .privateKey),
            ("var/lib/samba/private/secrets.tdb", "TDB", .credentials),
            ("etc/security/opasswd", "root:0:1:$6$x\n", .passwordHash),
            ("etc/grub.d/01_users", "password_pbkdf2 root grub.pbkdf2.sha512.10000.AB\n", .passwordHash),
            ("srv/www/.htpasswd", "a:$apr1$x\n", .passwordHash),
            ("etc/apt/auth.conf", "machine mirror.example.org login a password b\n", .credentials),
            ("etc/apt/auth.conf.d/x.conf", "machine mirror.example.org\nlogin a\npassword b\n", .credentials),
            ("etc/apt/sources.list", "deb http://a:b@mirror.example.org/debian x main\n", .credentials),
            ("etc/yum.repos.d/x.repo", "baseurl=https://a:b@mirror.example.org/\n", .credentials),
            ("etc/yum.repos.d/x.repo", "username=a\npassword=b\n", .credentials),
            ("root/.netrc", "machine x login y password z\n", .credentials),
            ("home/a/.pgpass", "# host\n*:*:*:a:b\n", .credentials),
            ("root/.aws/credentials", "[default]\naws_secret_access_key = abc\n", .credentials),
            ("root/.docker/config.json", #"{"auths":{"x":{"auth":"YTpi"}}}"#, .credentials),
            ("home/a/.config/containers/auth.json", #"{"auths":{"x":{"auth" : "YTpi"}}}"#, .credentials),
            ("root/.git-credentials", "https://a:b@git.example.org\n", .credentials),
            ("root/.kube/config", "users:\n- user:\n    client-key-data: LS0t\n", .credentials),
            ("root/.npmrc", "//registry.example.org/:_authToken=abc\n", .token),
            ("root/.pypirc", "[x]\npassword = abc\n", .credentials),
            ("root/.vault-token", "s.abc", .token),
            ("etc/mysql/debian.cnf", "[client]\nuser = debian-sys-maint\npassword = abc\n", .credentials),
            ("etc/NetworkManager/system-connections/w.nmconnection", "[wifi-security]\npsk=abc\n", .credentials),
            ("etc/environment", "API_TOKEN=abc\n", .credentials),
            (".singularity.d/env/90-environment.sh", "#!/bin/sh\nexport DB_PASSWORD='abc'\n", .credentials),
            ("etc/default/app", "SECRET_KEY=\"abc\"\n", .credentials),
            ("etc/profile.d/proxy.sh", "export http_proxy=http://a:b@proxy.example.org:3128\n", .credentials),
            ("opt/app/.env", "db_password=abc\n", .credentials),
            // Nobody's tests are in /etc or in a home.
            ("etc/test/.netrc", "machine x login y password z\n", .credentials),
            ("home/a/vendor/.netrc", "machine x login y password z\n", .credentials),
            ("var/www/site/config/key.pem", pem(""), .privateKey), ("etc/tests/key.pem", pem(""), .privateKey),
            ("etc/ppp/pap-secrets", "* host \"\" *\n\"a b\" host \"c d\" *\n", .credentials),
            ("etc/ppp/chap-secrets", "a * b\n", .credentials),
            ("etc/ipsec.secrets", "# x\n: PSK \"abc\"\n", .credentials),
            ("etc/fstab", "//nas/a /a cifs username=a,password=b 0 0\n", .credentials),
            ("etc/bacula/bacula-dir.conf", "Director {\n  Password = \"abc\"\n}\n", .credentials),
            ("etc/bacula/common_default_passwords", "DIRPASSWD=abc\n", .credentials),
        ])
    func isFound(_ path: String, _ content: String, _ expected: SecretFinding.Kind) throws {
        #expect(try kind(path, content) == expected, "\(path)")
    }

    @Test(
        "What only looks like a secret is none",
        arguments: [
            // Certificates, public keys, words about keys.
            ("etc/ssl/certs/ca.pem", "-----BEGIN CERTIFICATE-----\n\(base64)\n-----END CERTIFICATE-----\n"),
            ("etc/apt/trusted.gpg.d/x.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n\(base64)\n"),
            ("root/.ssh/authorized_keys", "ssh-ed25519 \(base64) a@b\n"),
            ("root/.ssh/id_rsa.pub", "ssh-rsa \(base64) a@b\n"),
            ("etc/ssh/ssh_host_rsa_key.pub", "ssh-rsa \(base64)\n"),
            ("etc/app/readme", "Put the file that begins with -----BEGIN PRIVATE KEY----- here.\n"),
            ("etc/app/check", "grep -q '-----BEGIN RSA PRIVATE KEY-----' \"$1\" || exit 1\n"),
            ("etc/app/text", "PRIVATE KEY-----\n\(base64)\n"),
            // The tests and documents of software, and what a package brought.
            ("usr/lib/python3/dist-packages/x/key.pem", pem("")), ("usr/share/doc/x/key.pem", pem("")),
            ("usr/local/lib/python3.12/site-packages/x/key.pem", pem("")),
            ("opt/app/node_modules/x/test.key", pem("")), ("usr/local/go/src/crypto/testdata/k.pem", pem("")),
            ("opt/app/src/tls.go", pem("")), ("usr/local/share/doc/x/key.pem", pem("")),
            ("var/lib/dpkg/info/x.postinst", pem("")), ("run/x/key.pem", pem("")), ("boot/key.pem", pem("")),
            ("opt/app/tests/x/.netrc", "machine x login y password z\n"),
            ("opt/x/test/http.keytab", "\u{5}\u{2}\0"),
            ("usr/local/lib/python3.12/site-packages/x/.npmrc", "_authToken=abc\n"),
            ("opt/app/node_modules/x/.env", "TOKEN=abc\n"), ("usr/local/src/x/fixtures/.ssh/id_dropbear", "key"),
            ("var/lib/gems/3.1.0/gems/x/spec/key.pem", pem("")), ("var/www/site/vendor/x/server.key", pem("RSA ")),
            // Known places with nothing in them.
            ("etc/mysql/debian.cnf", "# Automatically generated\n[client]\nuser = root\npassword =\n"),
            ("etc/apt/auth.conf", "# machine x login y password z\n"),
            ("etc/apt/sources.list", "deb http://mirror.example.org/debian bookworm main\n"),
            ("etc/apt/sources.list", "# deb http://NAME:PASSWORD@mirror.example.org/debian x main\n"),
            ("etc/apt/sources.list", "deb http://a@mirror.example.org:80/debian bookworm main\n"),
            ("etc/iscsi/initiatorname.iscsi", "GenerateName=yes\n"),
            ("etc/iscsi/iscsid.conf", "#node.session.auth.password = password\n"),
            ("etc/ppp/chap-secrets", "# Secrets for authentication using CHAP\n"),
            // As the packages of Debian make them.
            ("etc/ppp/pap-secrets", "#\n*\tlocalhost\t\"\"\t*\nguest\tlocalhost\t\"*\"\t-\nmaster\tx\t\"*\"\t-\n"),
            ("etc/ppp/chap-secrets", "a * @/run/secret *\nb *\n"),
            ("etc/ipsec.secrets", "# : PSK \"secret\", or XAUTH\ninclude /etc/ipsec.d/*.secrets\n"),
            ("etc/fstab", "//nas/a /a cifs credentials=/run/x,password= 0 0\n# /b cifs password=x\nLABEL=password /\n"),
            ("etc/bacula/bacula-fd.conf", "Director {\n  # Password = \"abc\"\n  Password = \"\"\n}\n"),
            ("etc/NetworkManager/system-connections/lan.nmconnection", "[connection]\nid=lan\n"),
            ("etc/NetworkManager/system-connections/w.nmconnection", "[vpn]\npassword-flags=1\n"),
            ("root/.docker/config.json", #"{"auths":{},"credsStore":"pass"}"#),
            ("root/.npmrc", "_authToken=${NPM_TOKEN}\n"), ("root/.gitconfig", "[user]\nname = a\n"),
            ("etc/default/app", "PASSWORD=\nTOKEN=$(cat /run/token)\nSECRET=/etc/app/secret\nUSE_PASSWORD=yes\n"),
            ("etc/login.defs", "PASS_MAX_DAYS 99999\n"), ("etc/default/keyboard", "XKBOPTIONS=\"\"\n"),
            ("etc/profile.d/a.sh", "export PASSWORD_STORE=x\n"), ("etc/security/opasswd", ""),
            ("root/.bashrc", "unset TOKEN\nalias x='y'\n"), ("etc/krb5.keytab.d/README", "keytab"),
            // Names of functions and variables.
            ("etc/app/a.conf", "hf_this_is_a_function_with_a_long_name_in_it()\n"),
            ("etc/app/b.conf", "xghp_\(String(repeating: "a1B2", count: 9))\n"),
        ])
    func isNone(_ path: String, _ content: String) throws {
        #expect(try kind(path, content) == nil, "\(path)")
    }

    @Test("The walk finds files with names that are no text, follows no symlink, and reads no package's files")
    func theWalk() throws {
        let sample = try ScratchRoot()
        let key = Self.pem("")
        for name in ["etc/a/key.pem", "usr/share/key.pem", "usr/local/key.pem", "var/cache/key.pem", "proc/key.pem"] {
            try sample.scratch.write("root/" + name, key)
        }
        try sample.scratch.write("outside/key.pem", key)
        try sample.link("etc/outside", sample.outside)
        try sample.link("etc/key.pem", sample.outside + "/key.pem")
        let hostile = Array("\(sample.root)/etc/".utf8) + [0xFF, 0x1B] + Array("[31m".utf8)
        let descriptor = open(DirectoryHandle.terminated(hostile), O_WRONLY | O_CREAT, 0o600)
        try #require(descriptor >= 0)
        try #require(write(descriptor, key, key.utf8.count) == key.utf8.count)
        close(descriptor)
        try #require(chmod(sample.root + "/etc/a/key.pem", 0o640) == 0)
        let findings = try SecretScan.findings(in: DirectoryHandle(sample.root))
        #expect(
            findings.map(\.display).sorted() == ["/etc/\\xff\\x1b[31m", "/etc/a/key.pem", "/usr/local/key.pem"])
        #expect(findings.filter(\.isWorldReadable).map(\.display) == ["/usr/local/key.pem"])
    }

    @Test("A file is public if it is as its package brought it, and not if a script made or changed it")
    func packagedFiles() throws {
        let sample = try ScratchRoot()
        let apiKey = "export GOOGLE_API_KEY=AIza\(String(repeating: "a1B2c", count: 7))\n"
        let paths = ["etc/chromium.d/apikeys", "opt/x/demo key.pem", "etc/made.pem", "etc/changed"]
        for path in paths { try sample.scratch.write("root/" + path, apiKey) }
        let digest = try MD5.hexadecimal(of: Array(apiKey.utf8))
        let other = String(repeating: "0", count: 32)
        let sums = "\(other)  usr/bin/x\n\(digest)  opt/x/demo key.pem\n"
        try sample.scratch.write("root/var/lib/dpkg/info/x.md5sums", sums)
        try sample.scratch.write(
            "root/var/lib/dpkg/status",
            """
            Package: chromium
            Conffiles:
             /etc/chromium.d/apikeys \(digest)
             /etc/changed \(other) obsolete
            Description: a browser
             /etc/made.pem \(digest)

            """)
        let findings = try SecretScan.findings(in: DirectoryHandle(sample.root)).map(\.path)
        #expect(findings.count == paths.count)
        let packaged = try PackagedFiles(of: RootTree(directory: sample.root), paths: findings)
        let shipped = try paths.filter { try packaged.contains(Array($0.utf8)) }
        #expect(shipped == ["etc/chromium.d/apikeys", "opt/x/demo key.pem"])
        #expect(try MD5.hexadecimal(of: Array("abc".utf8)) == "900150983cd24fb0d6963f7d28e17f72")
    }

    @Test("A path is allowed by itself, by a pattern, and by the directory that it is in")
    func patterns() {
        let patterns = PathPatterns(["/etc/a.key", "/etc/tls/*.pem", "/srv/keys/", "/opt/*/key", "/unused"])
        func matches(_ path: String) -> Bool { !patterns.matching(Array(path.utf8)).isEmpty }
        for path in ["etc/a.key", "etc/tls/b.pem", "srv/keys/x", "srv/keys/x/y", "opt/x/key"] { #expect(matches(path)) }
        for path in ["etc/a.key2", "etc/tls/x/b.pem", "srv/keys2", "opt/x/y/key", "x/etc/a.key"] {
            #expect(!matches(path), "\(path)")
        }
        let used = ["etc/a.key", "etc/tls/b.pem", "srv/keys/x", "opt/x/key"].map { Array($0.utf8) }
        #expect(patterns.unused(by: used) == ["/unused"])
    }
}

@Suite struct AccountPasswordsTests {
    private func passwords(_ shadow: String, passwd: String = "") -> AccountPasswords {
        var passwords = AccountPasswords()
        passwords.add(shadow, of: "etc/shadow")
        passwords.add(passwd, of: "etc/passwd")
        return passwords
    }

    @Test("A hash or an empty password that was there before the recipe is told, what the recipe set is not")
    func kept() {
        let before = passwords(
            "root:$6$old$x:1::::::\nset:$6$old$x:1::::::\na:*:1\nb:!:1\nc:!!:1\nd:!locked:1\nopen::1\nopened::1\n"
                + "e:!$y$j9T$abcdef:1\ndes:ab1234567890.:1\ngone:$6$x$yzabc:1\n",
            passwd: "root:x:0:0\nold:abcdefghijklm:1:1\n")
        let after = passwords(
            "root:$6$old$x:2::::::\nset:$6$new$x:2::::::\na:*:1\nb:!:1\nc:!!:1\nd:!locked:1\nopen::1\n"
                + "opened:$6$x$yzabc:1\ne:!$y$j9T$abcdef:1\ndes:ab1234567890.:1\nnew:$6$n$abcde:1\nnewopen::1\n",
            passwd: "root:x:0:0\nold:abcdefghijklm:1:1\n")
        let kept = after.kept(from: before)
        #expect(kept.map(\.name) == ["old", "des", "e", "open", "root"])
        #expect(kept.filter { $0.kind == .emptyPassword }.map(\.name) == ["open"])
        #expect(after.kept(from: AccountPasswords()).isEmpty)
    }
}
