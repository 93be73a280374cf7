/// What a kernel module says of itself in its section `.modinfo`: `NAME=VALUE`, each with a NUL behind it (modinfo(8)).
public struct KernelModuleFile: Sendable, Equatable {
    /// In the order of the section.
    public let fields: [Field]

    /// One `NAME=VALUE`.
    public struct Field: Sendable, Equatable {
        public let name: String
        public let value: String
    }

    /// The most bytes that a module may have unpacked.
    private static let limit = 512 << 20

    /// Reads a module, compressed or not.
    /// - Parameter bytes: the whole file.
    /// - Throws: `KernelModuleError`.
    public init(_ bytes: [UInt8]) throws {
        let section = try Self.unpacked(bytes).withUnsafeBytes { try ELFSections($0).content(of: ".modinfo") }
        fields = section.map(Self.fields) ?? []
    }

    /// The values of a name.
    public func values(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

    /// `NAME=VALUE`, each with a NUL behind it: a section `.modinfo`, or the file `modules.builtin.modinfo`, in which
    /// `MODULE.` stands before each name.
    public static func fields(of bytes: [UInt8]) -> [Field] {
        bytes.split(separator: 0).compactMap { record in
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            return Field(
                name: String(decoding: record[..<equals], as: UTF8.self),
                value: String(decoding: record[(equals + 1)...], as: UTF8.self))
        }
    }

    private static func unpacked(_ bytes: [UInt8]) throws(KernelModuleError) -> [UInt8] {
        guard let compression = Compression(magic: bytes.prefix(6)), compression != .uncompressed else { return bytes }
        var unpacked: [UInt8] = []
        do {
            _ = try SegmentDecompression.run(
                compression, from: 0,
                read: { offset, count in
                    Array(bytes[min(Int(offset), bytes.count)..<min(Int(offset) + count, bytes.count)])
                },
                receive: { made in
                    unpacked += made
                    return unpacked.count <= limit
                })
        } catch {
            throw KernelModuleError(problem: (error as? CodecError)?.problem ?? "\(error)")
        }
        guard unpacked.count <= limit else { throw KernelModuleError(problem: "it has more than 512 MiB unpacked") }
        return unpacked
    }
}

/// Why a file is no kernel module; its caller knows which one.
public struct KernelModuleError: Error, Equatable {
    /// Without the file's name.
    public let problem: String
}

/// The sections of an ELF file (elf(5)), of 32 or 64 bits, in either order of bytes.
struct ELFSections {
    private let bytes: UnsafeRawBufferPointer
    private let is64: Bool
    private let isBigEndian: Bool

    private struct Section {
        let name: Int
        let offset: Int
        let size: Int
    }

    /// - Throws: `KernelModuleError` where the file is no ELF file.
    init(_ bytes: UnsafeRawBufferPointer) throws(KernelModuleError) {
        guard bytes.count >= 52, bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]), (1...2).contains(bytes[4]),
            (1...2).contains(bytes[5])
        else { throw KernelModuleError(problem: "it is not an ELF file") }
        self.bytes = bytes
        is64 = bytes[4] == 2
        isBigEndian = bytes[5] == 2
    }

    /// The bytes of a section; nil where there is none of that name.
    /// - Throws: `KernelModuleError` where a number leads out of the file.
    func content(of wanted: String) throws(KernelModuleError) -> [UInt8]? {
        let table = try number(at: is64 ? 0x28 : 0x20, is64 ? 8 : 4)
        let entrySize = try number(at: is64 ? 0x3A : 0x2E, 2)
        let count = try number(at: is64 ? 0x3C : 0x30, 2)
        let names = try section(try number(at: is64 ? 0x3E : 0x32, 2), table, entrySize)
        for index in 0..<count {
            let section = try section(index, table, entrySize)
            guard try name(section.name, in: names) == wanted else { continue }
            return Array(try slice(section.offset, section.size))
        }
        return nil
    }

    private func section(_ index: Int, _ table: Int, _ entrySize: Int) throws(KernelModuleError) -> Section {
        let (distance, overflow) = index.multipliedReportingOverflow(by: entrySize)
        guard !overflow, distance <= bytes.count, table <= bytes.count else { throw damaged }
        let start = table + distance
        return Section(
            name: try number(at: start, 4), offset: try number(at: start + (is64 ? 0x18 : 0x10), is64 ? 8 : 4),
            size: try number(at: start + (is64 ? 0x20 : 0x14), is64 ? 8 : 4))
    }

    private func name(_ offset: Int, in names: Section) throws(KernelModuleError) -> String {
        let table = try slice(names.offset, names.size)
        guard offset < table.count else { throw damaged }
        return String(decoding: table.dropFirst(offset).prefix { $0 != 0 }, as: UTF8.self)
    }

    private func slice(_ offset: Int, _ size: Int) throws(KernelModuleError) -> Slice<UnsafeRawBufferPointer> {
        guard offset <= bytes.count, size <= bytes.count - offset else { throw damaged }
        return bytes[offset..<offset + size]
    }

    /// A number that is not negative.
    private func number(at offset: Int, _ size: Int) throws(KernelModuleError) -> Int {
        let slice = try slice(offset, size)
        let value = (isBigEndian ? Array(slice) : slice.reversed()).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let number = Int(exactly: value) else { throw damaged }
        return number
    }

    private var damaged: KernelModuleError { KernelModuleError(problem: "it is damaged") }
}
