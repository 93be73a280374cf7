import ArgumentParser
import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree

struct SideLoadCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a side-load of keys, a name, networks and files.",
        discussion: """
            Needs no root. All files belong to root in the archive, and a tree keeps its
            modes and symlinks. The end of the archive's name says how it is compressed:
            .cpio.zst, .cpio.xz, .cpio.gz, .cpio.

            An archive with private keys or a password has mode 0600. The fingerprints of
            host keys are printed, and lines for known_hosts.

            Examples:
              netroot sideload create -o site.cpio.zst --authorized-keys admins.pub \\
                --host-keys new --hostname rescue1
              netroot sideload create -o site.cpio.zst --network *.network --tree site/
            """)

    @OptionGroup var common: CommonOptions
    @Option(name: .shortAndLong, help: ArgumentHelp("The archive.", valueName: "file"), completion: .file())
    var output: String
    @Option(
        name: .long, help: ArgumentHelp("Public keys that log in as root.", valueName: "file"), completion: .file())
    var authorizedKeys: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "new: host keys are made; or a directory with ssh_host_*_key.", valueName: "new-or-directory"),
        completion: .directory)
    var hostKeys: String?
    @Option(name: .long, help: ArgumentHelp("The machine's name.", valueName: "name"))
    var hostname: String?
    @Option(
        name: .long, parsing: .upToNextOption,
        help: ArgumentHelp("*.network, *.netdev, *.link, *.nmconnection.", valueName: "file"), completion: .file())
    var network: [String] = []
    @Option(
        name: .long, help: ArgumentHelp("A directory that is laid over the root.", valueName: "directory"),
        completion: .directory)
    var tree: String?
    @Flag(name: .long, help: "The files of the tree keep their owners (only root can).")
    var keepOwners = false
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Root's password, or hashed: and its hash; the file has mode 0600.", valueName: "file"),
        completion: .file())
    var rootPasswordFile: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Public keys of authorities whose certificates log in.", valueName: "file"), completion: .file())
    var sshCa: String?
    @OptionGroup var json: JSONOption

    func run() async throws {
        let compression = try Self.compression(of: output)
        if keepOwners { try PrivilegeError.requireRoot("--keep-owners") }
        let contents = try contents()
        guard !contents.isEmpty else {
            throw ValidationError("nothing to put into \(output): give --authorized-keys, --tree or another option")
        }
        let path = try CommonOptions.absolute(output)
        let (row, notes) = try await Interruption.cancelling {
            let made = try await contents.made()
            let replacement = try FileReplacement(of: path, naming: .unique)
            var writer = InitramfsWriter(to: replacement.descriptor, path: path)
            // The programs that decompress it want no zero bytes behind it.
            writer.pads = false
            let segment = try await writer.append(made.archive, compression: compression)
            let mode: UInt32 = made.isSecret ? 0o600 : 0o644
            try replacement.publish(mode: mode)
            return (SideLoadRow(path: path, bytes: segment.bytes, mode: mode, made), made.notes)
        }
        SideLoadText.tell(notes)
        FileWriter.standardOutput.write(json.json ? try JSON.text(row) : row.text)
    }

    private func contents() throws -> SideLoadContents {
        var contents = SideLoadContents()
        contents.authorizedKeys = authorizedKeys
        contents.hostKeys = try hostKeys.map { $0 == "new" ? .new : .directory(try CommonOptions.absolute($0)) }
        contents.hostname = hostname
        contents.network = network
        contents.tree = tree
        contents.keepsOwners = keepOwners
        contents.sshCA = sshCa
        if let path = rootPasswordFile {
            let text = try SecretFile.read(path, limit: RootPassword.longestFile)
            contents.rootPassword = try RootPassword(text: text, file: path).hash().text
        }
        return contents
    }

    /// How an archive is compressed, by the end of its name.
    static func compression(of name: String) throws -> BlockCompression {
        let kinds = [(".zst", "zstd"), (".xz", "xz"), (".gz", "gzip"), (".cpio", "none")]
        guard let kind = kinds.first(where: { name.hasSuffix($0.0) }) else {
            throw ValidationError("-o \(name) ends with none of .zst, .xz, .gz, .cpio, which say how it is compressed")
        }
        return try BlockCompression(parsing: kind.1)
    }
}

/// A side-load, as `sideload create` shows it.
struct SideLoadRow: Encodable {
    let path: String
    let bytes: UInt64
    /// In octal digits.
    let mode: String
    let entries: Int
    let authorizedKeys: Int
    let hostKeys: [HostKey]

    init(path: String, bytes: UInt64, mode: UInt32, _ made: SideLoadContents.Result) {
        self.path = path
        self.bytes = bytes
        self.mode = "0" + String(mode, radix: 8)
        entries = made.archive.entries.count
        authorizedKeys = made.authorizedKeys
        hostKeys = made.hostKeys
    }

    /// Without a name the lines are for nobody yet: with a pattern in its place the keys would count for every machine.
    private var heading: String {
        let isFor = hostKeys.first?.knownHosts.hasPrefix("\(HostKey.placeholder) ") ?? false
        return isFor ? ": put the machine's name or address in the place of \(HostKey.placeholder)" : ""
    }

    var text: String {
        var lines = ["\(path): \(bytes) bytes, \(entries) entries, mode \(mode)"]
        if authorizedKeys == 1 { lines.append("1 key logs in as root") }
        if authorizedKeys > 1 { lines.append("\(authorizedKeys) keys log in as root") }
        lines += hostKeys.map { "\($0.fingerprint) \($0.name)" }
        if !hostKeys.isEmpty { lines += ["", "# for known_hosts\(heading)"] + hostKeys.map(\.knownHosts) }
        return lines.map(TerminalText.line).joined(separator: "\n") + "\n"
    }
}
