import Glibc
import TestSupport
import Testing

@testable import NetrootConfig

/// Recipes by a seeded generator. `NETROOT_FUZZ=1000000` makes it a million of them, `NETROOT_FUZZ_SEED` others.
@Suite struct RecipeFuzzTests {
    private static func number(_ name: String, default value: Int) -> Int {
        getenv(name).flatMap { Int(String(cString: $0)) } ?? value
    }

    /// Pieces that mean something to the parser, so that most inputs get past the first line.
    private static let pieces: [[UInt8]] =
        ([
            "Bootstrap: debootstrap\n", "bootstrap:docker\n", "OSVersion: x\n", "From: y\n", "Stage: a\n", "Stage: b\n",
            "OtherURL1: z\n", "Include", "MirrorURL: http://%{OSVERSION}/\n", "%post", "\n%post\n", "\n%files\n",
            "\n%files from a\n", "\n%labels\n", "\n%arguments\nA=1\nB={{ A }}\n", "%appinstall foo\n", "%appenv",
            " from",
            " -c", " -c /bin/bash\n", "\n", "\n", "\n", " ", "\t", "%{", "}", "OSVERSION", "{{", "}}", "{{ A }}",
            "{{B}}",
            "a", "b", "\"", "'", "\\", "\\\n", "#", "# ", ":", "=", "é", "\r\n", "\r", "%", "A=1\n", "\u{FEFF}",
        ] as [String]).map { Array($0.utf8) }

    private static let sound: [[UInt8]] = [
        """
        Bootstrap: docker
        From: a:{{ V }}
        Stage: one
        %arguments
          V=1
        %post -c /bin/bash
          echo {{ V }}
        Bootstrap: debootstrap
        OSVersion: bookworm
        Include: a \\
          b
        %files from one
          "x y" z
        %appinstall foo
          true
        %labels
          A b
        """,
        "%help\nHello\n%environment\nA=1\n",
    ].map { Array($0.utf8) }

    private static func input(_ random: inout SeededRandom) -> [UInt8] {
        var bytes: [UInt8] = []
        if Int.random(in: 0..<3, using: &random) == 0 {
            // A sound recipe, damaged.
            bytes = sound[Int.random(in: 0..<sound.count, using: &random)]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let start = Int.random(in: 0...bytes.count, using: &random)
                let end = Int.random(in: start...min(bytes.count, start + 4), using: &random)
                bytes.replaceSubrange(start..<end, with: pieces[Int.random(in: 0..<pieces.count, using: &random)])
            }
        } else {
            if Bool.random(using: &random) { bytes = Array("Bootstrap: debootstrap\nOSVersion: x\n".utf8) }
            for _ in 0..<Int.random(in: 0...16, using: &random) {
                bytes += pieces[Int.random(in: 0..<pieces.count, using: &random)]
            }
        }
        if Int.random(in: 0..<8, using: &random) == 0 {
            bytes.insert(
                UInt8.random(in: 0...255, using: &random), at: Int.random(in: 0...bytes.count, using: &random))
        }
        return bytes
    }

    /// What must hold of every recipe that is read.
    private static func check(_ recipe: Recipe, _ bytes: [UInt8], lines: Int) -> Bool {
        var numbers: [Int] = []
        for stage in recipe.stages {
            numbers.append(stage.line)
            numbers += stage.header.entries.map(\.line)
            numbers += stage.allFiles.map(\.line)
            numbers += stage.allFiles.flatMap { $0.copies.map(\.line) }
            numbers += stage.scripts.values.map { $0.line - 1 }
        }
        guard numbers.allSatisfy({ (1...max(1, lines)).contains($0) }) else { return false }
        for stage in recipe.stages {
            guard Set(stage.appSections.map(\.app)) == Set(stage.appOrder) else { return false }
            guard Set(stage.appOrder).count == stage.appOrder.count else { return false }
            let ends = stage.scripts.values.compactMap(\.bytes.last)
            guard ends.allSatisfy({ $0 == UInt8(ascii: "\n") }) else { return false }
            let copies = stage.allFiles.flatMap(\.copies)
            guard copies.allSatisfy({ !$0.source.isEmpty }) else { return false }
        }
        return true
    }

    @Test func randomRecipes() {
        var random = SeededRandom(seed: UInt64(Self.number("NETROOT_FUZZ_SEED", default: 4)))
        let count = Self.number("NETROOT_FUZZ", default: 20_000)
        var accepted = 0
        var buildable = 0
        for round in 0..<count {
            let bytes = Self.input(&random)
            let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
            let arguments = round % 3 == 0 ? ["A": "x\n%post", "V": ""] : [:]
            do throws(ConfigError) {
                let recipe = try Recipe(bytes: bytes, path: "r.def", arguments: arguments)
                accepted += 1
                if !Self.check(recipe, bytes, lines: lines) { Issue.record("round \(round): \(bytes)") }
                try recipe.checkBuildable()
                buildable += 1
            } catch {
                if error.problem.isEmpty || error.description.contains("\n") || error.line.map({ $0 > lines }) ?? false
                {
                    Issue.record("round \(round): \(error) of \(bytes)")
                }
            }
        }
        #expect(accepted > count / 20 && buildable > count / 200 && accepted < count, "\(accepted), \(buildable)")
    }

    private static let top = "Bootstrap: debootstrap\nOSVersion: x\n"

    /// What could make a scan go back or a list be searched line by line: well below a second each where time is linear
    /// (debug build), minutes where it is not.
    @Test(
        .timeLimit(.minutes(5)),
        arguments: [
            "{{ ", "{", "{{A}}", "{{ A", "# {{A}}", "%{", "a ", "'", "\\\n", "x: y\\\n", "#", "\n", "\r", "\r\n", "%\n",
            "%post\n",
            "%post -c a\n", "%files\nb\n", "%appenv a\nb\n", "Bootstrap: x\n", "{{A}}\n", "-c ", "%{OSVERSION}",
        ])
    func longInputs(piece: String) {
        let long = String(repeating: piece, count: (64 << 10) / piece.utf8.count)
        for start in ["%post\n", "%files\n", "%arguments\nA=1\n%post\n", "Include: ", "%labels\n", "%post -c "] {
            Self.read(Self.top + start + long)
        }
        Self.read(long)
    }

    /// The most that a verb reads, 4 MiB, of lines that cost most.
    @Test(.timeLimit(.minutes(5)), arguments: ["%post\n\\\n", "%files\na b\n", "%post\n{{ A }} # {{ A }} {{\n"])
    func fourMebibytes(piece: String) {
        let start = "%arguments\nA=1\n%post\n"
        let text = Self.top + start + String(repeating: piece, count: (4 << 20) / piece.utf8.count - 20)
        #expect(Self.read(text))
    }

    /// Names that are all different: of labels, apps, stages, keywords, arguments, `%files` sections.
    @Test(
        .timeLimit(.minutes(5)),
        arguments: [
            (top + "%labels\n", "L@ x\n"), (top, "%appenv a@\nb\n"), (top, "OtherURL@: x\n"), (top, "%files # c@\nb\n"),
            ("", "Bootstrap: docker\nStage: s@\n%post\n:\n"), (top + "%arguments\n", "N@=1\n"),
            (top + "%arguments\nN=1\n%post\n", "{{ N }} @\n"),
        ])
    func manyNames(start: String, line: String) {
        var text = start
        let parts = line.split(separator: "@", omittingEmptySubsequences: false)
        var number = 0
        while text.utf8.count < 128 << 10 {
            number += 1
            text += parts.joined(separator: "\(number)")
        }
        #expect(Self.read(text))
    }

    @discardableResult private static func read(_ text: String) -> Bool {
        do throws(ConfigError) {
            let recipe = try parseRecipe(text)
            // The agent reads the header once more.
            do throws(ConfigError) { try recipe.checkBuildable() } catch { #expect(!error.problem.isEmpty) }
            return true
        } catch {
            #expect(error.description.utf8.count < 500)
            return false
        }
    }
}
