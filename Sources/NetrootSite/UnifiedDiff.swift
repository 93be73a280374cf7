import NetrootEntry

/// What changes from one text to another, as `diff -u` prints it (POSIX XCU diff, "Diff -u or -U Output Format").
public struct UnifiedDiff: Sendable, Equatable {
    /// The diff; empty where nothing changes. Bytes that are no UTF-8 appear as U+FFFD.
    public let text: String

    /// Nothing changes.
    public var isEmpty: Bool { text.isEmpty }

    /// - Parameters:
    ///   - old: the content there is; nil where there is no file.
    ///   - new: the content there will be; nil where the file is removed.
    ///   - path: the file.
    ///   - context: the unchanged lines around a change.
    public init(old: [UInt8]?, new: [UInt8]?, path: String, context: Int = 3) {
        guard old != new else {
            text = ""
            return
        }
        let header = "--- \(old == nil ? "/dev/null" : path)\n+++ \(new == nil ? "/dev/null" : path)\n"
        let edits = Self.edits(Self.lines(old ?? []), Self.lines(new ?? []))
        text = header + Self.hunks(edits, context: context).map(Self.rendered).joined()
    }

    private enum Edit {
        case keep(ArraySlice<UInt8>)
        case delete(ArraySlice<UInt8>)
        case insert(ArraySlice<UInt8>)

        var isChange: Bool {
            if case .keep = self { false } else { true }
        }
    }

    private struct Hunk {
        /// The lines of the old and the new text above the hunk.
        var oldStart: Int
        var newStart: Int
        var edits: ArraySlice<Edit>
    }

    /// The lines with their line feeds; the last may have none.
    private static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(rest[...end])
            rest = rest[(end + 1)...]
        }
        return rest.isEmpty ? lines : lines + [rest]
    }

    /// The whole of both texts as edits, deletions before insertions.
    private static func edits(_ old: [ArraySlice<UInt8>], _ new: [ArraySlice<UInt8>]) -> [Edit] {
        // The standard library's difference is Myers' algorithm.
        let difference = new.difference(from: old)
        var removed = Set<Int>()
        var inserted = Set<Int>()
        for change in difference {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): inserted.insert(offset)
            }
        }
        var edits: [Edit] = []
        var (i, j) = (0, 0)
        while i < old.count || j < new.count {
            if i < old.count, removed.contains(i) {
                edits.append(.delete(old[i]))
                i += 1
            } else if j < new.count, inserted.contains(j) {
                edits.append(.insert(new[j]))
                j += 1
            } else {
                edits.append(.keep(old[i]))
                i += 1
                j += 1
            }
        }
        return edits
    }

    /// Changes with their context; two that are at most twice the context apart share a hunk.
    private static func hunks(_ edits: [Edit], context: Int) -> [Hunk] {
        var hunks: [Hunk] = []
        var (oldLine, newLine) = (0, 0)
        // For each edit, the lines above it.
        var above: [(old: Int, new: Int)] = []
        for edit in edits {
            above.append((oldLine, newLine))
            if case .insert = edit {} else { oldLine += 1 }
            if case .delete = edit {} else { newLine += 1 }
        }
        for index in edits.indices where edits[index].isChange {
            let end = min(edits.count, index + context + 1)
            let start = max(0, index - context)
            if let last = hunks.last, start <= last.edits.endIndex {
                hunks[hunks.count - 1].edits = edits[last.edits.startIndex..<end]
            } else {
                hunks.append(Hunk(oldStart: above[start].old, newStart: above[start].new, edits: edits[start..<end]))
            }
        }
        return hunks
    }

    private static func rendered(_ hunk: Hunk) -> String {
        var (oldCount, newCount) = (0, 0)
        var body = ""
        for edit in hunk.edits {
            let (mark, line): (String, ArraySlice<UInt8>)
            switch edit {
            case .keep(let kept):
                (mark, line) = (" ", kept)
                oldCount += 1
                newCount += 1
            case .delete(let deleted):
                (mark, line) = ("-", deleted)
                oldCount += 1
            case .insert(let inserted):
                (mark, line) = ("+", inserted)
                newCount += 1
            }
            body += mark + String(decoding: line, as: UTF8.self)
            if line.last != UInt8(ascii: "\n") { body += "\n\\ No newline at end of file\n" }
        }
        let old = range(hunk.oldStart, oldCount)
        let new = range(hunk.newStart, newCount)
        return "@@ -\(old) +\(new) @@\n" + body
    }

    /// A range without lines is named by the line above it; the count 1 is left out.
    private static func range(_ above: Int, _ count: Int) -> String {
        switch count {
        case 0: "\(above),0"
        case 1: "\(above + 1)"
        default: "\(above + 1),\(count)"
        }
    }
}
