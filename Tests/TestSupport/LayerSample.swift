/// Tar archives byte by byte, so that a test can say what no writer would.
package struct LayerSample {
    /// The members so far.
    package private(set) var bytes: [UInt8] = []

    /// An archive without members.
    package init() {}

    /// One block: ustar with a right checksum.
    package static func block(
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
    package static func summed(_ block: [UInt8]) -> [UInt8] {
        var block = block
        for index in 148..<156 { block[index] = UInt8(ascii: " ") }
        let digits = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
        let field = String(repeating: "0", count: 6 - digits.utf8.count) + digits + "\u{0} "
        block.replaceSubrange(148..<156, with: Array(field.utf8))
        return block
    }

    package static func padded(_ content: [UInt8]) -> [UInt8] {
        content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    package static func octal(_ number: Int) -> String {
        let digits = String(number, radix: 8)
        return String(repeating: "0", count: 11 - digits.utf8.count) + digits
    }

    package mutating func add(_ raw: [UInt8]) { bytes += raw }

    package mutating func add(_ name: String, _ flag: Character, link: String = "", content: String = "") {
        add(Array(name.utf8), flag, link: Array(link.utf8), content: Array(content.utf8))
    }

    package mutating func add(_ name: [UInt8], _ flag: Character, link: [UInt8] = [], content: [UInt8] = []) {
        bytes += Self.block(name, flag, size: Self.octal(content.count), link: link) + Self.padded(content)
    }

    /// An extended header (`x`, `g`, `L`, `K`) of these bytes.
    package mutating func addExtended(_ flag: Character, _ content: [UInt8]) {
        bytes += Self.block(Array("extended".utf8), flag, size: Self.octal(content.count)) + Self.padded(content)
    }

    package mutating func addPax(_ records: [(String, [UInt8])]) {
        addExtended("x", records.flatMap { Self.record($0.0, $0.1) })
    }

    package static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = key.utf8.count + value.count + 3
        let length = (1...8).map { rest + $0 }.first { String($0).utf8.count == $0 - rest } ?? 0
        return Array("\(length) \(key)=".utf8) + value + [0x0A]
    }

    package var whole: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    /// Several layers, each with the members that a test names.
    package static func layer(_ members: (String, Character, String)...) -> [UInt8] {
        var sample = LayerSample()
        for (name, flag, link) in members { sample.add(name, flag, link: link) }
        return sample.whole
    }
}
