package import NetrootImage

/// Members of a tar archive as bytes: ustar, with a pax header where ustar has no room (POSIX.1-2001).
package enum TarOutput {
    /// The end of an archive.
    package static let end = [UInt8](repeating: 0, count: 2 * 512)

    /// The zero bytes that fill the last block of a content.
    package static func padding(after size: UInt64) -> [UInt8] {
        [UInt8](repeating: 0, count: Int((512 - size % 512) % 512))
    }

    /// What stands before a member's content.
    package static func header(_ entry: TarEntry) -> [UInt8] {
        var records: [UInt8] = []
        if entry.path.count > 100 { records += record("path", entry.path) }
        if entry.link.count > 100 { records += record("linkpath", entry.link) }
        if entry.size >= 1 << 33 { records += record("size", decimal(entry.size)) }
        if entry.uid >= 1 << 21 { records += record("uid", decimal(UInt64(entry.uid))) }
        if entry.gid >= 1 << 21 { records += record("gid", decimal(UInt64(entry.gid))) }
        for xattr in entry.xattrs {
            records += record(bytes: Array("SCHILY.xattr.".utf8) + xattr.name, xattr.value)
        }
        let main = block(entry)
        if records.isEmpty { return main }
        var extended = entry
        extended.path = Array("PaxHeader".utf8)
        extended.kind = .regular
        extended.size = UInt64(records.count)
        return block(extended, flag: UInt8(ascii: "x")) + records + padding(after: extended.size) + main
    }

    private static func decimal(_ number: UInt64) -> [UInt8] { Array(String(number).utf8) }

    private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] { record(bytes: Array(key.utf8), value) }

    /// The length counts its own digits.
    private static func record(bytes key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        let rest = key.count + value.count + 3
        var length = rest
        while rest + String(length).utf8.count != length { length = rest + String(length).utf8.count }
        return Array("\(length) ".utf8) + key + [UInt8(ascii: "=")] + value + [UInt8(ascii: "\n")]
    }

    private static func block(_ entry: TarEntry, flag: UInt8? = nil) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ bytes: some Collection<UInt8>, at offset: Int, _ count: Int) {
            block.replaceSubrange(offset..<(offset + min(bytes.count, count)), with: bytes.prefix(count))
        }
        func put(octal number: UInt64, at offset: Int, digits: Int) {
            let text = String(number, radix: 8)
            // One that does not fit is in the pax header.
            guard text.utf8.count <= digits else { return put(octal: 0, at: offset, digits: digits) }
            put((String(repeating: "0", count: digits - text.utf8.count) + text).utf8, at: offset, digits)
        }
        let (type, major, minor) = entry.type
        put(entry.path, at: 0, 100)
        put(octal: UInt64(entry.mode), at: 100, digits: 7)
        put(octal: UInt64(entry.uid), at: 108, digits: 7)
        put(octal: UInt64(entry.gid), at: 116, digits: 7)
        put(octal: entry.size, at: 124, digits: 11)
        put(octal: UInt64(entry.mtime), at: 136, digits: 11)
        block[156] = flag ?? type
        put(entry.link, at: 157, 100)
        put("ustar\u{0}00".utf8, at: 257, 8)
        put(octal: UInt64(major), at: 329, digits: 7)
        put(octal: UInt64(minor), at: 337, digits: 7)
        put("        ".utf8, at: 148, 8)
        put(octal: block.reduce(0) { $0 + UInt64($1) }, at: 148, digits: 6)
        block[154] = 0
        return block
    }
}

extension TarEntry {
    /// The target of a hard or symbolic link; empty for anything else.
    package var link: [UInt8] {
        switch kind {
        case .hardLink(let target), .symlink(let target): target
        default: []
        }
    }

    /// The type flag, and a device's numbers.
    fileprivate var type: (flag: UInt8, major: UInt32, minor: UInt32) {
        switch kind {
        case .regular: (UInt8(ascii: "0"), 0, 0)
        case .hardLink: (UInt8(ascii: "1"), 0, 0)
        case .symlink: (UInt8(ascii: "2"), 0, 0)
        case .characterDevice(let major, let minor): (UInt8(ascii: "3"), major, minor)
        case .blockDevice(let major, let minor): (UInt8(ascii: "4"), major, minor)
        case .directory: (UInt8(ascii: "5"), 0, 0)
        case .fifo: (UInt8(ascii: "6"), 0, 0)
        }
    }
}
