/// The text of `pxelinux.cfg/default`, in which netroot keeps a section per label and leaves all else as it is.
///
/// The syntax is SYSLINUX's (<https://wiki.syslinux.org/wiki/index.php?title=Config>): a keyword in any case and its
/// value on each line, `#` comments; of several DEFAULT lines the last holds. A section lies between the comment lines
/// `# netroot begin LABEL` and `# netroot end LABEL`.
public struct PXELinuxConfig: Sendable, Equatable {
    static let begin = "# netroot begin "
    static let end = "# netroot end "

    /// The file's content. Bytes, since what others wrote into it need not be UTF-8.
    public let bytes: [UInt8]

    /// The lines with their line ends; the last may have none.
    private let lines: [ArraySlice<UInt8>]
    /// The line numbers of each section, markers included, counted from 0.
    private let sections: [String: Range<Int>]

    /// Reads a configuration; an empty one stands for a file that does not exist.
    ///
    /// - Throws: `PXELinuxConfigError.brokenMarkers`.
    public init(bytes: [UInt8] = []) throws(PXELinuxConfigError) {
        self.bytes = bytes
        var lines: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while let lineEnd = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(rest[...lineEnd])
            rest = rest[(lineEnd + 1)...]
        }
        if !rest.isEmpty { lines.append(rest) }
        self.lines = lines
        sections = try Self.sections(of: lines)
    }

    /// The labels that have a section, in the file's order.
    public var labels: [String] {
        sections.sorted { $0.value.lowerBound < $1.value.lowerBound }.map(\.key)
    }

    /// The path after KERNEL in a label's section, relative to the TFTP root; nil where there is no section.
    public func kernelPath(of label: String) -> String? { value(of: "kernel", in: label) }

    /// The paths after INITRD in a label's section, relative to the TFTP root.
    public func initrdPaths(of label: String) -> [String] {
        value(of: "initrd", in: label)?.split(separator: ",").map(String.init) ?? []
    }

    private func value(of keyword: String, in label: String) -> String? {
        guard let section = sections[label] else { return nil }
        return lines[section].lazy.compactMap { Directive($0) }.first { $0.keyword == keyword }?.value
    }

    /// The label that boots by itself, whoever wrote it.
    public var defaultLabel: String? { defaultLine.flatMap { Directive(lines[$0])?.value } }

    /// The configuration with an entry put in the place of its label's section, or at the end.
    ///
    /// - Parameter makeDefault: the label becomes the one that boots by itself. A fresh file boots its first in any case.
    /// - Throws: `PXELinuxConfigError`.
    public func replacing(_ entry: PXELinuxEntry, makeDefault: Bool = true) throws(PXELinuxConfigError)
        -> PXELinuxConfig
    {
        let section = try entry.lines().map { Array(($0 + "\n").utf8)[...] }
        if let line = foreignLine(of: entry.label) { throw .foreignLabel(label: entry.label, line: line + 1) }
        let isFresh = lines.allSatisfy { Self.trimmed($0).isEmpty }
        var result = isFresh ? Self.freshLines(defaultLabel: entry.label) : lines
        if makeDefault, !isFresh { setDefault(entry.label, in: &result) }
        // A DEFAULT line that was put on top has moved everything by one.
        let shift = isFresh ? 0 : result.count - lines.count
        if let range = sections[entry.label] {
            result.replaceSubrange((range.lowerBound + shift)..<(range.upperBound + shift), with: section)
        } else {
            if let last = result.last, last.last != UInt8(ascii: "\n") {
                result[result.count - 1] = (Array(last) + [UInt8(ascii: "\n")])[...]
            }
            if let last = result.last, !Self.trimmed(last).isEmpty { result.append([UInt8(ascii: "\n")]) }
            result += section
        }
        return try PXELinuxConfig(bytes: Array(result.joined()))
    }

    /// The configuration without a label's section, and the same one where there is none.
    ///
    /// Where that label was the default, the first that is left becomes it, or none.
    /// - Throws: `PXELinuxConfigError`.
    public func removing(label: String) throws(PXELinuxConfigError) -> PXELinuxConfig {
        guard let range = sections[label] else { return self }
        var result = lines
        if defaultLabel == label, let line = defaultLine {
            let left = lines.indices.first { !range.contains($0) && Directive(lines[$0])?.keyword == "label" }
            let name = left.flatMap { Directive(lines[$0])?.value }
            result[line] = name.map { Self.defaultText($0) } ?? []
        }
        // The blank line before a section at the end came with it.
        let hasBlank =
            range.upperBound == lines.count && range.lowerBound > 0
            && Self.trimmed(lines[range.lowerBound - 1]).isEmpty
        result.removeSubrange((hasBlank ? range.lowerBound - 1 : range.lowerBound)..<range.upperBound)
        return try PXELinuxConfig(bytes: Array(result.joined()))
    }

    // MARK: Reading

    /// The last DEFAULT outside all sections.
    private var defaultLine: Int? {
        lines.indices.last { line in
            Directive(lines[line])?.keyword == "default" && !sections.values.contains { $0.contains(line) }
        }
    }

    /// Where an entry of this name stands that netroot did not write.
    private func foreignLine(of label: String) -> Int? {
        lines.indices.first { line in
            guard let directive = Directive(lines[line]), directive.keyword == "label" else { return false }
            return directive.value == label && !sections.values.contains { $0.contains(line) }
        }
    }

    private static func sections(of lines: [ArraySlice<UInt8>]) throws(PXELinuxConfigError) -> [String: Range<Int>] {
        var sections: [String: Range<Int>] = [:]
        var open: (label: String, line: Int)?
        for (number, line) in lines.enumerated() {
            let text = String(decoding: trimmed(line), as: UTF8.self)
            if text.hasPrefix(begin) {
                guard open == nil else { throw .brokenMarkers(line: number + 1, problem: "'\(text)' inside a section") }
                let label = String(text.dropFirst(begin.count))
                guard sections[label] == nil else {
                    throw .brokenMarkers(line: number + 1, problem: "a second section of \(label)")
                }
                open = (label, number)
            } else if text.hasPrefix(end) {
                guard let section = open, section.label == text.dropFirst(end.count) else {
                    throw .brokenMarkers(line: number + 1, problem: "'\(text)' without its beginning")
                }
                sections[section.label] = section.line..<(number + 1)
                open = nil
            }
        }
        if let open { throw .brokenMarkers(line: open.line + 1, problem: "the section of \(open.label) has no end") }
        return sections
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isBlank = { (byte: UInt8) in byte == 0x20 || (9...13).contains(byte) }
        let start = line.drop(while: isBlank)
        return start.lastIndex { !isBlank($0) }.map { start[...$0] } ?? start[start.endIndex...]
    }

    /// A keyword, in lower case, and its value.
    private struct Directive {
        let keyword: String
        let value: String

        /// Nil for a blank line and a comment.
        init?(_ line: ArraySlice<UInt8>) {
            let text = trimmed(line)
            guard let first = text.first, first != UInt8(ascii: "#") else { return nil }
            let name = text.prefix { $0 > 0x20 }
            keyword = String(decoding: name, as: UTF8.self).lowercased()
            value = String(decoding: trimmed(text[name.endIndex...]), as: UTF8.self)
        }
    }

    // MARK: Writing

    private static func defaultText(_ label: String) -> ArraySlice<UInt8> { Array("DEFAULT \(label)\n".utf8)[...] }

    private func setDefault(_ label: String, in result: inout [ArraySlice<UInt8>]) {
        guard let line = defaultLine else {
            result.insert(Self.defaultText(label), at: 0)
            return
        }
        // The line may be the right one in another spelling; then it stays as it is.
        if Directive(lines[line])?.value != label { result[line] = Self.defaultText(label) }
    }

    /// What a new file begins with.
    ///
    /// SERIAL has to be the first directive. It puts the boot prompt on the first serial port too, which is QEMU's
    /// console without a display, and does nothing on a machine without one. PROMPT 0 boots at once; whoever holds
    /// Shift gets the prompt and, after 30 seconds (TIMEOUT in tenths) without a key, the default after all.
    private static func freshLines(defaultLabel: String) -> [ArraySlice<UInt8>] {
        """
        # netroot keeps the sections between its marker comments; all other lines are yours.
        SERIAL 0 115200
        DEFAULT \(defaultLabel)
        PROMPT 0
        TIMEOUT 300

        """.split(separator: "\n").map { Array(($0 + "\n").utf8)[...] }
    }
}
