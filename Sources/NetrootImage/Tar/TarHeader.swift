/// The fields of one block of 512 bytes (POSIX.1-2001 "ustar", GNU tar's and star's variants of it, and V7's before it).
struct TarHeader {
    static let length = 512

    let name: [UInt8]
    let mode: UInt64
    let uid: UInt64
    let gid: UInt64
    let size: UInt64
    let mtime: UInt64
    let typeFlag: UInt8
    let linkName: [UInt8]
    let deviceMajor: UInt64
    let deviceMinor: UInt64

    /// - Parameter block: 512 bytes.
    init(_ block: ArraySlice<UInt8>) throws(TarFault) {
        let start = block.startIndex
        func field(_ offset: Int, _ count: Int) -> ArraySlice<UInt8> {
            block[(start + offset)..<(start + offset + count)]
        }
        try Self.checkSum(block)
        let magic = field(257, 6)
        let isPOSIX = magic.elementsEqual("ustar\0".utf8)
        let isGNU = magic.elementsEqual("ustar ".utf8)
        var name = Array(field(0, 100).prefix { $0 != 0 })
        if isPOSIX {
            // star keeps times behind a shorter prefix, and says so at the end of the block.
            let isStar = field(508, 4).elementsEqual("tar\0".utf8)
            let prefix = field(345, isStar ? 131 : 155).prefix { $0 != 0 }
            if !prefix.isEmpty { name = Array(prefix) + [UInt8(ascii: "/")] + name }
        }
        self.name = name
        mode = try Self.number(field(100, 8), "mode")
        uid = try Self.number(field(108, 8), "owner")
        gid = try Self.number(field(116, 8), "group")
        size = try Self.number(field(124, 12), "size")
        // A time before 1970.
        mtime = field(136, 1).first == 0xFF ? 0 : try Self.number(field(136, 12), "time")
        typeFlag = block[start + 156]
        linkName = Array(field(157, 100).prefix { $0 != 0 })
        deviceMajor = isPOSIX || isGNU ? try Self.number(field(329, 8), "device number") : 0
        deviceMinor = isPOSIX || isGNU ? try Self.number(field(337, 8), "device number") : 0
    }

    /// The sum of all bytes, those of the sum itself taken as blanks; some old programs added signed bytes.
    private static func checkSum(_ block: ArraySlice<UInt8>) throws(TarFault) {
        let start = block.startIndex
        let sumField = (start + 148)..<(start + 156)
        let expected = try number(block[sumField], "checksum")
        var unsigned = 0
        var signed = 0
        for index in block.indices {
            let byte = sumField.contains(index) ? UInt8(ascii: " ") : block[index]
            unsigned += Int(byte)
            signed += Int(Int8(bitPattern: byte))
        }
        guard expected == UInt64(unsigned) || Int64(expected) == Int64(signed) else {
            throw TarFault("a header with a wrong checksum")
        }
    }

    /// Octal digits between blanks and NULs, or base 256 where the first bit is set.
    static func number(_ field: ArraySlice<UInt8>, _ what: String) throws(TarFault) -> UInt64 {
        guard let first = field.first else { return 0 }
        if first & 0x80 != 0 {
            guard first != 0xFF else { throw TarFault("a negative \(what)") }
            var value = UInt64(first & 0x7F)
            for byte in field.dropFirst() {
                guard value >> 54 == 0 else { throw TarFault("a \(what) that is too large") }
                value = value << 8 | UInt64(byte)
            }
            return value
        }
        func isFiller(_ byte: UInt8) -> Bool { byte == 0 || byte == UInt8(ascii: " ") }
        let digits = field.drop(while: isFiller).prefix { !isFiller($0) }
        var value: UInt64 = 0
        for byte in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte) else {
                throw TarFault("a \(what) with other than octal digits")
            }
            value = value << 3 | UInt64(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
