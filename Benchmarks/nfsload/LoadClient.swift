import CEpoll
import Glibc
import NIOCore
import NetrootServe

/// Builds and reads the calls, with the server's own codec.
struct CallBuilder {
    private var transaction: UInt32 = 1

    /// A whole record with AUTH_SYS of root.
    mutating func call(_ program: UInt32, _ procedure: UInt32, _ arguments: (inout ByteBuffer) -> Void) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(
            UInt32(0), transaction, RPC.call, RPC.version, program, NFSv3.version, procedure, UInt32(1), UInt32(24))
        transaction += 1
        // stamp, machine name of no bytes, uid, gid, one group
        buffer.writeMultipleIntegers(UInt32(0), UInt32(0), UInt32(0), UInt32(0), UInt32(1), UInt32(0))
        buffer.writeMultipleIntegers(UInt32(0), UInt32(0))
        arguments(&buffer)
        buffer.setInteger(RPC.lastFragment | UInt32(buffer.readableBytes - 4), at: 0)
        return Array(buffer.readableBytesView)
    }
}

/// One connection of the preparation: it waits for each reply.
struct BlockingClient: ~Copyable {
    private let descriptor: Int32

    init(_ options: LoadOptions, port: UInt16) throws(LoadError) {
        descriptor = try connect(options.address, port)
    }

    deinit { close(descriptor) }

    /// Sends a call and gives its results, behind an accepted reply's header.
    func results(of record: [UInt8]) throws(LoadError) -> XDRReader {
        guard send(descriptor, record, record.count, Int32(MSG_NOSIGNAL)) == record.count else {
            throw .system("send", code: errno)
        }
        let mark = try receive(4)
        let count = Int((mark.getInteger(at: 0, as: UInt32.self) ?? 0) & ~RPC.lastFragment)
        var reader = XDRReader(try receive(count))
        do throws(XDRError) {
            let words = (try reader.uint32(), try reader.uint32(), try reader.uint32())
            guard words.1 == RPC.reply, words.2 == 0 else { throw XDRError.badValue(words.2) }
            _ = try reader.uint64()
            let status = try reader.uint32()
            guard status == 0 else { throw XDRError.badValue(status) }
            return reader
        } catch {
            throw .protocolViolation("\(error)")
        }
    }

    private func receive(_ count: Int) throws(LoadError) -> ByteBuffer {
        var bytes = [UInt8](repeating: 0, count: count)
        guard recv(descriptor, &bytes, count, Int32(MSG_WAITALL)) == count else {
            throw .system("recv", code: errno)
        }
        return ByteBuffer(bytes: bytes)
    }
}

func connect(_ address: String, _ port: UInt16) throws(LoadError) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw .system("socket", code: errno) }
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = port.bigEndian
    guard inet_pton(AF_INET, address, &place.sin_addr) == 1 else { throw .usage("--address: '\(address)'") }
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    let result = withUnsafePointer(to: &place) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard result == 0 else { throw .system("connect to \(address) port \(port)", code: errno) }
    return descriptor
}

/// Mounts the export and makes the request that is repeated.
func prepare(_ options: LoadOptions) throws(LoadError) -> [UInt8] {
    var builder = CallBuilder()
    let mount = try BlockingClient(options, port: options.mountPort ?? options.port)
    var reader = try mount.results(of: builder.call(NFSv3.mountProgram, 1) { $0.writeXDR(string: options.path) })
    var handle = try takeHandle(&reader, "MNT of \(options.path)")
    let client = try BlockingClient(options, port: options.port)
    var components = options.file.split(separator: "/").map(String.init)
    let last = options.operation == .lookup ? components.popLast() ?? "." : "."
    for component in components {
        reader = try client.results(
            of: builder.call(NFSv3.program, 3) { buffer in
                buffer.writeXDR(opaque: handle)
                buffer.writeXDR(string: component)
            })
        handle = try takeHandle(&reader, "LOOKUP of \(component)")
    }
    let procedure: UInt32 =
        switch options.operation {
        case .getattr: 1
        case .lookup: 3
        case .read: 6
        case .readdirplus: 17
        }
    return builder.call(NFSv3.program, procedure) { buffer in
        buffer.writeXDR(opaque: handle)
        switch options.operation {
        case .getattr: break
        case .lookup: buffer.writeXDR(string: last)
        case .read: buffer.writeMultipleIntegers(UInt64(0), options.count)
        case .readdirplus: buffer.writeMultipleIntegers(UInt64(0), UInt64(0), UInt32(8192), UInt32(32768))
        }
    }
}

func takeHandle(_ reader: inout XDRReader, _ what: String) throws(LoadError) -> [UInt8] {
    do {
        let status = try reader.uint32()
        guard status == 0 else { throw LoadError.refused(what, status: status) }
        return reader.withBytes(of: try reader.opaque(limit: NFSv3.handleLimit)) { Array($0) }
    } catch let error as LoadError {
        throw error
    } catch {
        throw .protocolViolation("\(what): \(error)")
    }
}

extension ByteBuffer {
    mutating func writeXDR(opaque bytes: [UInt8]) {
        bytes.withUnsafeBytes { writeXDR(opaque: $0) }
    }
}

/// The connections' state in flat arrays: what is still to come of a reply.
private struct Connection {
    var descriptor: Int32
    var missing = 0
}

/// Repeats the request on all connections for the time asked.
func run(_ options: LoadOptions) throws(LoadError) -> LoadReport {
    let request = try prepare(options)
    let poll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard poll >= 0 else { throw .system("epoll_create1", code: errno) }
    defer { close(poll) }
    var connections: [Connection] = []
    for index in 0..<options.connections {
        let descriptor = try connect(options.address, options.port)
        connections.append(Connection(descriptor: descriptor))
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data(u32: UInt32(index)))
        guard epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) == 0 else { throw .system("epoll_ctl", code: errno) }
    }
    var report = LoadReport()
    let before = try options.processIdentifier.map { (pid) throws(LoadError) in try ProcessUsage(pid) }
    let own = try ProcessUsage(getpid())
    let start = now()
    for connection in connections { try transmit(request, connection.descriptor) }
    try loop(options, request, poll, &connections, &report, until: start + options.seconds)
    report.seconds = now() - start
    report.clientMicroseconds = try ProcessUsage(getpid()).cpuMicroseconds - own.cpuMicroseconds
    if let before, let pid = options.processIdentifier {
        let after = try ProcessUsage(pid)
        report.serverMicroseconds = after.cpuMicroseconds - before.cpuMicroseconds
        report.resident = after.resident
        report.residentPeak = after.residentPeak
    }
    for connection in connections { close(connection.descriptor) }
    return report
}

private func loop(
    _ options: LoadOptions, _ request: [UInt8], _ poll: Int32, _ connections: inout [Connection],
    _ report: inout LoadReport, until end: Double
) throws(LoadError) {
    var events = [epoll_event](repeating: epoll_event(), count: 256)
    let capacity = 256 << 10
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    defer { buffer.deallocate() }
    while now() < end {
        let ready = epoll_wait(poll, &events, Int32(events.count), 1000)
        guard ready >= 0 || errno == EINTR else { throw .system("epoll_wait", code: errno) }
        for event in events.prefix(max(0, Int(ready))) {
            let index = Int(event.data.u32)
            let descriptor = connections[index].descriptor
            let count = recv(descriptor, buffer, capacity, Int32(MSG_DONTWAIT))
            guard count > 0 else { throw .system("connection \(index) was closed", code: errno) }
            report.bytes += UInt64(count)
            if connections[index].missing == 0 {
                // The kernel may cut a reply anywhere, but never within the first 32 bytes that were sent as one.
                guard count >= 32 else { throw .protocolViolation("a reply of \(count) bytes") }
                let words = buffer.assumingMemoryBound(to: UInt32.self)
                let status = UInt32(bigEndian: words[7])
                guard words[6] == 0, status == 0 else { throw .refused(options.operation.rawValue, status: status) }
                connections[index].missing = 4 + Int(UInt32(bigEndian: words[0]) & ~RPC.lastFragment)
            }
            connections[index].missing -= count
            guard connections[index].missing == 0 else { continue }
            report.operations += 1
            try transmit(request, descriptor)
        }
    }
}

private func transmit(_ request: [UInt8], _ descriptor: Int32) throws(LoadError) {
    guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
        throw .system("send", code: errno)
    }
}

func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
