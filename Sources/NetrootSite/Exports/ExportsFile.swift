import NetrootEntry
public import NetrootSystem

/// A file for `/etc/exports.d/`: which directories the kernel's nfsd exports, and to whom (exports(5)).
///
/// The options, and why:
/// - `ro`, and `rw` only for a label with RW=Y;
/// - `sync`: nothing is written to a read-only export, and a root that is written to must survive a server's crash;
/// - `no_root_squash`: the client's root must read its own `/etc/shadow` and host keys;
/// - `no_subtree_check`: a check of every handle against the tree costs time and breaks handles of renamed files.
///   What it leaves open, a forged handle to another file of the same filesystem, is closed by a filesystem of its
///   own for NETROOT and by naming the clients;
/// - `insecure` only where asked for: QEMU's user network connects from ports above 1023.
public struct ExportsFile: Sendable, Equatable {
    /// The label, for the comment above.
    public var label: String
    /// Absolute paths, one line each: running clients keep the generation that they booted.
    public var directories: [String]
    /// Host names, addresses, networks or netgroups as exports(5) has them; `*` is everybody.
    public var clients: [String]
    /// Clients may write; for a label with RW=Y.
    public var rw: Bool
    /// Clients may connect from ports above 1023.
    public var unprivilegedPorts: Bool

    /// The values as they are named; nothing is checked yet.
    public init(
        label: String, directories: [String], clients: [String] = ["*"], rw: Bool = false,
        unprivilegedPorts: Bool = false
    ) {
        self.label = label
        self.directories = directories
        self.clients = clients
        self.rw = rw
        self.unprivilegedPorts = unprivilegedPorts
    }

    /// The options of one client, for exports(5) and exportfs(8).
    public static func options(rw: Bool, unprivilegedPorts: Bool) -> String {
        ([rw ? "rw" : "ro", "sync", "no_root_squash", "no_subtree_check"] + (unprivilegedPorts ? ["insecure"] : []))
            .joined(separator: ",")
    }

    /// The name for `/etc/exports.d`, which reads only names that end in `.exports`.
    public var fileName: String { "netroot-\(label).exports" }

    /// The file's text.
    ///
    /// - Throws: `ExportsFileError` for a relative path, and for a client that would read as something else.
    public func rendered() throws(ExportsFileError) -> String {
        guard !clients.isEmpty else { throw .badClient("") }
        let suffix = "(" + Self.options(rw: rw, unprivilegedPorts: unprivilegedPorts) + ")"
        for client in clients {
            let allowed = client.utf8.allSatisfy { byte in
                byte > 0x20 && byte != 0x7F && !"()\"'\\#,".utf8.contains(byte)
            }
            guard !client.isEmpty, !client.hasPrefix("-"), allowed else { throw .badClient(client) }
        }
        var text = "# Label \(label). Written by netroot install, which will write it again.\n"
        for directory in directories {
            guard directory.hasPrefix("/") else { throw .relativePath(directory) }
            text += Self.escaped(directory) + " " + clients.map { $0 + suffix }.joined(separator: " ") + "\n"
        }
        return text
    }

    /// exports(5): a byte may stand as a backslash and three octal digits.
    private static func escaped(_ path: String) -> String {
        var bytes: [UInt8] = []
        var hasBackslash = false
        for byte in path.utf8 {
            hasBackslash = hasBackslash || byte == UInt8(ascii: "\\")
            // exportfs takes an unescaped backslash, once it is one, together with plain digits for a second escape.
            let isRiskyDigit = hasBackslash && (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte)
            guard byte <= 0x20 || byte == 0x7F || "\"\\#".utf8.contains(byte) || isRiskyDigit else {
                bytes.append(byte)
                continue
            }
            bytes.append(UInt8(ascii: "\\"))
            bytes += [byte >> 6, byte >> 3 & 7, byte & 7].map { $0 + UInt8(ascii: "0") }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Why an exports file cannot be written.
public enum ExportsFileError: ReportableError, Equatable {
    /// A directory that is not named from the root.
    case relativePath(String)
    /// A client that is empty, or would read as something else.
    case badClient(String)

    /// The exit status of a command that ends with this error.
    public var exitStatus: ExitStatus { .usage }

    /// One line: what, where and what to do next.
    public var description: String {
        switch self {
        case .relativePath(let path): "cannot export '\(path)': it is not an absolute path"
        case .badClient(let client):
            "cannot export to '\(client)'; name a host, an address, a network such as 10.0.0.0/24, or *"
        }
    }
}
