/// A text file that netroot shares with its owner: netroot keeps a section a name and leaves all else as it is, byte for
/// byte. A section lies between the comment lines `# netroot begin NAME` and `# netroot end NAME`.
struct SharedConfig: Sendable, Equatable {
    static let begin = "# netroot begin "
    static let end = "# netroot end "

    /// The file's name, for errors.
    let file: String
    /// The lines with their line ends; the last may have none. Bytes, since what others wrote need not be UTF-8.
    private(set) var lines: [ArraySlice<UInt8>]
    /// The line numbers of each section, markers included, counted from 0.
    private(set) var sections: [String: Range<Int>]

    /// Reads a file's content; an empty one stands for a file that does not exist.
    /// - Throws: `SharedConfigError.brokenMarkers`.
    init(bytes: [UInt8], file: String) throws(SharedConfigError) {
        var lines: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while let lineEnd = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(rest[...lineEnd])
            rest = rest[(lineEnd + 1)...]
        }
        if !rest.isEmpty { lines.append(rest) }
        try self.init(lines: lines, file: file)
    }

    private init(lines: [ArraySlice<UInt8>], file: String) throws(SharedConfigError) {
        self.file = file
        self.lines = lines
        sections = try Self.sections(of: lines, file: file)
    }

    /// The file's content.
    var bytes: [UInt8] { Array(lines.joined()) }

    /// The names that have a section, in the file's order.
    var names: [String] { sections.sorted { $0.value.lowerBound < $1.value.lowerBound }.map(\.key) }

    /// Whether nothing is in it.
    var isBlank: Bool { lines.allSatisfy { Self.trimmed($0).isEmpty } }

    /// Whether a line belongs to a section of netroot's.
    func isOwned(_ line: Int) -> Bool { sections.values.contains { $0.contains(line) } }

    /// The lines of a section, markers included.
    func section(_ name: String) -> ArraySlice<ArraySlice<UInt8>> { sections[name].map { lines[$0] } ?? [] }

    /// The same with a section in the place of the one of that name, or at the end.
    /// - Parameters:
    ///   - body: the lines between the markers, without line ends.
    ///   - isSeparated: whether a blank line goes before it at the end.
    /// - Throws: `SharedConfigError`.
    func replacing(
        _ name: String, with body: [String], isSeparated: Bool = true
    ) throws(SharedConfigError) -> SharedConfig {
        let section = ([Self.begin + name] + body + [Self.end + name]).map { Self.line($0) }
        var result = lines
        if let range = sections[name] {
            result.replaceSubrange(range, with: section)
        } else {
            if let last = result.last, last.last != UInt8(ascii: "\n") {
                result[result.count - 1] = (Array(last) + [UInt8(ascii: "\n")])[...]
            }
            if isSeparated, let last = result.last, !Self.trimmed(last).isEmpty { result.append([UInt8(ascii: "\n")]) }
            result += section
        }
        return try SharedConfig(lines: result, file: file)
    }

    /// The same without a section, and without the blank line that came with one at the end.
    /// - Throws: `SharedConfigError`.
    func removing(_ name: String, isSeparated: Bool = true) throws(SharedConfigError) -> SharedConfig {
        guard let range = sections[name] else { return self }
        var result = lines
        let hasBlank =
            isSeparated && range.upperBound == lines.count && range.lowerBound > 0
            && Self.trimmed(lines[range.lowerBound - 1]).isEmpty
        result.removeSubrange((hasBlank ? range.lowerBound - 1 : range.lowerBound)..<range.upperBound)
        return try SharedConfig(lines: result, file: file)
    }

    /// The same with one line, which is in no section, replaced; nil removes it.
    /// - Throws: `SharedConfigError`.
    func replacing(line number: Int, with text: String?) throws(SharedConfigError) -> SharedConfig {
        var result = lines
        result.replaceSubrange(number...number, with: text.map { [Self.line($0)] } ?? [])
        return try SharedConfig(lines: result, file: file)
    }

    /// The same with lines put on top.
    /// - Throws: `SharedConfigError`.
    func prepending(_ texts: [String]) throws(SharedConfigError) -> SharedConfig {
        try SharedConfig(lines: texts.map { Self.line($0) } + lines, file: file)
    }

    /// The text of a line without the blanks around it.
    func text(_ line: Int) -> String { String(decoding: Self.trimmed(lines[line]), as: UTF8.self) }

    private static func line(_ text: String) -> ArraySlice<UInt8> { Array((text + "\n").utf8)[...] }

    private static func sections(
        of lines: [ArraySlice<UInt8>], file: String
    ) throws(SharedConfigError) -> [String: Range<Int>] {
        func broken(_ line: Int, _ problem: String) -> SharedConfigError {
            .brokenMarkers(file: file, line: line + 1, problem: problem)
        }
        var sections: [String: Range<Int>] = [:]
        var open: (name: String, line: Int)?
        for (number, line) in lines.enumerated() {
            let text = String(decoding: trimmed(line), as: UTF8.self)
            if text.hasPrefix(begin) {
                guard open == nil else { throw broken(number, "'\(text)' inside a section") }
                let name = String(text.dropFirst(begin.count))
                guard sections[name] == nil else { throw broken(number, "a second section of \(name)") }
                open = (name, number)
            } else if text.hasPrefix(end) {
                guard let section = open, section.name == text.dropFirst(end.count) else {
                    throw broken(number, "'\(text)' without its beginning")
                }
                sections[section.name] = section.line..<(number + 1)
                open = nil
            }
        }
        if let open { throw broken(open.line, "the section of \(open.name) has no end") }
        return sections
    }

    static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isBlank = { (byte: UInt8) in byte == 0x20 || (9...13).contains(byte) }
        let start = line.drop(while: isBlank)
        return start.lastIndex { !isBlank($0) }.map { start[...$0] } ?? start[start.endIndex...]
    }
}
