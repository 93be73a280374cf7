public import NetrootSystem

/// The capabilities of one file (capabilities(7)), as the extended attribute `security.capability` has them.
///
/// The format is the kernel's: `struct vfs_cap_data` and `struct vfs_ns_cap_data` in linux/capability.h.
struct CapabilitySet: Sendable, Equatable {
    /// A bit for each capability, by its number.
    var permitted: UInt64
    var inheritable: UInt64
    /// Whether a program has them from its start.
    var isEffective: Bool

    /// Reads the attribute.
    /// - Returns: nil for what the kernel does not take as capabilities of this machine: another length or revision, or
    ///   those of another user namespace. Of its own namespace the kernel shows a process revision 2, whatever is on disk.
    init?(attribute: [UInt8]) {
        func word(_ index: Int) -> UInt64 {
            (0..<4).reduce(0) { $0 | UInt64(attribute[index * 4 + $1]) << (8 * UInt64($1)) }
        }
        guard attribute.count >= 4 else { return nil }
        let magic = word(0)
        // VFS_CAP_REVISION_1, _2 and _3, and their sizes.
        switch (magic >> 24, attribute.count) {
        case (1, 12):
            permitted = word(1)
            inheritable = word(2)
        case (2, 20), (3, 24):
            permitted = word(1) | word(3) << 32
            inheritable = word(2) | word(4) << 32
            // The owner of the user namespace in which it counts.
            if attribute.count == 24, word(5) != 0 { return nil }
        default: return nil
        }
        isEffective = magic & 1 != 0
    }

    /// The text that setcap(8) takes (cap_from_text(3)): `cap_net_bind_service,cap_net_raw=ep`; without a slash.
    var text: String {
        var clauses: [(flags: String, names: [String])] = []
        for number in 0..<64 where (permitted | inheritable) >> UInt64(number) & 1 != 0 {
            let flags =
                (isEffective ? "e" : "") + (inheritable >> UInt64(number) & 1 != 0 ? "i" : "")
                + (permitted >> UInt64(number) & 1 != 0 ? "p" : "")
            let name = number < Self.names.count ? "cap_" + Self.names[number] : "\(number)"
            if let index = clauses.firstIndex(where: { $0.flags == flags }) {
                clauses[index].names.append(name)
            } else {
                clauses.append((flags, [name]))
            }
        }
        // None at all is something too: not even root gets any.
        guard !clauses.isEmpty else { return "=" }
        return clauses.map { "\($0.names.joined(separator: ","))=\($0.flags)" }.joined(separator: " ")
    }

    /// By number, from `CAP_CHOWN`, 0, to `CAP_CHECKPOINT_RESTORE`, 40.
    private static let names = [
        "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
        "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
        "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
        "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
        "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
        "checkpoint_restore",
    ]
}

/// The files of a root that have capabilities: what a client that gets its root by NFS has to restore.
public struct FileCapabilities: Sendable, Equatable {
    /// Where the list is in a root.
    public static let path = "usr/lib/netroot/file-capabilities"

    /// The list: a line `CAPABILITIES PATH` a file, by the bytes of the paths; a path begins with the first ` /`.
    public let lines: [[UInt8]]

    /// Lists the regular files with capabilities, with each of their names.
    /// - Throws: `FileListingError.lineEnd` for a name that the list cannot hold.
    public init(_ listing: FileListing) throws(FileListingError) {
        var found: [(path: [UInt8], text: String)] = []
        for (index, node) in listing.nodes.enumerated() where node.entry.type == .regular {
            guard let attribute = node.entry.xattrs[Array("security.capability".utf8)],
                let set = CapabilitySet(attribute: attribute)
            else { continue }
            let path = listing.path(index)
            guard !path.contains(UInt8(ascii: "\n")) else {
                throw .lineEnd(path: TerminalText.line(String(decoding: path, as: UTF8.self)))
            }
            found.append((path, set.text))
        }
        lines = found.sorted { $0.path.lexicographicallyPrecedes($1.path) }.map { Array("\($0.text) ".utf8) + $0.path }
    }

    /// Puts the list into a root, in place of one that is there; a root without such files has none.
    /// - Returns: by how many bytes the files of the root grew.
    /// - Throws: `RootPathError`, `SystemError`.
    public func write(into tree: RootTree) throws -> Int64 {
        let before = try tree.contains(Self.path) ? Int64(tree.read(Self.path).count) : 0
        guard !lines.isEmpty else {
            try tree.remove(Self.path)
            return -before
        }
        let bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")])) + [UInt8(ascii: "\n")]
        try tree.write(Self.path, bytes)
        return Int64(bytes.count) - before
    }
}
