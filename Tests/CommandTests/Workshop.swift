import Foundation
import Glibc
import NetrootStore
import NetrootSystem
import Synchronization
import TestSupport
import Testing

/// What the tests that build share: one real build of the shipped recipe, and a small root taken from it.
///
/// Everything lies in one folder, which goes with the test process.
actor Workshop {
    static let shared = Workshop()

    private var built: Task<RealBuild, any Error>?
    private var cut: Task<String, any Error>?

    /// One real build.
    struct RealBuild: Sendable {
        let scratch: Scratch
        let mirror: RecordingMirror
        let generation: Generation
        /// Of `netroot build`.
        let outcome: Outcome
        /// What the mirror was asked for.
        let requests: [String]
    }

    /// The label `debian12`: the shipped recipe with a mirror that records, and with the sections that it lacks.
    func realBuild() async throws -> RealBuild {
        if let built { return try await built.value }
        let task = Task { try await Self.build() }
        built = task
        return try await task.value
    }

    /// A root without kernel and dracut, as a bootstrap tool could have left it.
    func smallRoot() async throws -> String {
        if let cut { return try await cut.value }
        let real = try await realBuild()
        let task = Task {
            let root = real.scratch.path + "/small-root"
            try await SmallRoot.cut(from: real.generation.root, to: root)
            return root
        }
        cut = task
        return try await task.value
    }

    private static func build() async throws -> RealBuild {
        // Not #require: an error that was recorded once is not recorded for the next test.
        guard Place.isRoot else { throw TestFailure("a build needs root") }
        let scratch = try Scratch()
        LastingScratch.keep(scratch)
        let mirror = try RecordingMirror()
        try scratch.write("recipe/debian12.def", try RealRecipe.text(mirror: mirror.url))
        try RealRecipe.writeFiles(scratch)
        try scratch.write("hosts.conf", "[debian12]\nRECIPE = recipe/debian12.def\n[other]\nRECIPE = other.def\n")
        // One package is certainly not in the cache, so a download can be told from none.
        let all = Place.cache + "/debootstrap"
        for folder in try Files.names(in: all) where folder.hasPrefix("bookworm-") {
            for name in try Files.names(in: "\(all)/\(folder)") where name.hasPrefix("netbase_") {
                try FileManager.default.removeItem(atPath: "\(all)/\(folder)/\(name)")
            }
        }
        let outcome = try await scratch.run("build", "debian12", limit: 400)
        guard outcome.status == 0 else {
            let log = scratch.path + "/netroots/debian12/failed-build.log"
            throw TestFailure(outcome.errors + (Files.exists(log) ? try Files.text(log) : ""))
        }
        return RealBuild(
            scratch: scratch, mirror: mirror, generation: try scratch.store("debian12").current(), outcome: outcome,
            requests: mirror.takeRequests())
    }
}

/// Folders that go with the test process.
enum LastingScratch {
    private static let kept = Mutex<[Scratch]>([])

    static func keep(_ scratch: Scratch) {
        let isFirst = kept.withLock { folders in
            folders.append(scratch)
            return folders.count == 1
        }
        if isFirst {
            atexit {
                LastingScratch.kept.withLock { folders in
                    for folder in folders {
                        // No test is left that this could fail.
                        do { try folder.removeNow() } catch {
                            FileWriter.standardError.write("\(folder.path) is left: \(error)\n")
                        }
                    }
                }
            }
        }
    }
}
