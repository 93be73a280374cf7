import NetrootConfig

/// What `/init` is told of the archive that it is in: `netroot/settings`, lines of `NAME=VALUE`.
struct RescueSettings: Sendable, Equatable {
    var layout: Label.InitramfsLayout
    var leastRAM: LeastRAM
    /// What the last file of the archive holds: no other archive has it.
    var archive: String
    /// Of the layout squashfs: the image in the archive.
    var image: Image?
    /// The permissions of the root's own directory.
    var rootMode: UInt32

    /// An image, as `/init` checks it.
    struct Image: Sendable, Equatable {
        var bytes: Int64
        /// In hexadecimal.
        var sha256: String
    }

    /// The file. Sizes of RAM are in MiB, as the messages have them.
    var text: String {
        var lines = [
            "layout=\(layout.rawValue)", "least_ram=\(leastRAM.bounded >> 20)",
            "least_ram_unbounded=\(leastRAM.unbounded >> 20)", "owner=\(RootSkeleton.owner)", "archive=\(archive)",
            "root_mode=\(String(rootMode, radix: 8))",
        ]
        if let image { lines += ["image_bytes=\(image.bytes)", "image_sha256=\(image.sha256)"] }
        return lines.map { $0 + "\n" }.joined()
    }
}
