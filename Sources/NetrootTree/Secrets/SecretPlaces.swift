import Glibc
import NetrootSystem

/// A place where secrets are kept by custom, and what is one there.
struct SecretPlace: Sendable {
    /// A directory from the root, with a slash at its beginning; or the end of the path of one, `.ssh`, which may also be in
    /// a tree that is laid over the root at boot, `/etc/rootovl`; or any, for the empty text.
    let directory: [UInt8]
    /// Of the file; a pattern (glob(7)).
    let name: String
    let kind: SecretFinding.Kind
    let content: SecretContent

    init(_ directory: String, _ name: String, _ kind: SecretFinding.Kind, _ content: SecretContent = .anything) {
        self.directory = Array(directory.utf8)
        self.name = name
        self.kind = kind
        self.content = content
    }

    /// Whether the place is one directory of the root.
    var isAbsolute: Bool { directory.first == UInt8(ascii: "/") }

    /// - Parameters:
    ///   - folder: of the file, from the root, without a slash at its beginning.
    ///   - file: the name.
    fileprivate func isOf(_ folder: [UInt8], _ file: [UInt8]) -> Bool {
        if isAbsolute {
            guard folder.elementsEqual(directory.dropFirst()) else { return false }
        } else if !directory.isEmpty {
            guard folder.suffix(directory.count).elementsEqual(directory),
                folder.count == directory.count || folder[folder.count - directory.count - 1] == UInt8(ascii: "/")
            else { return false }
        }
        return fnmatch(name, DirectoryHandle.terminated(file), 0) == 0
    }
}

/// All known places, found by the name of a file.
struct SecretPlaces: Sendable {
    static let known = SecretPlaces(keys + machines + accounts + services + settings)

    /// Those whose name is no pattern, by it.
    private var named: [[UInt8]: [SecretPlace]] = [:]
    private var patterns: [SecretPlace] = []

    init(_ places: [SecretPlace]) {
        for place in places {
            if place.name.contains(where: { "*?[".contains($0) }) {
                patterns.append(place)
            } else {
                named[Array(place.name.utf8), default: []].append(place)
            }
        }
    }

    /// The places that a file is in.
    func of(_ path: [UInt8]) -> [SecretPlace] {
        let (folder, name) = DirectoryHandle.split(path)
        return (named[name] ?? []).filter { $0.isOf(folder, name) } + patterns.filter { $0.isOf(folder, name) }
    }

    private static let keys: [SecretPlace] = [
        .init("etc/ssh", "ssh_host_*_key", .privateKey),
        .init("etc/dropbear", "dropbear_*_host_key", .privateKey),
        .init(".ssh", "id_dropbear", .privateKey),
        .init("private-keys-v1.d", "*.key", .privateKey),
        .init(".gnupg", "secring.gpg", .privateKey),
        // PKCS #12 and DER: a SEQUENCE of more than 255 bytes (X.690).
        .init("", "*.p12", .privateKey, .start([0x30, 0x82])),
        .init("", "*.pfx", .privateKey, .start([0x30, 0x82])),
        .init("/var/lib/shim-signed/mok", "MOK.priv", .privateKey),
        // krb5's keytab format, version 2.
        .init("", "*keytab", .privateKey, .start([5, 2])),
        .init("etc/wireguard", "*.conf", .privateKey, .setting(["privatekey", "presharedkey"])),
        .init("etc/systemd/network", "*.netdev", .privateKey, .setting(["privatekey", "presharedkey"])),
        .init("etc/wireguard", "*.key", .privateKey),
        .init("etc/munge", "munge.key", .sharedKey),
        .init("etc/slurm", "slurm.key", .sharedKey),
        .init("etc/slurm", "jwt_hs256.key", .sharedKey),
        .init("etc/corosync", "authkey", .sharedKey),
        .init("etc/pacemaker", "authkey", .sharedKey),
        .init("etc/ceph", "*.keyring", .sharedKey, .setting(["key"])),
        .init("etc/bind", "rndc.key", .sharedKey, .text(["secret"])),
        .init("/etc", "rndc.key", .sharedKey, .text(["secret"])),
    ]

    private static let machines: [SecretPlace] = [
        .init("etc/iscsi", "initiatorname.iscsi", .identity, .setting(["initiatorname"])),
        .init("etc/nvme", "hostnqn", .identity, .entries),
        .init("etc/nvme", "hostid", .identity, .entries),
        .init("/var/lib/systemd", "random-seed", .identity),
        .init("/var/lib/systemd", "credential.secret", .privateKey),
        .init("/var/lib/NetworkManager", "secret_key", .privateKey),
        .init("/var/lib/samba/private", "secrets.tdb", .credentials),
        .init("/var/lib/samba/private", "passdb.tdb", .passwordHash),
    ]

    private static let accounts: [SecretPlace] = [
        .init("/etc/security", "opasswd", .passwordHash, .entries),
        .init("/etc/grub.d", "*", .passwordHash, .text(["grub.pbkdf2.sha512."])),
        .init("/boot/grub", "*.cfg", .passwordHash, .text(["grub.pbkdf2.sha512."])),
        .init("/boot/grub2", "*.cfg", .passwordHash, .text(["grub.pbkdf2.sha512."])),
        .init("", ".htpasswd", .passwordHash, .entries),
        .init(".vnc", "passwd", .passwordHash),
        .init("", ".netrc", .credentials, .word("password")),
        .init("", ".pgpass", .credentials, .entries),
        .init("", ".my.cnf", .credentials, .setting(["password"])),
        .init("", ".git-credentials", .credentials, .url),
        .init("", ".gitconfig", .credentials, .url),
        .init(".aws", "credentials", .credentials, .setting(["aws_secret_access_key", "aws_session_token"])),
        .init(".docker", "config.json", .credentials, .member(["auth", "identitytoken", "registrytoken"])),
        .init("containers", "auth.json", .credentials, .member(["auth", "identitytoken"])),
        .init("", ".dockercfg", .credentials, .member(["auth"])),
        .init(".kube", "config", .credentials, .setting(["client-key-data", "token", "password"])),
        .init("/etc/kubernetes", "*.conf", .credentials, .setting(["client-key-data", "token"])),
        .init("", ".npmrc", .token, .setting(["_authtoken", "_password", "_auth"])),
        .init("", ".yarnrc.yml", .token, .setting(["npmauthtoken"])),
        .init("", ".pypirc", .credentials, .setting(["password"])),
        .init(".cargo", "credentials", .token, .setting(["token"])),
        .init(".cargo", "credentials.toml", .token, .setting(["token"])),
        .init(".gem", "credentials", .token, .setting(["api_key"])),
        .init(".composer", "auth.json", .token, .member(["github.com", "password"])),
        .init(".terraform.d", "credentials.tfrc.json", .token, .member(["token"])),
        .init(".config/gh", "hosts.yml", .token, .setting(["oauth_token"])),
        .init(".config/rclone", "rclone.conf", .credentials, .setting(["pass", "token", "secret_access_key"])),
        .init(
            ".config/gcloud", "application_default_credentials.json", .credentials,
            .member(["refresh_token", "private_key"])),
        .init("", ".vault-token", .token),
        .init("huggingface", "token", .token),
        .init("", ".s3cfg", .credentials, .setting(["secret_key"])),
        .init("", ".boto", .credentials, .setting(["secret_access_key", "refresh_token"])),
        .init("", ".smbcredentials", .credentials, .setting(["password"])),
    ]

    private static let services: [SecretPlace] = [
        .init("/etc/apt", "auth.conf", .credentials, .word("password")),
        .init("/etc/apt/auth.conf.d", "*", .credentials, .word("password")),
        .init("/etc/mysql", "debian.cnf", .credentials, .setting(["password"])),
        .init("/etc/exim4", "passwd.client", .credentials, .entries),
        .init("/etc/postfix", "sasl_passwd*", .credentials),
        .init("/etc/ppp", "*-secrets", .credentials, .thirdWord),
        .init("/etc", "ipsec.secrets", .credentials, .entry(["PSK", "XAUTH", "EAP"])),
        .init("/etc/ipsec.d", "*.secrets", .credentials, .entry(["PSK", "XAUTH", "EAP"])),
        .init("/etc", "fstab", .credentials, .option(["password", "pass"])),
        .init("/etc/bacula", "*.conf", .credentials, .setting(["password"])),
        .init("/etc/bacula", "common_default_passwords", .credentials, .setting(["passwd"])),
        .init("etc/iscsi", "iscsid.conf", .credentials, .setting(["auth.password", "auth.password_in"])),
        .init("/etc/sssd", "sssd.conf", .credentials, .setting(["ldap_default_authtok"])),
        .init("/etc", "ldap.secret", .credentials),
        .init("/etc", "pam_ldap.secret", .credentials),
        .init("/etc", "nslcd.conf", .credentials, .setting(["bindpw"])),
        .init("etc/slurm", "slurmdbd.conf", .credentials, .setting(["storagepass"])),
        .init("/etc/rancher/node", "password", .credentials),
        .init(
            "etc/NetworkManager/system-connections", "*", .credentials,
            .setting(["psk", "password", "private-key", "secret", "wep-key0"])),
        .init("/etc/wpa_supplicant", "*.conf", .credentials, .setting(["psk", "password"])),
        .init("/var/lib/iwd", "*.psk", .credentials),
        .init("/etc/netplan", "*.yaml", .credentials, .setting(["password"])),
    ]

    /// Where the variables of programs and the mirrors of packages are set.
    private static let settings: [SecretPlace] =
        [
            ("/etc", "environment"), ("/etc/environment.d", "*"), ("/etc/profile.d", "*"), ("/etc/default", "*"),
            ("/etc/sysconfig", "*"), ("/.singularity.d/env", "*"), ("", ".env"), ("/root", ".bashrc"),
            ("/root", ".profile"), ("/root", ".bash_profile"), ("", ".envrc"),
        ].map { .init($0.0, $0.1, .credentials, .setting(variables)) }
        + [
            ("/etc", "environment"), ("/etc/profile.d", "*"), ("/.singularity.d/env", "*"), ("/etc/apt", "*.list"),
            ("/etc/apt/sources.list.d", "*"), ("/etc/apt/apt.conf.d", "*"), ("/etc/yum.repos.d", "*"),
            ("/etc/dnf", "dnf.conf"), ("/etc/zypp/repos.d", "*"), ("/etc", "pacman.conf"), ("/etc/pacman.d", "*"),
            ("", "pip.conf"), ("/etc", "gitconfig"),
        ].map { .init($0.0, $0.1, .credentials, .url) }
        + [
            ("/etc/yum.repos.d", "*"), ("/etc/dnf", "dnf.conf"), ("/etc/zypp/credentials.d", "*"),
        ].map { .init($0.0, $0.1, .credentials, .setting(["password"])) }

    /// The ends of the names of variables that hold secrets.
    private static let variables = [
        "token", "password", "passwd", "passphrase", "secret", "secret_key", "api_key", "apikey", "access_key",
        "private_key", "_pass",
    ]
}
