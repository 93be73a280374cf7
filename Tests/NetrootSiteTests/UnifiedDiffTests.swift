import Glibc
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootSite

@Suite struct UnifiedDiffTests {
    private func lines(_ range: ClosedRange<Int>) -> String { range.map { "line \($0)\n" }.joined() }

    @Test func golden() throws {
        let old = lines(1...30)
        let new = old.replacing("line 2\n", with: "zwei\n").replacing("line 9\n", with: "")
            .replacing("line 17\n", with: "line 17\nline 17 1/2\n").replacing("line 30\n", with: "line 30")
        let diff = { (old: String?, new: String?) in
            UnifiedDiff(old: old.map { Array($0.utf8) }, new: new.map { Array($0.utf8) }, path: "/srv/tftp/f").text
        }
        try expectGolden("diff-changed", diff(old, new))
        try expectGolden("diff-new", diff(nil, lines(1...2)))
        try expectGolden("diff-removed", diff("only", nil))
        #expect(diff(old, old).isEmpty)
        #expect(diff(nil, "") == "--- /dev/null\n+++ /srv/tftp/f\n")
        #expect(UnifiedDiff(old: nil, new: nil, path: "x").isEmpty)
    }

    /// patch(1) is the judge: it makes the new text of the old one, and takes no wrong line number.
    @Test func patchAppliesIt() async throws {
        guard Tool("patch", package: "patch").path != nil else {
            try Test.cancel("patch is not installed")
        }
        var template = Array("/tmp/netroot-diff-test-XXXXXX".utf8CString)
        #expect(mkdtemp(&template) != nil)
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            for name in ["old", "new", "diff"] { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
        var random = SeededRandom(seed: 7)
        func text() -> [UInt8] {
            let count = Int.random(in: 1...40, using: &random)
            var bytes = (0..<count).flatMap { _ in [UInt8.random(in: 0x61...0x64, using: &random), 0x0A] }
            if Bool.random(using: &random) { bytes.removeLast() }
            return bytes
        }
        for _ in 0..<100 {
            let old = text()
            var new = text()
            // Half of them differ in few lines only, so that hunks come apart.
            if Bool.random(using: &random), old.count > 8 {
                new = old
                new[Int.random(in: 0..<new.count, using: &random) / 2 * 2] = 0x7A
                new += Array("end\n".utf8)
            }
            try Files.replace(directory + "/old", with: old)
            try Files.replace(
                directory + "/diff", with: Array(UnifiedDiff(old: old, new: new, path: "old").text.utf8))
            _ = try await CommandRunner().capture(
                Command([
                    "patch", "--silent", "--fuzz=0", "-o", directory + "/new", directory + "/old", directory + "/diff",
                ]))
            #expect(try Files.read(directory + "/new") == new)
        }
    }
}
