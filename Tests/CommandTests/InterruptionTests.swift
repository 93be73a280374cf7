import Glibc
import NetrootStore
import NetrootSystem
import Testing

extension Builds {
    /// Signals during every step of a build.
    @Suite(.serialized) struct InterruptionTests {
        let scratch: Scratch
        /// What the step that is interrupted waits in: no other process has this argument.
        let sleep = "sleep \(Int.random(in: 100_000...999_999))"

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
        }

        /// The steps that a recipe can make wait.
        static let steps = ["%setup", "%post", "%test", "initramfs", "publish"]

        private func recipe(waitingIn step: String) -> FakeRecipe {
            var recipe = FakeRecipe()
            switch step {
            case "%setup": recipe.setup = sleep
            case "%post": recipe.post = "\(sleep) & wait"
            case "%test": recipe.test = sleep
            case "initramfs": recipe.dracut = sleep
            // Publishing asks the root's dpkg for its packages.
            default: recipe.post = FakeRecipe.install("dpkg-query", sleep)
            }
            return recipe
        }

        /// Starts a build and waits until the step is under way.
        private func started(waitingIn step: String) async throws -> RunningProgram {
            try recipe(waitingIn: step).write(scratch)
            let program = try scratch.start("build", "a", environment: try await FakeRecipe.environment(scratch))
            let waits = try await eventually {
                try !Traces.processes(naming: sleep).filter { !$0.contains("/") }.isEmpty
            }
            #expect(waits, "\(step) is reached: \(program.errorsSoFar)")
            return program
        }

        private func expectNoTraces(_ step: String) async throws {
            let gone = try await eventually(within: 10) {
                try Traces.processes(naming: sleep).isEmpty && Traces.processes(naming: scratch.path).isEmpty
            }
            let left = try Traces.processes(naming: sleep) + Traces.processes(naming: scratch.path)
            #expect(gone, "\(step): \(left)")
            #expect(try Traces.mounts(below: scratch.path) == [], "\(step)")
            #expect(try Files.linkTarget(scratch.path + "/netroots/a/current") == "generations/1", "\(step)")
            #expect(try scratch.store("a").numbers() == [1])
        }

        @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func aSignalUndoesTheBuild(signal: Int32) async throws {
            try await Fabricated.generation(of: scratch.label("a"))
            for step in signal == SIGINT ? Self.steps : ["%post"] {
                let before = try await scratch.snapshot(except: ["a.def", "bin/", "a.cpio", "netroots/a/"])
                let program = try await started(waitingIn: step)
                program.signal(signal)
                let outcome = try await program.outcome()
                #expect(outcome.status == 130, "\(step): \(outcome.errors)")
                #expect(outcome.message == "netroot: interrupted; what was started has been undone\n")
                #expect(outcome.errors.contains("s  \(step): interrupted\n"))
                try await expectNoTraces(step)
                #expect(try Files.names(in: scratch.path + "/netroots/a/generations") == [".last", "1"], "\(step)")
                let after = try await scratch.snapshot(except: ["a.def", "bin/", "a.cpio", "netroots/a/"])
                #expect(after.filter { !$0.hasPrefix("bin ") } == before.filter { !$0.hasPrefix("bin ") })
            }
        }

        @Test func theNextBuildCleansUpAfterAKill() async throws {
            try await Fabricated.generation(of: scratch.label("a"))
            let generations = scratch.path + "/netroots/a/generations"
            for step in Self.steps {
                let program = try await started(waitingIn: step)
                #expect(try Files.names(in: generations).contains(".building-2"))
                program.signal(SIGKILL)
                let outcome = try await program.outcome()
                #expect(outcome.status == 128 + SIGKILL)
                try await expectNoTraces(step)
                // The last is for the build below.
                if step == Self.steps.last { continue }
                // No other verb takes what is left for a generation, and each removes it.
                let verb = step == Self.steps.first ? ["rollback", "a", "2"] : ["generations", "a"]
                let shown = try await run(scratch.netroot(verb), folder: scratch.path)
                #expect(shown.status == (verb.count == 3 ? 64 : 0))
                #expect(verb.count == 3 || shown.output.split(separator: "\n").count == 2)
                #expect(shown.errors.contains("removed \(generations)/.building-2, left by a build that was killed"))
                #expect(try Files.names(in: generations) == [".last", "1"])
            }
            try FakeRecipe().write(scratch)
            let next = try await scratch.run("build", "a", environment: try await FakeRecipe.environment(scratch))
            expectSuccess(next)
            #expect(next.errors.contains("removed \(generations)/.building-2, left by a build that was killed"))
            #expect(try Files.names(in: generations) == [".last", "1", "2"])
            #expect(try scratch.store("a").currentNumber() == 2)
        }

        /// The bootstrap step itself: the real mmdebstrap, with apt and dpkg below it.
        @Test(arguments: [SIGINT, SIGKILL]) func aSignalDuringBootstrap(signal: Int32) async throws {
            try await Fabricated.generation(of: scratch.label("a"))
            let real = try await Workshop.shared.realBuild()
            try scratch.write(
                "a.def", "Bootstrap: debootstrap\nOSVersion: bookworm\nMirrorURL: \(real.mirror.url)\n")
            let program = try scratch.start("build", "a")
            let log = scratch.path + "/netroots/a/generations/.building-2/build.log"
            let dpkgRuns = try await eventually {
                guard Files.exists(log), try Files.text(log).contains("installing essential packages") else {
                    return false
                }
                return try Traces.processes(naming: "dpkg").contains { $0.contains(scratch.path) }
            }
            #expect(dpkgRuns, "\(program.errorsSoFar)")
            program.signal(signal)
            let outcome = try await program.outcome()
            #expect(outcome.status == (signal == SIGINT ? 130 : 128 + SIGKILL))
            try await expectNoTraces("bootstrap")
            #expect(Files.exists(log) == (signal == SIGKILL))
        }

        @Test func aSecondBuildOfTheLabelNamesTheFirst() async throws {
            try await Fabricated.generation(of: scratch.label("a"))
            let program = try await started(waitingIn: "%post")
            let before = try await scratch.snapshot()
            for verb in ["build", "shell"] {
                let second = try await scratch.run(verb, "a", environment: try await FakeRecipe.environment(scratch))
                expectError(second, .locked, ["label a is locked by netroot build a, process \(program.pid)", "wait"])
            }
            #expect(try await scratch.snapshot(except: ["bin"]) == before.filter { !$0.hasPrefix("bin") })
            program.signal(SIGINT)
            #expect(try await program.outcome().status == 130)
        }
    }
}
