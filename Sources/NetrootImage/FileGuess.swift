import NetrootSystem

/// What a file that nobody expected looks like, in words.
public enum FileGuess {
    private static let magics: [(bytes: [UInt8], words: String)] = [
        (Array("hsqs".utf8), "a squashfs image"), (Array("sqsh".utf8), "a big-endian squashfs image"),
        (Array("070701".utf8), "a newc archive"),
        (Array("070702".utf8), "a newc archive"), (Array("070707".utf8), "an old cpio archive"),
        ([0x1F, 0x8B], "gzip data"), ([0x28, 0xB5, 0x2F, 0xFD], "zstd data"),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "xz data"), ([0x02, 0x21, 0x4C, 0x18], "lz4 data"),
        ([0x7F, 0x45, 0x4C, 0x46], "an ELF program"), (Array("#!".utf8), "a script"),
        (Array("MZ".utf8), "a kernel or an EFI program"), (Array("PK".utf8), "a zip archive"),
        (Array("BZh".utf8), "bzip2 data"), (Array("{".utf8), "text"), (Array("QFI".utf8), "a QEMU disk image"),
        (Array("#".utf8), "text"),
    ]

    /// The first bytes of a regular file, at most `count`.
    /// - Throws: `SquashfsReadError.foreign` for another kind of file, `SquashfsReadError.system`.
    public static func firstBytes(of path: String, count: Int) throws(SquashfsReadError) -> [UInt8] {
        try SquashfsImageFile(path).prefix(count)
    }

    /// Names the content by its first bytes; where they are not known, shows them.
    public static func describe(_ bytes: [UInt8]) -> String {
        if bytes.isEmpty { return "empty" }
        // Before the others: it begins as a script.
        if bytes.dropFirst(SIF.magicPlace).starts(with: SIF.magic) { return "a SIF file" }
        if let match = magics.first(where: { bytes.starts(with: $0.bytes) }) { return match.words }
        if bytes.allSatisfy({ $0 == 0 }) { return "zeros" }
        let isText = bytes.prefix(64).allSatisfy { $0 >= 0x20 && $0 < 0x7F || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
        if isText { return "text" }
        let digits = Array("0123456789abcdef")
        let shown = bytes.prefix(8).map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined(separator: " ")
        return "something that begins with the bytes \(shown)"
    }

    /// Names a file type of `st_mode`.
    static func describe(type mode: UInt32) -> String {
        switch FileType(rawValue: mode & FileType.mask) {
        case .directory: "a directory"
        case .characterDevice, .blockDevice: "a device"
        case .fifo: "a FIFO"
        case .socket: "a socket"
        default: "a special file"
        }
    }
}
