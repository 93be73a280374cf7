import NetrootImage
import NetrootSystem
import TestSupport
import Testing

/// A small rescue archive of either layout, as docs/formats.md has it, and its root.
struct RescueSample {
    let path: String
    /// The root, as a directory.
    let tree: String
    /// Where each segment begins, in bytes.
    let starts: [Int]

    private static let directories: [(String, UInt32)] = [
        ("etc", 0o755), ("etc/ssh", 0o755), ("root", 0o700), ("usr", 0o755), ("usr/bin", 0o755), ("usr/lib", 0o755),
        ("srv", 0o755), ("tmp", 0o1777),
    ]

    private static func entries(of layout: String, _ settings: String) -> [NewcEntry] {
        var entries = [
            NewcEntry("init", .bytes(Array("#!/netroot/busybox sh\n".utf8)), mode: 0o755),
            NewcEntry("netroot", .directory), NewcEntry("netroot/settings", .bytes(Array(settings.utf8))),
        ]
        guard layout == "squashfs" else { return entries }
        for (name, _) in directories { entries.append(NewcEntry(name, .directory, uid: 4_000_000, gid: 4_000_000)) }
        entries.append(NewcEntry("bin", .symlink(Array("usr/bin".utf8)), uid: 4_000_000, gid: 4_000_000))
        return entries
    }

    init(_ layout: String, in scratch: Scratch, bytes: Int = 300_000) async throws {
        tree = scratch.path + "/root-\(layout)"
        for (name, mode) in Self.directories { try Files.makeDirectory("\(tree)/\(name)", mode: UInt16(mode)) }
        try FilePlace.link("\(tree)/bin", to: "usr/bin")
        try FilePlace.link("\(tree)/lib", to: "usr/lib")
        try FilePlace.write("\(tree)/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
        try FilePlace.write("\(tree)/etc/shadow", "root:*:1::::::\n", mode: 0o640)
        try FilePlace.write("\(tree)/etc/hostname", "rescue\n")
        var random = SeededRandom(seed: 11)
        let noise = (0..<bytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        try Files.replace("\(tree)/usr/lib/noise", with: noise)
        var middle: [UInt8]
        var settings = "layout=\(layout)\narchive=0123456789abcdef\n"
        if layout == "squashfs" {
            let image = scratch.path + "/root.squashfs"
            expectSuccess(try await scratch.run("pack", tree, image, "--no-cache"))
            settings += "image_bytes=\(try Files.size(image))\nimage_sha256="
            settings += try Digest.of(file: image).hexadecimal + "\n"
            let content = NewcEntry("netroot/root.squashfs", .bytes(try Files.read(image)))
            middle = try NewcArchive(entries: [content]).bytes()
        } else {
            middle = try await Self.zstd(try NewcArchive(directory: tree, prefix: "").bytes())
        }
        let small = try await Self.zstd(try NewcArchive(entries: Self.entries(of: layout, settings)).bytes())
        let end = NewcEntry("netroot/whole", .bytes(Array("0123456789abcdef\n".utf8)))
        path = scratch.path + "/\(layout).cpio.zst"
        let all = [small, middle, try NewcArchive(entries: [end]).bytes()]
        var whole: [UInt8] = []
        var starts: [Int] = []
        for part in all {
            starts.append(whole.count)
            whole += part
            whole += [UInt8](repeating: 0, count: (4 - whole.count % 4) % 4)
        }
        self.starts = starts
        try Files.replace(path, with: whole)
    }

    private static func zstd(_ bytes: [UInt8]) async throws -> [UInt8] {
        try await CommandRunner().captureBytes(Command(["zstd", "-qc"]), input: bytes)
    }
}

/// Files that a test puts somewhere by their paths.
enum FilePlace {
    static func write(_ path: String, _ text: String, mode: UInt16 = 0o644) throws {
        try Files.makeDirectory(Files.parent(path))
        try Files.replace(path, with: Array(text.utf8), mode: mode)
    }

    static func link(_ path: String, to target: String) throws { try FileReplacement.link(path, to: target) }
}
