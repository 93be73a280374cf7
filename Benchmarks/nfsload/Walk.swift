import NIOCore
import NetrootServe

/// Lists the whole export once by READDIRPLUS, as a machine's first day does, so that a server that remembers what it
/// was asked has something to remember when its memory is read.
/// - Parameter file: called with the handle and size of each regular file; a hard link as often as it has names.
func walk(
    _ options: LoadOptions, file: (_ handle: [UInt8], _ size: UInt64) -> Void = { _, _ in }
) throws(LoadError) -> Int {
    var builder = CallBuilder()
    let mount = try BlockingClient(options, port: options.mountPort ?? options.port)
    var reader = try mount.results(of: builder.call(NFSv3.mountProgram, 1) { $0.writeXDR(string: options.path) })
    var pending = [try takeHandle(&reader, "MNT of \(options.path)")]
    let client = try BlockingClient(options, port: options.port)
    var entries = 0
    while let handle = pending.popLast() {
        var cookie: UInt64 = 0
        var verifier: UInt64 = 0
        var isEnd = false
        while !isEnd {
            reader = try client.results(
                of: builder.call(NFSv3.program, 17) { buffer in
                    buffer.writeXDR(opaque: handle)
                    buffer.writeMultipleIntegers(cookie, verifier, UInt32(8192), UInt32(32768))
                })
            do throws(XDRError) {
                guard try reader.uint32() == 0 else { throw XDRError.badValue(0) }
                if try reader.bool() { _ = try reader.fixed(84) }
                verifier = try reader.uint64()
                while try reader.bool() {
                    entries += 1
                    _ = try reader.uint64()
                    let name = try reader.opaque(limit: 255)
                    let isDots = reader.withBytes(of: name) { $0.count <= 2 && $0.allSatisfy { $0 == 0x2E } }
                    cookie = try reader.uint64()
                    var type: UInt32 = 0
                    var size: UInt64 = 0
                    if try reader.bool() {
                        type = try reader.uint32()
                        _ = try reader.fixed(16)
                        size = try reader.uint64()
                        _ = try reader.fixed(56)
                    }
                    guard try reader.bool() else { continue }
                    let child = try reader.opaque(limit: NFSv3.handleLimit)
                    if type == 1 { file(reader.withBytes(of: child) { Array($0) }, size) }
                    if type == 2, !isDots { pending.append(reader.withBytes(of: child) { Array($0) }) }
                }
                isEnd = try reader.bool()
            } catch {
                throw .protocolViolation("READDIRPLUS: \(error)")
            }
        }
    }
    return entries
}
