/// One line of a configuration text, without its line end (LF or CRLF).
struct SourceLine {
    /// Counted from 1.
    let number: Int
    let bytes: ArraySlice<UInt8>

    /// The lines of a text; a line end at the very end starts no further line.
    ///
    /// - Parameter first: the number of the first line.
    static func lines(of bytes: ArraySlice<UInt8>, first: Int = 1) -> [SourceLine] {
        var lines: [SourceLine] = []
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
            lines.append(SourceLine(number: first + lines.count, bytes: bytes[start..<end].droppingCarriageReturn))
            start = end + 1
        }
        return lines
    }

    /// The line without blanks around it.
    var trimmed: ArraySlice<UInt8> { bytes.trimmingBlanks }

    /// The line starts with a blank and holds something.
    var isIndented: Bool { bytes.first?.isBlank == true && !trimmed.isEmpty }
}

extension UInt8 {
    /// A space, a tab, or a carriage return that is left inside a line.
    var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") || self == UInt8(ascii: "\r") }

    var isASCIIDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    var isASCIILetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20) }
}

extension ArraySlice<UInt8> {
    var trimmingBlanks: ArraySlice<UInt8> {
        guard let first = firstIndex(where: { !$0.isBlank }), let last = lastIndex(where: { !$0.isBlank }) else {
            return self[endIndex...]
        }
        return self[first...last]
    }

    /// Without the carriage return of a CRLF at its end.
    var droppingCarriageReturn: ArraySlice<UInt8> { last == UInt8(ascii: "\r") ? dropLast() : self }

    /// The bytes as text in lower case.
    var lowercasedText: String { text.lowercased() }

    /// The bytes as text; they were checked to be UTF-8 before the lines were cut.
    var text: String { String(decoding: self, as: UTF8.self) }
}

extension String {
    /// The words between blanks.
    var blankSeparatedWords: [String] {
        Array(utf8).split(whereSeparator: \.isBlank).map(\.text)
    }
}

/// Checks that a file is text and takes a byte order mark off its start.
func checkedText(_ bytes: [UInt8], path: String) throws(ConfigError) -> [UInt8] {
    if let nul = bytes.firstIndex(of: 0) {
        throw ConfigError(
            file: path, line: lineNumber(of: nul, in: bytes), problem: "the file is binary (it holds a NUL byte)",
            hint: "give a text file")
    }
    if let invalid = firstInvalidUTF8(in: bytes) {
        throw ConfigError(
            file: path, line: lineNumber(of: invalid, in: bytes), problem: "the file is not UTF-8 text",
            hint: "save it as UTF-8")
    }
    return bytes.starts(with: byteOrderMark) ? Array(bytes[3...]) : bytes
}

/// What some editors put before UTF-8 text.
let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

func lineNumber(of offset: Int, in bytes: [UInt8]) -> Int {
    bytes[..<offset].reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
}

/// The offset of the first byte that belongs to no UTF-8 sequence.
private func firstInvalidUTF8(in bytes: [UInt8]) -> Int? {
    // The common case costs one validation; only a file that is wrong is decoded again to find the place.
    if String(validating: bytes, as: UTF8.self) != nil { return nil }
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var offset = 0
    while true {
        switch decoder.decode(&iterator) {
        case .scalarValue(let scalar): offset += UTF8.width(scalar)
        case .emptyInput: return max(0, bytes.count - 1)
        case .error: return min(offset, max(0, bytes.count - 1))
        }
    }
}
