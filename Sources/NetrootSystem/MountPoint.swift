/// Where a path is mounted, and with which options.
public struct MountPoint: Sendable, Equatable {
    public let path: String
    /// The directory of the filesystem that is mounted there: `/`, but for a subvolume or a bind mount.
    public let root: String
    /// The kernel's numbers of the device, `MAJOR:MINOR`; of its own making where the filesystem has no one device.
    public let device: String
    /// The filesystem: `ext4`, `vfat`.
    public let type: String
    /// Those of the mount, and of its filesystem.
    public let options: Set<String>

    /// The mount that a path is on: of those that hold it the longest, and of several in one place the last.
    /// - Parameters:
    ///   - path: absolute, without symlinks.
    ///   - table: proc(5), `/proc/PID/mountinfo`.
    public static func of(_ path: String, in table: String) -> MountPoint? {
        var found: MountPoint?
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6 else { continue }
            let place = unescaped(fields[4])
            guard place == "/" || path == place || path.hasPrefix(place + "/"),
                place.utf8.count >= found?.path.utf8.count ?? 0
            else { continue }
            let options = fields[5].split(separator: ",") + (fields.last ?? "").split(separator: ",")
            // Optional fields end with a hyphen.
            let type = fields.dropFirst(6).drop { $0 != "-" }.dropFirst().first ?? ""
            found = MountPoint(
                path: place, root: unescaped(fields[3]), device: String(fields[2]), type: String(type),
                options: Set(options.map(String.init)))
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
}
