import Glibc
import NIOCore
import TestSupport

@testable import NetrootServe

/// A client of a few lines, which can also send what no client sends. It blocks, for at most five seconds.
final class RawClient {
    let descriptor: Int32
    private var transaction: UInt32 = 100

    /// - Parameter source: the last number of the address 127.0.0.N that it comes from.
    init(port: Int, seconds: Int = 5, source: UInt32 = 1) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = UInt16(port).bigEndian
        place.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        if source != 1 {
            var own = place
            own.sin_port = 0
            own.sin_addr.s_addr = UInt32(0x7F00_0000 | source).bigEndian
            let isBound = withUnsafePointer(to: &own) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard isBound == 0 else { throw TestFailure("bind: errno \(errno)") }
        }
        let result = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw TestFailure("connect: errno \(errno)") }
    }

    deinit { close(descriptor) }

    /// Sends bytes as they are; false if the server no longer takes them.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// `count` bytes; nil if the connection ends before, throws if nothing comes.
    func receive(_ count: Int) throws -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var got = 0
        while got < count {
            let part = bytes[got...].withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if part == 0 || part < 0 && errno == ECONNRESET { return nil }
            guard part > 0 else { throw TestFailure("nothing came: errno \(errno)") }
            got += part
        }
        return bytes
    }

    /// One reply record, without its mark; nil if the connection ends.
    func record() throws -> ByteBuffer? {
        guard let mark = try receive(4) else { return nil }
        let count = mark.reduce(0) { $0 << 8 | Int($1) } & 0x7FFF_FFFF
        guard let bytes = try receive(count) else { return nil }
        return ByteBuffer(bytes: bytes)
    }

    /// Whether the server closes the connection within the client's seconds.
    func isClosedByServer() -> Bool {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, 0)
        return count == 0 || count < 0 && errno == ECONNRESET
    }

    /// A reader behind the reply's header, which must be an accepted success.
    func call(
        _ procedure: UInt32, program: UInt32 = NFSv3.program, version: UInt32 = 3, user: UInt32 = 0,
        groups: [UInt32] = [], _ arguments: (inout ByteBuffer) -> Void = { _ in }
    ) throws -> XDRReader {
        var reader = try reply(procedure, program: program, version: version, user: user, groups: groups, arguments)
        guard try reader.uint32() == 0, try reader.uint64() == 0, try reader.uint32() == 0 else {
            throw TestFailure("the call was not accepted")
        }
        return reader
    }

    /// A reader behind xid and REPLY.
    func reply(
        _ procedure: UInt32, program: UInt32 = NFSv3.program, version: UInt32 = 3, user: UInt32 = 0,
        groups: [UInt32] = [], rpcVersion: UInt32 = 2, _ arguments: (inout ByteBuffer) -> Void = { _ in }
    ) throws -> XDRReader {
        transaction += 1
        send(
            Self.call(
                procedure, program: program, version: version, user: user, groups: groups, rpcVersion: rpcVersion,
                transaction: transaction, arguments))
        guard let record = try record() else { throw TestFailure("the connection ended") }
        var reader = XDRReader(record)
        guard try reader.uint32() == transaction, try reader.uint32() == 1 else {
            throw TestFailure("not the reply to this call")
        }
        return reader
    }

    /// The bytes of a call, record mark included.
    static func call(
        _ procedure: UInt32, program: UInt32 = NFSv3.program, version: UInt32 = 3, user: UInt32 = 0,
        groups: [UInt32] = [], rpcVersion: UInt32 = 2, transaction: UInt32 = 7,
        _ arguments: (inout ByteBuffer) -> Void = { _ in }
    ) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(UInt32(0), transaction, UInt32(0), rpcVersion, program, version, procedure)
        let groups = [user] + groups
        buffer.writeMultipleIntegers(UInt32(1), UInt32(20 + 4 * groups.count), UInt32(0), UInt32(0), user, user)
        buffer.writeInteger(UInt32(groups.count))
        for group in groups { buffer.writeInteger(group) }
        buffer.writeMultipleIntegers(UInt32(0), UInt32(0))
        arguments(&buffer)
        buffer.setInteger(0x8000_0000 | UInt32(buffer.readableBytes - 4), at: 0)
        return Array(buffer.readableBytesView)
    }

    // MARK: - The calls that tests make often

    /// The root handle of an export; throws `NFSStatus` where there is one.
    func mount(_ path: String) throws -> [UInt8] {
        var reader = try call(1, program: NFSv3.mountProgram) { $0.writeXDR(string: path) }
        return try reader.statusThenHandle()
    }

    func lookup(_ name: String, in handle: [UInt8]) throws -> [UInt8] {
        var reader = try call(3) { buffer in
            buffer.write(handle: handle)
            buffer.writeXDR(string: name)
        }
        return try reader.statusThenHandle()
    }

    func walk(_ path: String, from root: [UInt8]) throws -> [UInt8] {
        try path.split(separator: "/").reduce(root) { try lookup(String($1), in: $0) }
    }

    func attributes(_ handle: [UInt8]) throws -> Attributes {
        var reader = try call(1) { $0.write(handle: handle) }
        try reader.status()
        return try Attributes(&reader)
    }

    func read(_ handle: [UInt8], offset: UInt64, count: UInt32) throws -> (bytes: [UInt8], isEnd: Bool) {
        var reader = try call(6) { buffer in
            buffer.write(handle: handle)
            buffer.writeMultipleIntegers(offset, count)
        }
        try reader.status()
        _ = try reader.optionalAttributes()
        let stated = try reader.uint32()
        let isEnd = try reader.bool()
        let item = try reader.opaque(limit: 1 << 20)
        guard item.count == Int(stated), reader.remaining == 0 else {
            throw TestFailure("a READ reply that does not fit together")
        }
        return (reader.withBytes(of: item) { Array($0) }, isEnd)
    }
}

/// `fattr3`.
struct Attributes: Equatable {
    var type, mode, links, user, group: UInt32
    var size, used: UInt64
    var device: UInt64
    var fileSystem, inode: UInt64
    var accessed, modified, changed: UInt64

    init(_ reader: inout XDRReader) throws {
        type = try reader.uint32()
        mode = try reader.uint32()
        links = try reader.uint32()
        user = try reader.uint32()
        group = try reader.uint32()
        size = try reader.uint64()
        used = try reader.uint64()
        device = try reader.uint64()
        fileSystem = try reader.uint64()
        inode = try reader.uint64()
        accessed = try reader.uint64()
        modified = try reader.uint64()
        changed = try reader.uint64()
    }
}

extension XDRReader {
    mutating func status() throws {
        let number = try uint32()
        guard number == 0 else {
            guard let status = NFSStatus(rawValue: number) else { throw TestFailure("status \(number)") }
            throw status
        }
    }

    mutating func handle() throws -> [UInt8] {
        withBytes(of: try opaque(limit: 64)) { Array($0) }
    }

    mutating func statusThenHandle() throws -> [UInt8] {
        try status()
        return try handle()
    }

    mutating func optionalAttributes() throws -> Attributes? {
        try bool() ? try Attributes(&self) : nil
    }

    mutating func string() throws -> String {
        withBytes(of: try opaque(limit: 4096)) { String(decoding: $0, as: UTF8.self) }
    }
}

extension ByteBuffer {
    mutating func write(handle: [UInt8]) {
        handle.withUnsafeBytes { writeXDR(opaque: $0) }
    }
}
