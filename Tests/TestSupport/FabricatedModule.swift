/// A file as `depmod` and netroot read a kernel module: ELF with 64 bits, little-endian, with the one section `.modinfo`.
package enum FabricatedModule {
    /// - Parameter fields: `NAME=VALUE`.
    package static func bytes(_ fields: [String]) -> [UInt8] {
        let modinfo: [UInt8] = fields.flatMap { (field: String) -> [UInt8] in Array(field.utf8) + [0] }
        let names = Array("\0.modinfo\0.shstrtab\0".utf8)
        let start = 64
        let table = start + modinfo.count + names.count
        // e_ident, ET_REL, EM_X86_64, version; no entry, no program headers.
        var file: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
        let header = [
            (1, 2), (62, 2), (1, 4), (0, 8), (0, 8), (table, 8), (0, 4), (64, 2), (0, 2), (0, 2), (64, 2), (3, 2),
            (2, 2),
        ]
        for (value, size) in header { file += number(value, size) }
        file += modinfo + names
        file += section(name: 0, type: 0, offset: 0, size: 0)
        file += section(name: 1, type: 1, offset: start, size: modinfo.count)
        file += section(name: 10, type: 3, offset: start + modinfo.count, size: names.count)
        return file
    }

    private static func section(name: Int, type: Int, offset: Int, size: Int) -> [UInt8] {
        let fields = [
            (name, 4), (type, 4), (0, 8), (0, 8), (offset, 8), (size, 8), (0, 4), (0, 4), (1, 8), (0, 8),
        ]
        return fields.flatMap { number($0.0, $0.1) }
    }

    private static func number(_ value: Int, _ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(value >> (8 * $0) & 0xFF) }
    }
}
