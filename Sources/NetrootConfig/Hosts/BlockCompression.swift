/// How the blocks of a squashfs image, or the archives of an initramfs, are compressed.
public struct BlockCompression: Sendable, Hashable, CustomStringConvertible {
    /// The codecs that squashfs has and libsquashfs writes; lzo and lzma are of the past. `none` stores bytes as they are.
    public enum Codec: String, Sendable, CaseIterable, Codable {
        case gzip, xz, lz4, zstd, none

        /// The levels that the codec has (`sqfs/compressor.h`); nil for one without.
        public var levels: ClosedRange<Int>? {
            switch self {
            case .gzip: 1...9
            case .xz: 0...9
            case .lz4, .none: nil
            case .zstd: 1...22
            }
        }

        /// The level where none is given; nil for a codec without.
        public var defaultLevel: Int? {
            switch self {
            case .gzip: 9
            case .xz: 6
            case .lz4, .none: nil
            // Level 15 takes six times the CPU for less than half a percent of the size.
            case .zstd: 9
            }
        }
    }

    public let codec: Codec
    /// Its level; nil for a codec without.
    public let level: Int?

    /// What is used where nobody says: `zstd:9`.
    public static let standard = BlockCompression(codec: .zstd, level: 9)

    private init(codec: Codec, level: Int?) {
        self.codec = codec
        self.level = level
    }

    /// Reads `CODEC` or `CODEC:LEVEL`, in any case.
    /// - Throws: `BlockSettingError`.
    public init(parsing text: String) throws(BlockSettingError) {
        let parts = text.lowercased().split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let names = Codec.allCases.map(\.rawValue)
        guard let codec = Codec(rawValue: String(parts[0])) else {
            let nearest = nearestName(to: String(parts[0]), among: names)
            throw BlockSettingError(
                problem: "unknown compression '\(parts[0])'",
                hint: nearest.map { "did you mean '\($0)'?" } ?? "use \(names.joined(separator: ", "))")
        }
        guard parts.count > 1 else {
            self.init(codec: codec, level: codec.defaultLevel)
            return
        }
        guard let levels = codec.levels else {
            throw BlockSettingError(problem: "\(codec) has no levels", hint: "write \(codec)")
        }
        guard parts[1].utf8.allSatisfy(\.isASCIIDigit), let level = Int(parts[1]), levels.contains(level) else {
            throw BlockSettingError(
                problem: "\(codec) has no level '\(parts[1])'",
                hint: "use \(codec):\(levels.lowerBound) to \(codec):\(levels.upperBound)")
        }
        self.init(codec: codec, level: level)
    }

    /// As it is written in a hosts file.
    public var description: String { level.map { "\(codec):\($0)" } ?? "\(codec)" }
}

/// The size of a squashfs image's blocks: a power of two from 4 KiB to 1 MiB.
public struct BlockSize: Sendable, Hashable, CustomStringConvertible {
    public let bytes: Int

    /// What is used where nobody says: 1 MiB.
    public static let standard = BlockSize(bytes: 1 << 20)

    private init(bytes: Int) { self.bytes = bytes }

    /// Reads bytes, or a number with the suffix k or m (KiB, MiB), in any case.
    /// - Throws: `BlockSettingError`.
    public init(parsing text: String) throws(BlockSettingError) {
        guard let bytes = byteCount(text), (4096...1 << 20).contains(bytes), bytes & (bytes - 1) == 0 else {
            throw BlockSettingError(
                problem: "'\(text)' is not a block size of squashfs",
                hint: "write a power of two from 4k to 1m, such as 128k")
        }
        self.init(bytes: Int(bytes))
    }

    /// As it is written in a hosts file.
    public var description: String { bytes >= 1 << 20 ? "\(bytes >> 20)m" : "\(bytes >> 10)k" }
}

/// What is wrong with a compression or a block size, and what to write instead.
public struct BlockSettingError: Error, Equatable, CustomStringConvertible {
    /// The problem, without the place.
    public let problem: String
    /// What to write instead.
    public let hint: String

    /// Both, in one line.
    public var description: String { "\(problem); \(hint)" }
}

/// Bytes with an optional suffix k, m, g or t (1024 and its powers), in any case; nil for anything else.
public func byteCount(_ text: String) -> Int64? {
    let digits = text.utf8.prefix(while: \.isASCIIDigit)
    guard !digits.isEmpty, let number = Int64(Substring(digits)) else { return nil }
    let shifts = ["": 0, "k": 10, "m": 20, "g": 30, "t": 40]
    guard let shift = shifts[text.dropFirst(digits.count).lowercased()] else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
    return overflow ? nil : bytes
}
