import Glibc
import NetrootSystem
import Testing

/// Gives a reader of files inputs that were sound and have been changed: each must end in a value or in an error that a user
/// can read, soon, and in bounded memory. `NETROOT_LONG_TESTS=1` gives each reader a hundred thousand of them,
/// `NETROOT_FUZZ_SEED` others.
package struct MutatedInput {
    /// What became of the inputs.
    package struct Outcome: Sendable {
        package fileprivate(set) var accepted = 0
        package fileprivate(set) var refused = 0
    }

    private let reader: String
    private let seeds: [[UInt8]]
    private let tokens: [[UInt8]]
    private let isError: (any Error) -> Bool
    private var random: SeededRandom

    /// - Parameters:
    ///   - reader: what reads them; a line of the report begins with it.
    ///   - seeds: sound inputs; each must be accepted.
    ///   - tokens: what means something to the reader.
    ///   - isError: whether the reader may throw this.
    package init(
        _ reader: String, seeds: [[UInt8]], tokens: [String] = [],
        isError: @escaping (any Error) -> Bool = { $0 is any ReportableError }
    ) {
        self.isError = isError
        self.reader = reader
        self.seeds = seeds
        self.tokens = tokens.map { Array($0.utf8) }
        let seed = getenv("NETROOT_FUZZ_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20_261_130
        random = SeededRandom(seed: reader.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
    }

    /// How many inputs a reader gets.
    package static var count: Int {
        getenv("NETROOT_LONG_TESTS").map { String(cString: $0) } == "1" ? 100_000 : 1000
    }

    /// Seconds that one input may take, in a debug build on a busy machine.
    fileprivate static let longest = Duration.seconds(10)
    /// Bytes that the process may grow by; tests that run beside this one count too.
    fileprivate static let growth = 512 << 20

    /// Reads all of them.
    /// - Parameter read: false for an input that the reader refuses without an error.
    @discardableResult
    package func run(_ read: ([UInt8]) throws -> Bool) throws -> Outcome {
        var copy = self
        var report = Report(reader, isError)
        try copy.checkSeeds { try read($0) }
        for _ in 0..<Self.count {
            let input = copy.next()
            report.take(input, Result { try read(input) })
        }
        return try report.finish()
    }

    /// The same for a reader that is asynchronous.
    @discardableResult
    package func runAsync(_ read: ([UInt8]) async throws -> Bool) async throws -> Outcome {
        var copy = self
        var report = Report(reader, isError)
        for seed in seeds {
            let isAccepted = try await read(seed)
            #expect(isAccepted, "\(reader): a sound input")
        }
        report.begin()
        for _ in 0..<Self.count {
            let input = copy.next()
            let result: Result<Bool, any Error>
            do { result = .success(try await read(input)) } catch { result = .failure(error) }
            report.take(input, result)
        }
        return try report.finish()
    }

    private func checkSeeds(_ read: ([UInt8]) throws -> Bool) throws {
        for seed in seeds {
            let isAccepted = try read(seed)
            #expect(isAccepted, "\(reader): a sound input")
        }
    }

    // MARK: - Changes

    private mutating func next() -> [UInt8] {
        var bytes = seeds.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &random) { change(&bytes) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        let length = [1, 1, 2, 4, 8, 60, 600].randomElement(using: &random) ?? 1
        let range = place..<min(bytes.count, place + Int.random(in: 0...length, using: &random))
        switch Int.random(in: 0..<11, using: &random) {
        case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 2, 3: setNumber(&bytes, at: place)
        case 4: bytes.removeSubrange(range)
        case 5: bytes.insert(contentsOf: bytes[range], at: place)
        case 6: bytes.removeSubrange(place...)
        case 7:
            let byte =
                [0, 0x20, 0x30, 0x39, 0x0A, 0xFF, UInt8.random(in: 0...255, using: &random)]
                .randomElement(using: &random) ?? 0
            bytes.insert(contentsOf: repeatElement(byte, count: range.count + length), at: place)
        case 8:
            let other = seeds.randomElement(using: &random) ?? []
            let start = Int.random(in: 0...other.count, using: &random)
            bytes.replaceSubrange(range, with: other[start..<min(other.count, start + length)])
        default:
            let telling = tokens.randomElement(using: &random) ?? Self.numbers.randomElement(using: &random) ?? []
            bytes.replaceSubrange(range, with: telling)
        }
        // What a verb reads as a whole is bounded by its caller.
        if bytes.count > 1 << 20 { bytes.removeSubrange((1 << 20)...) }
    }

    /// Numbers as text at which readers stumble.
    private static let numbers = [
        "-1", "0", "1", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808",
        "18446744073709551615", "18446744073709551616", "1e308", "0x7f", "\u{FEFF}", "é", "\u{202E}", "\u{1B}[2J",
    ].map { Array($0.utf8) }

    /// A binary number of telling size, in either order.
    private mutating func setNumber(_ bytes: inout [UInt8], at place: Int) {
        let width = [1, 2, 4, 8].randomElement(using: &random) ?? 4
        let values: [UInt64] = [
            0, 1, .max, .max >> 1, 1 << 63, UInt64(UInt32.max), 1 << 31, (1 << 31) - 1, 0xFFFF, 0x8000, 4096,
            UInt64(bytes.count), UInt64.random(in: .min ... .max, using: &random),
        ]
        let value = values.randomElement(using: &random) ?? 0
        let isBig = Bool.random(using: &random)
        for index in 0..<width where place + index < bytes.count {
            let shift = 8 * UInt64(isBig ? width - 1 - index : index)
            bytes[place + index] = UInt8(truncatingIfNeeded: value >> shift)
        }
    }
}

/// Counts, and looks at each error.
private struct Report {
    private let reader: String
    private let isError: (any Error) -> Bool
    private var outcome = MutatedInput.Outcome()
    private var slowest = Duration.zero
    private var start = ContinuousClock.now
    private var last = ContinuousClock.now
    private var resident = 0
    private var issues = 0

    init(_ reader: String, _ isError: @escaping (any Error) -> Bool) {
        self.reader = reader
        self.isError = isError
        begin()
    }

    mutating func begin() {
        do { resident = try residentBytes() } catch { Issue.record("\(error)") }
        start = .now
        last = start
    }

    mutating func take(_ input: [UInt8], _ result: Result<Bool, any Error>) {
        let now = ContinuousClock.now
        let spent = now - last
        last = now
        slowest = max(slowest, spent)
        switch result {
        case .success(true): outcome.accepted += 1
        case .success(false): outcome.refused += 1
        case .failure(let error):
            outcome.refused += 1
            if !isError(error) { fail("throws \(error)", input) }
            if let error = error as? any ReportableError { check(error.description, input) }
        }
        if spent > MutatedInput.longest { fail("takes \(spent)", input) }
        last = .now
    }

    /// A user reads it, and so not too much of what is in the file. What would steer a terminal is escaped by who prints it.
    private mutating func check(_ text: String, _ input: [UInt8]) {
        if text.isEmpty || text.utf8.count > 4000 { fail("says '\(text.prefix(4000))'", input) }
    }

    private mutating func fail(_ what: String, _ input: [UInt8]) {
        issues += 1
        // The first say enough.
        if issues <= 3 { Issue.record("\(reader) \(what) of \(input.prefix(4096))") }
    }

    mutating func finish() throws -> MutatedInput.Outcome {
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let count = outcome.accepted + outcome.refused
        print(
            "mutated input: \(reader): \(count) inputs, \(outcome.accepted) accepted, \(outcome.refused) refused, "
                + "\(hundredths(seconds)) s, the slowest \(hundredths(slowest / .seconds(1))) s")
        fflush(nil)
        #expect(issues == 0, "\(reader)")
        #expect(try residentBytes() - resident < MutatedInput.growth, "\(reader)")
        return outcome
    }

    private func hundredths(_ seconds: Double) -> String {
        let whole = Int((seconds * 100).rounded())
        return "\(whole / 100).\(whole % 100 < 10 ? "0" : "")\(whole % 100)"
    }
}

/// Puts bytes into a file in place of what it has. Not synced, and not by way of an empty file, which ext4 syncs too: it is
/// done a hundred thousand times.
package func overwrite(_ path: String, _ bytes: some Collection<UInt8>) throws {
    let descriptor = try SystemError.check("write", path, open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600))
    defer { close(descriptor) }
    let bytes = Array(bytes)
    guard pwrite(descriptor, bytes, bytes.count, 0) == bytes.count, ftruncate(descriptor, off_t(bytes.count)) == 0
    else {
        throw SystemError("write", path, code: errno)
    }
}
