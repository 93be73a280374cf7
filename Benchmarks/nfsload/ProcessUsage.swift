import Glibc

/// CPU time and memory of another process, from /proc.
struct ProcessUsage {
    /// User and system time in microseconds.
    var cpuMicroseconds: Double
    /// VmRSS in bytes.
    var resident: UInt64
    /// VmHWM in bytes.
    var residentPeak: UInt64

    init(_ process: Int32) throws(LoadError) {
        let stat = try Self.read("/proc/\(process)/stat")
        // The name in parentheses may hold spaces: count behind its end.
        let fields = (stat.split(separator: ")").last ?? "").split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw .protocolViolation("/proc/\(process)/stat")
        }
        cpuMicroseconds = (user + system) * 1e6 / Double(sysconf(Int32(_SC_CLK_TCK)))
        resident = 0
        residentPeak = 0
        for line in try Self.read("/proc/\(process)/status").split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == ":" })
            guard words.count >= 2, let number = UInt64(words[1]) else { continue }
            if words[0] == "VmRSS" { resident = number << 10 }
            if words[0] == "VmHWM" { residentPeak = number << 10 }
        }
    }

    private static func read(_ path: String) throws(LoadError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(path, code: errno) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw .system(path, code: errno) }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}

/// What a run came to.
struct LoadReport {
    var operations: UInt64 = 0
    var bytes: UInt64 = 0
    var seconds = 0.0
    var connections = 0
    var operation = LoadOperation.read
    var serverMicroseconds: Double?
    var clientMicroseconds = 0.0
    var resident: UInt64?
    var residentPeak: UInt64?

    mutating func add(_ options: LoadOptions) {
        connections = options.connections
        operation = options.operation
    }

    private var rate: Double { Double(operations) / seconds }

    private static func rounded(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }

    var text: String {
        var text = "\(operation.rawValue) \(connections) connections: \(UInt64(rate)) ops/s, "
        text += "\(Self.rounded(Double(bytes) / seconds / 1e6)) MB/s"
        text += ", client \(Self.rounded(clientMicroseconds / Double(operations))) us/op"
        if let serverMicroseconds {
            text += ", server \(Self.rounded(serverMicroseconds / Double(operations))) us/op"
        }
        if let resident { text += ", RSS \(resident >> 10) KiB" }
        if let residentPeak { text += ", peak \(residentPeak >> 10) KiB" }
        return text
    }

    var json: String {
        var fields = [
            "\"operation\":\"\(operation.rawValue)\"", "\"connections\":\(connections)", "\"operations\":\(operations)",
            "\"bytes\":\(bytes)", "\"seconds\":\(seconds)", "\"operationsPerSecond\":\(rate)",
            "\"clientMicrosecondsPerOperation\":\(clientMicroseconds / Double(operations))",
        ]
        if let serverMicroseconds {
            fields.append("\"serverMicrosecondsPerOperation\":\(serverMicroseconds / Double(operations))")
        }
        if let resident { fields.append("\"serverResidentBytes\":\(resident)") }
        if let residentPeak { fields.append("\"serverPeakResidentBytes\":\(residentPeak)") }
        return "{" + fields.joined(separator: ",") + "}"
    }
}
