import NetrootConfig
import NetrootSystem
import Testing

@testable import NetrootBuild

/// What is put around the bare reason of a failure.
@Suite struct BuildFailureTests {
    private func text(_ error: any Error, line: Int? = nil, step: String? = "bootstrap", log: String? = "/l") -> String
    {
        "\(BuildFailure.of(error, recipePath: "/a.def", line: line, step: step, log: log))"
    }

    @Test func recipeLineAndLog() {
        #expect(
            text(BuildError.unknownPackage(name: "x"))
                == "/a.def: the mirror has no package 'x'; correct Include, or MirrorURL\nlog: /l")
        #expect(
            text(ContainerError.notFound(image: "i", detail: "d"), line: 2)
                == "/a.def:2: there is no image i: d\ncorrect From:; log: /l")
        #expect(
            text(BuildError.wrongHeader(problem: "From: x does not exist", hint: "y"), line: 2, step: nil, log: nil)
                == "/a.def:2: From: x does not exist; y")
    }

    /// What a program printed stays apart from netroot's own words.
    @Test func theOutputOfASection() {
        let failed = BuildError.sectionFailed(
            section: "%post", line: 7, termination: .exited(3), lines: ["one", "two"])
        #expect(text(failed, line: 2) == "/a.def:7: %post failed with exit status 3\n  one\n  two\nlog: /l")
        let silent = BuildError.sectionFailed(section: "%post", line: 7, termination: .exited(3), lines: [])
        #expect(text(silent) == "/a.def:7: %post failed with exit status 3\nlog: /l")
    }

    /// A command says what it ran, and not why; its own log lies in the draft, which is gone.
    @Test func aCommandIsToldWithItsStep() {
        let error = CommandError.failed(
            argv: ["mv", "a", "b"], termination: .exited(1), lastLines: ["no"], log: "/draft/build.log")
        #expect(text(error, step: "initramfs") == "/a.def: initramfs: mv a b: exit status 1: no\nlog: /l")
    }

    @Test func whatWasAddedFirstStays() throws {
        let inner = BuildFailure.of(BuildError.noDracut, recipePath: "/a.def", line: 4)
        let outer = BuildFailure.of(inner, recipePath: "/b.def", line: 9, step: "bootstrap", log: "/l")
        #expect("\(outer)" == "/a.def:4: the root has no dracut; add dracut and dracut-network to Include\nlog: /l")
        #expect((outer as? any ReportableError)?.exitStatus == .failed)
        let usage = BuildFailure.of(BuildError.wrongHeader(problem: "p", hint: "h"), recipePath: "/a.def")
        #expect((usage as? any ReportableError)?.exitStatus == .usage)
    }

    @Test func whatIsNoFailureOrHasItsPlaceIsLeftAlone() {
        #expect(BuildFailure.of(CancellationError(), recipePath: "/a.def") is CancellationError)
        let mistake = ConfigError(file: "/a.def", line: 2, problem: "p")
        #expect(BuildFailure.of(mistake, recipePath: "/a.def", log: "/l") as? ConfigError == mistake)
    }
}
