import NetrootConfig
public import NetrootEntry

/// A configuration of tgt (targets.conf(5)): one read-only target a generation.
public enum TargetConfig {
    static let file = "tgt's configuration"

    /// A part for `/etc/tgt/conf.d`.
    /// - Parameters:
    ///   - images: targets' names and images' paths.
    ///   - clients: who may connect, addresses and networks; `*` is everybody.
    /// - Throws: `SharedConfigError.badValue`.
    public static func rendered(
        images: [(target: String, path: String)], clients: [String]
    ) throws(SharedConfigError) -> String {
        var text = "# Written by netroot, which will write it again.\n"
        for (target, path) in images {
            guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }),
                !path.contains(where: { "<>#\"\\".contains($0) })
            else { throw .badValue(file: file, what: "path", value: path) }
            text += "<target \(target)>\n    <backing-store \(path)>\n        lun \(ISCSIRoot.unit)\n"
            text += "        readonly 1\n        allow-in-use yes\n    </backing-store>\n"
            for client in clients where !clients.contains("*") {
                guard AddressRange(client) != nil else { throw .badValue(file: file, what: "client", value: client) }
                text += "    initiator-address \(client)\n"
            }
            text += "</target>\n"
        }
        return text
    }
}
