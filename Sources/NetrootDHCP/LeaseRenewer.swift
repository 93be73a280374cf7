import Glibc

/// Renews the leases of a machine for as long as it runs.
public struct LeaseRenewer {
    private let console: LeaseConsole
    private var leases: [KeptLease] = []

    /// Reads the records of a directory. One that cannot be used is said aloud, and the others are kept.
    /// - Parameter directory: `/run/netroot/lease`; each file has the name of an interface.
    public init(directory: String, console: LeaseConsole) {
        self.console = console
        let now = Self.secondsSinceBoot
        for name in Self.names(in: directory) {
            do throws(LeaseRecordError) {
                let record = try LeaseRecord(text: try Self.text("\(directory)/\(name)"))
                leases.append(KeptLease(record: record, recordName: name, now: now))
                let time = record.terms.lifetime.isFinite ? "\(Int(record.terms.lifetime)) seconds" : "ever"
                console.note("\(name): keeps \(record.address), lent by \(Self.lender(record)) for \(time)")
            } catch {
                console.sayAloud(
                    "the lease record \(directory)/\(name.shown) cannot be used: \(error). "
                        + "Its lease is not renewed: boot again, or restart netroot-lease.service with the right record"
                )
            }
        }
    }

    /// Whether there is nothing to renew.
    public var isEmpty: Bool { leases.isEmpty }

    /// Renews. It does not return.
    public mutating func run() -> Never {
        while true {
            let now = Self.secondsSinceBoot
            for index in leases.indices { leases[index].advance(to: now, console: console) }
            wait(until: leases.map(\.clock.wakeAt).min() ?? .infinity)
        }
    }

    /// Waits for a time or an answer, and takes the answers.
    private mutating func wait(until time: Double) {
        var polled = leases.map { pollfd(fd: $0.descriptor ?? -1, events: Int16(POLLIN), revents: 0) }
        // poll(2) does not count the time that a machine sleeps: it is looked at the clock now and then.
        let seconds = min(max(time - Self.secondsSinceBoot, 0), 300)
        guard poll(&polled, nfds_t(polled.count), Int32(seconds * 1000) + 1) > 0 else { return }
        let now = Self.secondsSinceBoot
        for (index, entry) in polled.enumerated() where entry.revents != 0 {
            leases[index].receive(at: now, console: console)
        }
    }

    /// What /proc/uptime says first: also the time that the machine slept.
    private static var secondsSinceBoot: Double {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func lender(_ record: LeaseRecord) -> String {
        record.server.map(\.description) ?? "a DHCP server without identifier"
    }

    private static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
                    String(cString: $0)
                }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func text(_ path: String) throws(LeaseRecordError) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else { throw .unreadable(code: errno) }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: LeaseRecord.longest + 1)
        let count = read(file, &bytes, bytes.count)
        guard count >= 0 else { throw .unreadable(code: errno) }
        guard count <= LeaseRecord.longest, bytes[..<count].allSatisfy({ $0 == 10 || 32...126 ~= $0 }) else {
            throw .notText
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
