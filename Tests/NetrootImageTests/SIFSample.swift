@testable import NetrootImage

/// A SIF file, field by field as `pkg/sif` in github.com/sylabs/sif lays it out.
struct SIFSample {
    struct Object {
        var kind: Int32
        var used: UInt8 = 1
        var id: UInt32
        var group: UInt32 = 0xF000_0001
        var link: UInt32 = 0
        var offset: Int64?
        var length: Int64?
        var name = "object"
        /// Of a partition: filesystem and role.
        var extra: [Int32] = []
        var bytes: [UInt8]
    }

    var magic = Array("SIF_MAGIC\0".utf8)
    var version = Array("01\0".utf8)
    var total: Int64 = 48
    var tableStart: Int64 = 4096
    var dataStart: Int64 = 32768
    var objects: [Object]

    /// The usual one: a definition file and the root.
    init(image: [UInt8], filesystem: Int32 = 1, role: Int32 = 2) {
        objects = [
            Object(kind: 0x4001, id: 1, name: "definition", bytes: Array("Bootstrap: scratch\n".utf8)),
            Object(kind: 0x4004, id: 2, name: "root", extra: [filesystem, role], bytes: image),
        ]
    }

    func bytes() -> [UInt8] {
        var data: [UInt8] = []
        var table: [UInt8] = []
        for object in objects {
            while (Int(dataStart) + data.count) % 4096 != 0 { data.append(0) }
            let start = dataStart + Int64(data.count)
            data += object.bytes
            table += descriptor(object, start: object.offset ?? start)
        }
        var file = Array("#!/usr/bin/env run-singularity\n".utf8) + [0] + magic + version + Array("02\0".utf8)
        file += [UInt8](repeating: 0xAB, count: 16)
        for field in [1_600_000_000, 1_600_000_000, total &- Int64(objects.count), total, tableStart] {
            file += Self.bytes(field)
        }
        for field in [total &* 585, dataStart, Int64(data.count)] { file += Self.bytes(field) }
        file = Self.padded(file, to: Int(tableStart)) + table
        return Self.padded(file, to: Int(dataStart)) + data
    }

    private func descriptor(_ object: Object, start: Int64) -> [UInt8] {
        var raw = Self.bytes(object.kind) + [object.used]
        for field in [object.id, object.group, object.link] { raw += Self.bytes(field) }
        let length = Int64(object.bytes.count)
        // Place, length, length with padding, made, changed, owner, group.
        let fields: [Int64] = [start, object.length ?? length, length, 1, 2, 0, 0]
        for field in fields { raw += Self.bytes(field) }
        raw += Self.padded(Array(object.name.utf8), to: 128)
        raw += Self.padded(object.extra.flatMap(Self.bytes) + Array("02\0".utf8), to: 384)
        precondition(raw.count == 585)
        return raw
    }

    private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    private static func padded(_ bytes: [UInt8], to count: Int) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: max(0, count - bytes.count))
    }
}
