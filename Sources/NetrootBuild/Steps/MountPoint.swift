import Glibc
import NetrootSystem

/// Where a path is mounted, and with which options.
struct MountPoint: Sendable, Equatable {
    let path: String
    /// Those of the mount, and of its filesystem.
    let options: Set<String>

    /// The mount that a path is on: of those that hold it the longest, and of several in one place the last.
    /// - Parameters:
    ///   - path: absolute, without symlinks.
    ///   - table: proc(5), `/proc/PID/mountinfo`.
    static func of(_ path: String, in table: String) -> MountPoint? {
        var found: MountPoint?
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6 else { continue }
            let place = unescaped(fields[4])
            guard place == "/" || path == place || path.hasPrefix(place + "/"),
                place.utf8.count >= found?.path.utf8.count ?? 0
            else { continue }
            let options = fields[5].split(separator: ",") + (fields.last ?? "").split(separator: ",")
            found = MountPoint(path: place, options: Set(options.map(String.init)))
        }
        return found
    }

    /// A blank is `\040`, octal.
    private static func unescaped(_ text: Substring) -> String {
        guard text.contains("\\") else { return String(text) }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Checks that a root can be made in a directory: programs of it run, and files are written.
    /// - Throws: `BuildError.unfitMount`, `SystemError`.
    static func requireFit(_ directory: String) throws {
        guard let resolved = realpath(directory, nil) else { throw SystemError("resolve", directory, code: errno) }
        defer { free(resolved) }
        let path = String(cString: resolved)
        guard let mount = of(path, in: try Files.text("/proc/self/mountinfo")) else { return }
        for option in ["ro", "noexec"] where mount.options.contains(option) {
            throw BuildError.unfitMount(path: path, mountPoint: mount.path, option: option)
        }
    }
}
