import NetrootSystem
import TestSupport
import Testing

@testable import NetrootSite

@Suite struct UnifiedDiffTests {
    private func lines(_ range: ClosedRange<Int>) -> String { range.map { "line \($0)\n" }.joined() }

    private func diff(_ old: String?, _ new: String?, path: String = "/srv/tftp/f") async throws -> String {
        try await UnifiedDiff.text(old: old.map { Array($0.utf8) }, new: new.map { Array($0.utf8) }, path: path)
    }

    @Test func golden() async throws {
        let old = lines(1...30)
        // In the middle three changes, two of which share a hunk; at the end no newline.
        let new = old.replacing("line 2\n", with: "zwei\n").replacing("line 9\n", with: "")
            .replacing("line 17\n", with: "line 17\nline 17 1/2\n").replacing("line 30\n", with: "line 30")
        try expectGolden("diff-changed", try await diff(old, new))
        try expectGolden("diff-new", try await diff(nil, lines(1...2)))
        try expectGolden("diff-removed", try await diff("only", nil))
    }

    @Test func whatDoesNotChangeSaysNothing() async throws {
        #expect(try await diff(lines(1...30), lines(1...30)) == "")
        #expect(try await diff("", "") == "")
        #expect(try await diff(nil, nil) == "")
    }

    @Test func filesWithoutContent() async throws {
        #expect(try await diff(nil, "", path: "/f") == "--- /dev/null\n+++ /f\n")
        #expect(try await diff("", nil, path: "/f") == "--- /f\n+++ /dev/null\n")
        #expect(try await diff("", "x\n", path: "/f") == "--- /f\n+++ /f\n@@ -0,0 +1 @@\n+x\n")
    }

    /// A name that looks like an option, and bytes that diff(1) takes for no text.
    @Test func bytesAreShown() async throws {
        let text = try await UnifiedDiff.text(old: [0, 0xFF, 10, 65, 10], new: [0, 0xFF, 10, 66, 10], path: "-q\n")
        #expect(text == "--- -q\\x0a\n+++ -q\\x0a\n@@ -1,2 +1,2 @@\n \\x00\\xff\n-A\n+B\n")
    }

    /// In a dry run the plan shows the changes; what was done is said in one line a file.
    @Test func aPlanReports() async throws {
        var plan = InstallPlan()
        try plan.write("/nowhere/netroot/new", Array("one\ntwo\n".utf8))
        plan.remove("/nowhere/netroot/old")
        #expect(
            try await plan.report(dryRun: true)
                == "--- /dev/null\n+++ /nowhere/netroot/new\n@@ -0,0 +1,2 @@\n+one\n+two\nwould remove /nowhere/netroot/old\n"
        )
        #expect(
            try await plan.report(dryRun: false) == "wrote /nowhere/netroot/new\nremoved /nowhere/netroot/old\n")
    }
}
