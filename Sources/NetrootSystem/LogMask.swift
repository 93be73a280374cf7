import SystemPackage

/// Covers secrets in a log with asterisks: programs print what they were given, `sh -x` does so with every command.
struct LogMask: Sendable {
    private let secrets: [[UInt8]]

    /// - Parameter secrets: the longest first.
    init(_ secrets: [String]) { self.secrets = secrets.map { Array($0.utf8) }.filter { !$0.isEmpty } }

    /// The credentials of this process's proxies.
    static func ofCaller() -> LogMask { LogMask(ProxyVariables.credentials(in: ProxyVariables.ofCaller().values)) }

    /// Overwrites in place what was added to a log from a byte offset on, so that no line of it moves.
    /// - Throws: `SystemError`.
    func cover(_ path: String, from offset: Int64, window: Int = 1 << 20) throws {
        guard let longest = secrets.map(\.count).max() else { return }
        try SystemError.wrap("write", path) {
            let file = try FileDescriptor.open(FilePath(path), .readWrite, options: [.closeOnExec])
            try file.closeAfter {
                var position = offset
                while true {
                    // A secret may lie across the end of a window.
                    var bytes = try Self.read(file, at: position, count: window + longest - 1)
                    if cover(&bytes, startingBefore: window) {
                        _ = try file.writeAll(toAbsoluteOffset: position, bytes)
                    }
                    guard bytes.count > window else { return }
                    position += Int64(window)
                }
            }
        }
    }

    private static func read(_ file: FileDescriptor, at offset: Int64, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = 0
            while filled < count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
                let more = try file.read(fromAbsoluteOffset: offset + Int64(filled), into: rest)
                if more == 0 { return }
                filled += more
            }
        }
    }

    /// Whether there was anything to cover: what begins later is whole in the next window.
    private func cover(_ bytes: inout [UInt8], startingBefore limit: Int) -> Bool {
        var isChanged = false
        for secret in secrets {
            var index = 0
            while index < min(limit, bytes.count), let start = bytes[index...].firstIndex(of: secret[0]) {
                index = start + 1
                guard start < limit, start + secret.count <= bytes.count,
                    bytes[start..<(start + secret.count)].elementsEqual(secret)
                else { continue }
                for place in start..<(start + secret.count) { bytes[place] = UInt8(ascii: "*") }
                index = start + secret.count
                isChanged = true
            }
        }
        return isChanged
    }
}
