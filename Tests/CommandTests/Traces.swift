import NetrootSystem

/// What a run may leave behind: processes and mounts.
enum Traces {
    /// The processes whose command line holds a text, but for the test itself.
    static func processes(naming text: String) throws -> [String] {
        try Files.names(in: "/proc").filter { $0.allSatisfy(\.isNumber) }.compactMap { pid in
            // A process may end meanwhile.
            guard let bytes = try? Files.read("/proc/\(pid)/cmdline"), !bytes.isEmpty else { return nil }
            let line = String(decoding: bytes.map { $0 == 0 ? 0x20 : $0 }, as: UTF8.self)
            return line.contains(text) ? "\(pid): \(line)" : nil
        }
    }

    /// The mounts below a folder, in this mount namespace or in that of any process.
    static func mounts(below folder: String) throws -> [String] {
        try Files.names(in: "/proc").filter { $0.allSatisfy(\.isNumber) || $0 == "self" }.flatMap { pid -> [String] in
            guard let bytes = try? Files.read("/proc/\(pid)/mountinfo") else { return [] }
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n").filter { $0.contains(folder) }
                .map { "\(pid): \($0)" }
        }
    }
}
