import Testing

@testable import NetrootTree

@Suite struct PathPatternTests {
    private static let meaningCases: [(String, [String], [String])] = [
        (
            "/usr/share/doc/**", ["usr/share/doc/a", "usr/share/doc/a/b", "/usr/share/doc/.x"],
            ["usr/share/doc", "usr/share/docs"]
        ),
        ("/usr/*/doc", ["usr/share/doc", "usr/.x/doc"], ["usr/share/a/doc", "usr/doc", "usr/share/doc/a"]),
        ("**/*.pyc", ["a.pyc", "usr/lib/b.pyc", "x/.pyc"], ["a.pyc/x", "a.py"]),
        ("/a/**/b", ["a/b", "a/x/b", "a/x/y/b", "a/b/b"], ["b", "a/x/c", "ab", "a/b/c"]),
        ("/a/**/b/**/c", ["a/b/c", "a/x/b/y/z/c", "a/b/b/c/c"], ["a/c", "a/b", "a/x/c/b"]),
        ("/usr/share/locale/[!e]?", ["usr/share/locale/de"], ["usr/share/locale/en", "usr/share/locale/deu"]),
        (#"/a/\*"#, ["a/*"], ["a/b"]), ("/a//b/", ["a/b"], ["a", "a/b/c"]), ("**", ["a", "a/b"], [""]),
        ("a**c", ["abc", "ac"], ["a/c"]), ("/ü*", ["ü", "üb"], ["u"]),
    ]

    @Test(arguments: meaningCases)
    func meaning(pattern: String, means: [String], doesNot: [String]) {
        let pattern = PathPattern(pattern)
        for path in means { #expect(pattern.matches(path.utf8), "\(pattern.text) \(path)") }
        for path in doesNot { #expect(!pattern.matches(path.utf8), "\(pattern.text) \(path)") }
    }

    @Test("What is below a directory that is meant counts where it is asked for")
    func orAbove() {
        for (pattern, path) in [("/a/b", "a/b/c/d"), ("/a/*/", "a/x/y"), ("**/b", "x/b/c"), ("/a/**", "a/b/c")] {
            #expect(PathPattern(pattern).matches(path.utf8, orAbove: true), "\(pattern) \(path)")
        }
        for (pattern, path) in [("/a/b", "a/bc"), ("/a/**/c", "a/b"), ("", "a"), ("/a/b", "a")] {
            #expect(!PathPattern(pattern).matches(path.utf8, orAbove: true), "\(pattern) \(path)")
        }
    }

    @Test("Many ** cost no more than the path times the pattern")
    func cost() {
        let pattern = PathPattern(String(repeating: "**/a/", count: 40) + "b")
        #expect(!pattern.matches(String(repeating: "a/", count: 2000).utf8))
    }

    @Test("Bytes that are no text are matched as they are")
    func bytes() {
        #expect(PathPattern("/a/?").matches([0x61, 0x2F, 0xFF]))
        #expect(PathPattern("/a/b").isLiteral && !PathPattern("/a/**").isLiteral && !PathPattern("a?").isLiteral)
    }
}
