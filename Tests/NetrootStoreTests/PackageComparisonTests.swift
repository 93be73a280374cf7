import NetrootStore
import Testing

@Suite struct PackageComparisonTests {
    /// `name:architecture=version` for each.
    private func packages(_ text: String) -> [Manifest.Package] {
        text.split(separator: " ").map { word in
            let parts = word.split { ":=".contains($0) }.map(String.init)
            return .init(name: parts[0], version: parts[2], architecture: parts[1])
        }
    }

    private func words(_ package: Manifest.Package) -> String {
        "\(package.name):\(package.architecture)=\(package.version)"
    }

    @Test(arguments: [
        ("", "", ""),
        ("a:x=1 b:x=1", "b:x=1 a:x=1", ""),
        ("a:x=1", "a:x=1 b:x=2", "+b:x=2"),
        ("a:x=1 b:x=2", "a:x=1", "-b:x=2"),
        ("a:x=1 b:x=1", "a:x=2 b:x=1", "~a:x=1>a:x=2"),
        // Several architectures of a name are packages of their own.
        ("a:x=1 a:y=1", "a:y=2 a:x=2", "~a:x=1>a:x=2 ~a:y=1>a:y=2"),
        ("a:x=1", "a:x=1 a:y=1", "+a:y=1"),
        ("a:x=1", "a:x=2 a:y=2", "+a:y=2 ~a:x=1>a:x=2"),
        ("a:x=1 a:y=1", "a:x=2", "-a:y=1 ~a:x=1>a:x=2"),
        // One that moved from an architecture to another.
        ("a:x=1", "a:all=1", "~a:x=1>a:all=1"),
        ("a:x=1", "a:all=2", "~a:x=1>a:all=2"),
        ("a:x=1 a:y=1", "a:all=2", "+a:all=2 -a:x=1 -a:y=1"),
        // Several versions of one package, as rpm has them of kernels.
        ("k:x=5 k:x=6", "k:x=6 k:x=7", "~k:x=5>k:x=7"),
        ("k:x=6", "k:x=6 k:x=7", "+k:x=7"),
        ("k:x=5 k:x=6", "k:x=7 k:x=8", "+k:x=7 +k:x=8 -k:x=5 -k:x=6"),
        ("b:x=1 a:x=1", "d:x=1 c:x=1", "+c:x=1 +d:x=1 -a:x=1 -b:x=1"),
    ]) func changes(before: String, after: String, expected: String) {
        let comparison = PackageComparison(before: packages(before), after: packages(after))
        var found = comparison.added.map { "+" + words($0) }
        found += comparison.removed.map { "-" + words($0) }
        found += comparison.changed.map { "~\(words($0.before))>\(words($0.after))" }
        #expect(found.joined(separator: " ") == expected)
    }

    @Test func namesWithSeveralArchitecturesAreAmbiguous() {
        let comparison = PackageComparison(before: packages("a:x=1 b:x=1 c:x=1"), after: packages("a:x=1 a:y=1 b:y=1"))
        #expect(comparison.ambiguous == ["a"])
    }
}
