import Glibc
import NIOCore
import NetrootServe

/// Reads every file of the export once, from start to end, one READ of `--count` bytes after the other on one connection.
func readAll(_ options: LoadOptions) throws(LoadError) -> LoadReport {
    var files: [(handle: [UInt8], size: UInt64)] = []
    let entries = try walk(options) { files.append(($0, $1)) }
    complain("\(entries) entries, \(files.count) files")
    var builder = CallBuilder()
    let client = try BlockingClient(options, port: options.port)
    var report = LoadReport()
    report.connections = 1
    let before = try options.processIdentifier.map { (pid) throws(LoadError) in try ProcessUsage(pid) }
    let own = try ProcessUsage(getpid())
    let start = now()
    for file in files {
        var offset: UInt64 = 0
        while offset < file.size {
            var reader = try client.results(
                of: builder.call(NFSv3.program, 6) { buffer in
                    buffer.writeXDR(opaque: file.handle)
                    buffer.writeMultipleIntegers(offset, options.count)
                })
            do throws(XDRError) {
                let status = try reader.uint32()
                guard status == 0 else { throw XDRError.badValue(status) }
                if try reader.bool() { _ = try reader.fixed(84) }
                let count = UInt64(try reader.uint32())
                guard count > 0 else { throw XDRError.badValue(0) }
                offset += count
                report.bytes += count
                report.operations += 1
            } catch {
                throw .protocolViolation("READ: \(error)")
            }
        }
    }
    report.seconds = now() - start
    report.clientMicroseconds = try ProcessUsage(getpid()).cpuMicroseconds - own.cpuMicroseconds
    if let before, let pid = options.processIdentifier {
        let after = try ProcessUsage(pid)
        report.serverMicroseconds = after.cpuMicroseconds - before.cpuMicroseconds
        report.resident = after.resident
        report.residentPeak = after.residentPeak
    }
    return report
}
