import TestSupport
import Testing

@testable import NetrootConfig

private func label(_ lines: String) throws -> Label {
    let text = "[a]\nRECIPE = r.def\n" + lines
    let file = try HostsFile(text: text, path: "/etc/netroot/hosts.conf", transports: ["nfs", .ram])
    return try #require(file.labels.first)
}

@Suite struct HostsPatternTests {
    @Test("Each word knows its line, also where quotes and blanks make it hard")
    func lines() throws {
        let words = try #require(
            try label(
                """
                REMOVE_FILES = /usr/share/doc/**
                    "/opt/two words"  '/a'
                    # a comment
                    /b\\ c

                    /usr/share/man
                KERNEL_MODULES =
                    default -sound/
                    host
                """
            ).removeFiles)
        #expect(words.texts == ["/usr/share/doc/**", "/opt/two words", "/a", "/b c", "/usr/share/man"])
        #expect(words.words.map(\.line) == [3, 4, 4, 6, 8])
        let modules = try #require(try label("KERNEL_MODULES =\n default -sound/\n host\n").kernelModules)
        #expect(modules.words.map(\.line) == [4, 4, 5] && modules.texts == ["default", "-sound/", "host"])
        #expect(words.error(at: words.words[4], problem: "p", hint: nil).description == "/etc/netroot/hosts.conf:8: p")
        #expect(try label("").removeFiles == nil && label("").kernelModules == nil)
    }

    private static let mistakesCases: [(String, Int, String)] = [
        ("REMOVE_FILES = /a\n  usr/share", 4, "'usr/share' is not an absolute path"),
        ("REMOVE_FILES = /**", 3, "'/**' means every file"), ("REMOVE_FILES = /", 3, "'/' means every file"),
        ("REMOVE_FILES = /a\n  /*/**", 4, "means every file"), ("REMOVE_FILES = /a/../b", 3, "'.' or '..'"),
        ("REMOVE_FILES = /a\n  /b[c", 4, "'/b[c' has a '[' without its ']'"), ("REMOVE_FILES =", 3, "has no value"),
        ("KERNEL_MODULES = default\n  -", 4, "'-' excludes nothing"),
        ("KERNEL_MODULES = -host", 3, "a list cannot be excluded"),
        ("KERNEL_MODULES = nvme[", 3, "without its ']'"),
        ("KERNEL_MODULES = /fs/", 3, "'/fs/' is an absolute path"), ("MAX_SIZE = 10", 3, "is not a size from 1m"),
        ("MAX_RAM = much", 3, "is not a size"),
    ]

    @Test(
        "A pattern that cannot be meant is an error at its own line",
        arguments: mistakesCases)
    func mistakes(lines: String, line: Int, problem: String) throws {
        let error = try #require(throws: ConfigError.self) { try label(lines) }
        #expect(error.line == line && error.description.contains(problem), "\(error)")
    }
}
