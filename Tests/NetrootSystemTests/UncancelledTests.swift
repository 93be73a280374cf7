import Testing

@testable import NetrootSystem

@Suite struct UncancelledTests {
    private struct Failure: Error {}

    /// Runs `body` in a task that is cancelled already.
    private func cancelled<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        try await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await body()
        }.value
    }

    @Test func itIsNotCancelledWithItsCaller() async throws {
        // The same without it is, or this proves nothing.
        await #expect(throws: CancellationError.self) {
            try await cancelled { try await CommandRunner().capture(Command(["true"])) }
        }
        let printed = try await cancelled {
            try await uncancelled { try await CommandRunner().capture(Command(["echo", "done"])) }
        }
        #expect(printed == "done\n")
        await #expect(throws: Failure.self) { try await uncancelled { throw Failure() } }
    }

    @Test func aTemporaryDirectoryGoesHoweverTheWorkEnds() async throws {
        let kept = try await Files.withTemporaryDirectory { directory in
            try Files.makeDirectory(directory + "/a/b")
            return directory
        }
        #expect(!Files.exists(kept))
        await #expect(throws: Failure.self) {
            try await Files.withTemporaryDirectory { directory in
                #expect(Files.isDirectory(directory))
                throw Failure()
            }
        }
        let gone = try await cancelled {
            try await Files.withTemporaryDirectory { directory in
                try Files.replace(directory + "/file", with: [1])
                return directory
            }
        }
        #expect(!Files.exists(gone))
    }
}
