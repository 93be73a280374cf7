import NetrootSystem
import Testing

/// The documents of the checkout.
@Suite struct DocumentTests {
    /// Every page that has relative links, relative to the checkout.
    static let pages: [String] = {
        let folders = ["docs", "dracut-modules", "guest", "root-files", "tftpboot"]
        return ["README.md"]
            + folders.flatMap { folder in
                ((try? Files.names(in: Place.checkout + "/" + folder)) ?? []).sorted()
                    .filter { $0.hasSuffix(".md") }.map { "\(folder)/\($0)" }
            }
    }()

    @Test func thereArePages() {
        #expect(Self.pages.contains("docs/verbs.md") && Self.pages.contains("dracut-modules/README.md"))
    }

    @Test(arguments: pages) func everyLinkLeadsToAFileAndAHeading(page: String) throws {
        for (line, target) in try Document(page).links where !target.contains("://") {
            let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            let folder = page.contains("/") ? PathText.parent(page) + "/" : ""
            let file = parts[0].isEmpty ? page : Document.normalised(folder + parts[0])
            guard Files.exists(Place.checkout + "/" + file) else {
                Issue.record("\(page):\(line): \(target): there is no \(file)")
                continue
            }
            if parts.count > 1, try !Document(file).anchors.contains(String(parts[1])) {
                Issue.record("\(page):\(line): \(target): \(file) has no such heading")
            }
        }
    }

    /// A verb that nobody finds would be one that nobody uses.
    @Test(arguments: HelpTests.verbs) func everyVerbIsInTheReferenceAndTheManual(verb: String) throws {
        let headings = try Document("docs/verbs.md").headings.flatMap { $0.split(separator: ", ").map(String.init) }
        #expect(headings.contains(verb))
        #expect(try Document("README.md").text.contains("`\(verb)"))
        let manual = try Document("docs/netroot.8").text
        #expect(["\n.It Cm \(verb) ", "\n.It Cm \(verb)\n"].contains(where: manual.contains))
    }

    /// Headings and links of a text that is written here: a check that finds nothing would pass every page.
    @Test func headingsAndLinksAreFound() {
        let document = Document(
            text: """
                # What `test` says, and why
                [a](#b) and [c `d`](e.md#f-g)
                ## Same
                    [no](link.md)
                ## Same
                ```
                # no heading
                ```
                """)
        #expect(document.anchors == ["what-test-says-and-why", "same", "same-1"])
        #expect(document.links.map(\.target) == ["#b", "e.md#f-g"])
    }
}

/// A page in Markdown, as far as its headings and links go.
struct Document {
    let text: String

    init(text: String) { self.text = text }

    /// A file of the checkout.
    init(_ path: String) throws { text = try Files.text(Place.checkout + "/" + path) }

    /// The lines with their numbers, without code.
    private var lines: [(number: Int, text: Substring)] {
        var isCode = false
        var lines: [(Int, Substring)] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("```") {
                isCode.toggle()
            } else if !isCode, !line.hasPrefix("    ") {
                lines.append((index + 1, line))
            }
        }
        return lines
    }

    var headings: [String] {
        lines.filter { $0.text.hasPrefix("#") }.map { line in
            String(line.text.drop { $0 == "#" }.drop { $0 == " " })
        }
    }

    /// The names by which the headings are linked, as GitHub makes them.
    var anchors: [String] {
        var seen: [String: Int] = [:]
        return headings.map { heading in
            let kept = heading.lowercased().filter { $0.isLetter || $0.isNumber || "-_ ".contains($0) }
            let anchor = kept.replacing(" ", with: "-")
            let count = seen[anchor, default: 0]
            seen[anchor] = count + 1
            return count == 0 ? anchor : "\(anchor)-\(count)"
        }
    }

    var links: [(line: Int, target: String)] {
        lines.flatMap { line in
            line.text.matches(of: /\]\(([^)\s]+)\)/).map { (line.number, String($0.output.1)) }
        }
    }

    /// A path with `..` taken out.
    static func normalised(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") {
            if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }
}
