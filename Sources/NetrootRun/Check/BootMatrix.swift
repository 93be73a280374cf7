public import NetrootConfig
public import NetrootEntry
import NetrootSite
import NetrootStore
public import NetrootSystem

/// The boot checks of a label by every way that its transports and a generation allow, one after another.
public struct BootMatrix: Sendable {
    /// One way, and what came of it.
    public struct Row: Codable, Sendable, Equatable {
        /// How the root came to the client.
        public let transport: String
        /// In which form the root was served.
        public let form: String
        /// The firmware of the machine.
        public let firmware: String
        /// Whether it passed.
        public let passed: Bool
        /// The seconds that the check took, its two boots included.
        public let duration: Double
        /// What was found; nil where it did not come to a boot.
        public let report: BootReport?
        /// Why it did not come to a boot.
        public let error: String?

        /// What failed, one line each.
        public var failures: [String] {
            error.map { [$0] } ?? (report?.checks ?? []).filter { !$0.passed }.map { "\($0.name): \($0.detail)" }
        }
    }

    public let label: Label
    /// The generation; nil: the current one.
    public let generation: Int?
    /// Which of the ways are tested; all by default.
    public var include: @Sendable (BootWay) -> Bool = { _ in true }
    /// All transports.
    let transports: Transports
    /// The data that netroot ships.
    public let shipped: ShippedFiles
    /// The port on 127.0.0.1 that leads to the guest's ssh.
    public let sshPort: Int
    /// The most seconds that one check may take.
    public let timeout: Int
    /// Archives appended to the initramfs.
    public let sideloads: Sideloads

    /// Nothing is looked at yet; `run` checks and boots.
    public init(
        label: Label, generation: Int?, shipped: ShippedFiles, sshPort: Int, timeout: Int,
        sideloads: Sideloads = .none, transports: Transports = .shipped
    ) {
        self.transports = transports
        self.label = label
        self.generation = generation
        self.shipped = shipped
        self.sshPort = sshPort
        self.timeout = timeout
        self.sideloads = sideloads
    }

    /// Runs every check; one that cannot be made is a row that failed, not the end.
    /// - Throws: `StoreError`, `SystemError`, `RunError.nothingToCheck`, `CancellationError`.
    public func run(note: @escaping @Sendable (String) -> Void) async throws -> [Row] {
        if label.rw { throw RunError.nothingToCheck(label: label.name) }
        let store = LabelStore(label: label)
        let tested = try generation.map { try store.generation($0) } ?? store.current()
        var rows: [Row] = []
        for way in try BootWay.all(of: label, tested, transports: transports) where include(way) {
            let check = BootCheckRun(
                label: label, way: way, generation: tested.number, shipped: shipped, sshPort: sshPort,
                timeout: timeout, sideloads: sideloads, transports: transports)
            let start = ContinuousClock.now
            var report: BootReport?
            var reason: String?
            do {
                report = try await check.run(note: note)
            } catch let error as any ReportableError {
                reason = error.description
            }
            rows.append(
                Row(
                    transport: way.transport.name.rawValue, form: way.form?.rawValue ?? "-",
                    firmware: way.firmware.rawValue, passed: report?.passed ?? false,
                    duration: (ContinuousClock.now - start) / .seconds(1), report: report, error: reason))
            if let row = rows.last { note(row.passed ? "passed" : "FAILED: \(row.failures.first ?? "")") }
        }
        return rows
    }
}
