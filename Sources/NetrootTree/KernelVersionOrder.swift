/// Which of two kernels is the newer one, by their versions as `uname -r` prints them.
///
/// Each family of distributions has an order of its own, and numbers its kernels so that they fit it:
/// `4.18.0-553.8.1.el8_10` follows `4.18.0-553.el8_10`, and `6.9-rc1` comes before `6.9`.
public enum KernelVersionOrder: Sendable, Hashable, CaseIterable {
    /// That of RPM packages: `rpmvercmp` (rpmio/rpmvercmp.c in github.com/rpm-software-management/rpm), of what is before
    /// the first hyphen, the package's version, and then of the rest, its release.
    case rpm
    /// That of linux-version(1) in Debian's linux-base (`version_cmp` in DebianLinux.pm).
    case linuxVersion

    /// Compares two versions.
    /// - Returns: -1 where `one` is older than `other`, 1 where it is newer, 0 where neither is.
    public func compare(_ one: String, _ other: String) -> Int {
        let (one, other) = (Array(one.utf8)[...], Array(other.utf8)[...])
        switch self {
        case .rpm:
            let hyphen = UInt8(ascii: "-")
            let version = Self.compareRPM(one.prefix { $0 != hyphen }, other.prefix { $0 != hyphen })
            return version != 0
                ? version : Self.compareRPM(one.drop { $0 != hyphen }, other.drop { $0 != hyphen })
        case .linuxVersion: return Self.compareLinuxVersion(one, other)
        }
    }

    /// Runs of digits and runs of letters, one after the other; all other bytes only separate them.
    private static func compareRPM(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Int {
        let (tilde, caret) = (UInt8(ascii: "~"), UInt8(ascii: "^"))
        func isSeparator(_ byte: UInt8) -> Bool {
            !isDigit(byte) && !isLetter(byte) && byte != tilde && byte != caret
        }
        var (one, other) = (one, other)
        while true {
            one = one.drop(while: isSeparator)
            other = other.drop(while: isSeparator)
            let (first, second) = (one.first, other.first)
            if first == tilde || second == tilde {
                // Before everything, also before the end.
                guard first == second else { return first == tilde ? -1 : 1 }
                one = one.dropFirst()
                other = other.dropFirst()
                continue
            }
            if first == caret || second == caret {
                // After the end, and before everything else.
                guard first == second else { return first == nil || (first == caret && second != nil) ? -1 : 1 }
                one = one.dropFirst()
                other = other.dropFirst()
                continue
            }
            guard let first, second != nil else { break }
            let isNumber = isDigit(first)
            let left = one.prefix(while: isNumber ? isDigit : isLetter)
            let right = other.prefix(while: isNumber ? isDigit : isLetter)
            // A number is newer than letters.
            guard !right.isEmpty else { return isNumber ? 1 : -1 }
            let order = isNumber ? compareNumbers(left, right) : compareBytes(left, right)
            guard order == 0 else { return order }
            one = one.dropFirst(left.count)
            other = other.dropFirst(right.count)
        }
        return one.isEmpty ? (other.isEmpty ? 0 : -1) : 1
    }

    /// Runs of digits, and runs of other bytes that begin anew at each hyphen.
    private static func compareLinuxVersion(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Int {
        var (one, other) = (one, other)
        while true {
            let (left, right) = (nextPart(&one), nextPart(&other))
            let (isLeftEarly, isRightEarly) = (isPreRelease(left), isPreRelease(right))
            // Before everything, also before the end.
            guard isLeftEarly == isRightEarly else { return isLeftEarly ? -1 : 1 }
            guard let first = left.first, let second = right.first else {
                return left.isEmpty ? (right.isEmpty ? 0 : -1) : 1
            }
            let areNumbers = isDigit(first) && isDigit(second)
            let order = areNumbers ? compareNumbers(left, right) : compareBytes(left, right)
            guard order == 0 else { return order }
        }
    }

    /// Takes the first part off; empty at the end.
    private static func nextPart(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let first = rest.first else { return [] }
        var count = 1
        if isDigit(first) {
            count = rest.prefix(while: isDigit).count
        } else {
            count += rest.dropFirst().prefix { !isDigit($0) && $0 != UInt8(ascii: "-") }.count
        }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    private static func isPreRelease(_ part: ArraySlice<UInt8>) -> Bool {
        part.elementsEqual("-rc".utf8) || part.elementsEqual("-trunk".utf8)
    }

    /// Numbers of any length, by their digits.
    private static func compareNumbers(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Int {
        let (one, other) = (one.drop { $0 == UInt8(ascii: "0") }, other.drop { $0 == UInt8(ascii: "0") })
        guard one.count == other.count else { return one.count < other.count ? -1 : 1 }
        return compareBytes(one, other)
    }

    private static func compareBytes(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Int {
        if one.elementsEqual(other) { return 0 }
        return one.lexicographicallyPrecedes(other) ? -1 : 1
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte & 0xDF) }
}
