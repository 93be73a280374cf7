@testable import NetrootImage

/// Tar archives byte by byte, so that a test can say what no writer would.
struct LayerSample {
    private(set) var bytes: [UInt8] = []

    /// One block: ustar with a right checksum.
    static func block(
        _ name: [UInt8], _ flag: Character, size: String = "00000000000", link: [UInt8] = [], mode: String = "0000644",
        prefix: String = "", device: (String, String) = ("", ""), magic: String = "ustar\u{0}00"
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ bytes: [UInt8], _ offset: Int) {
            block.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
        }
        put(Array(name.prefix(100)), 0)
        put(Array(mode.utf8), 100)
        put(Array("0000000".utf8), 108)
        put(Array("0000000".utf8), 116)
        put(Array(size.utf8), 124)
        put(Array("00000000000".utf8), 136)
        block[156] = flag.asciiValue ?? 0
        put(Array(link.prefix(100)), 157)
        put(Array(magic.utf8), 257)
        put(Array(device.0.utf8), 329)
        put(Array(device.1.utf8), 337)
        put(Array(prefix.utf8), 345)
        return summed(block)
    }

    /// The block with the checksum that it should have.
    static func summed(_ block: [UInt8]) -> [UInt8] {
        var block = block
        for index in 148..<156 { block[index] = UInt8(ascii: " ") }
        let digits = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
        let field = String(repeating: "0", count: 6 - digits.utf8.count) + digits + "\u{0} "
        block.replaceSubrange(148..<156, with: Array(field.utf8))
        return block
    }

    static func padded(_ content: [UInt8]) -> [UInt8] {
        content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    static func octal(_ number: Int) -> String {
        let digits = String(number, radix: 8)
        return String(repeating: "0", count: 11 - digits.utf8.count) + digits
    }

    mutating func add(_ raw: [UInt8]) { bytes += raw }

    mutating func add(_ name: String, _ flag: Character, link: String = "", content: String = "") {
        add(Array(name.utf8), flag, link: Array(link.utf8), content: Array(content.utf8))
    }

    mutating func add(_ name: [UInt8], _ flag: Character, link: [UInt8] = [], content: [UInt8] = []) {
        bytes += Self.block(name, flag, size: Self.octal(content.count), link: link) + Self.padded(content)
    }

    /// An extended header (`x`, `g`, `L`, `K`) of these bytes.
    mutating func addExtended(_ flag: Character, _ content: [UInt8]) {
        bytes += Self.block(Array("extended".utf8), flag, size: Self.octal(content.count)) + Self.padded(content)
    }

    mutating func addPax(_ records: [(String, [UInt8])]) {
        addExtended("x", records.flatMap { Self.record($0.0, $0.1) })
    }

    static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = key.utf8.count + value.count + 3
        let length = (1...8).map { rest + $0 }.first { String($0).utf8.count == $0 - rest } ?? 0
        return Array("\(length) \(key)=".utf8) + value + [0x0A]
    }

    var whole: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    /// Several layers, each with the members that a test names.
    static func layer(_ members: (String, Character, String)...) -> [UInt8] {
        var sample = LayerSample()
        for (name, flag, link) in members { sample.add(name, flag, link: link) }
        return sample.whole
    }
}

/// What a layer's check passes on.
struct Checked {
    var bytes: [UInt8] = []
    var tree = LayerTree()
    var dropped = 0

    /// The members, read again.
    func entries() throws -> [TarEntry] {
        var list = EntryList()
        var reader = TarReader(name: "checked")
        try reader.read(bytes[...], &list)
        try reader.finish()
        return list.entries
    }

    /// `path` or `path -> target` of each.
    func names() throws -> [String] {
        try entries().map { entry in
            let link = entry.link.isEmpty ? "" : " -> " + String(decoding: entry.link, as: UTF8.self)
            return String(decoding: entry.path, as: UTF8.self) + link
        }
    }

    /// Checks layers one after the other.
    /// - Parameter pieces: the bytes come in pieces of this size.
    static func layers(_ layers: [[UInt8]], devices: Bool = false, pieces: Int = .max) throws -> Checked {
        var checked = Checked()
        for (number, layer) in layers.enumerated() {
            let collected = Collected()
            var filter = LayerFilter(
                layer: "layer \(number + 1)", tree: checked.tree, keepsDevices: devices
            ) { collected.bytes += $0 }
            var reader = TarReader(name: "layer \(number + 1)")
            var rest = layer[...]
            while !rest.isEmpty {
                let piece = rest.prefix(pieces)
                try reader.read(piece, &filter)
                rest = rest.dropFirst(piece.count)
            }
            try reader.finish()
            try filter.finish()
            checked.bytes = collected.bytes
            checked.tree = filter.tree
            checked.dropped += filter.droppedDevices
        }
        return checked
    }

    private final class Collected {
        var bytes: [UInt8] = []
    }
}

/// Keeps the members, and the sizes of their contents.
struct EntryList: TarReceiver {
    var entries: [TarEntry] = []
    var contents: [[UInt8]] = []

    mutating func begin(_ entry: TarEntry) {
        entries.append(entry)
        contents.append([])
    }

    mutating func content(_ bytes: ArraySlice<UInt8>) { contents[contents.count - 1] += bytes }
}
