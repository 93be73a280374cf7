/// Runs what has to come to its end although the caller's task is cancelled: what undoes something, after Ctrl-C too.
/// - Throws: what `body` throws.
public func uncancelled<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
    // A task of its own does not inherit the cancellation.
    try await Task { try await body() }.value
}

extension Files {
    /// Makes a directory that only this user can read, in `$TMPDIR` or `/tmp`, and removes it with all that is in it however
    /// `body` ends.
    /// - Throws: `SystemError`, `CommandError`, what `body` throws; where the removal fails too, it is `body`'s error that is
    ///   told.
    public static func withTemporaryDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
        let directory = try makeTemporaryDirectory()
        let result: Result<R, any Error>
        do { result = .success(try await body(directory)) } catch { result = .failure(error) }
        do {
            try await uncancelled { _ = try await CommandRunner().capture(Command(["rm", "-rf", "--", directory])) }
        } catch {
            if case .success = result { throw error }
        }
        return try result.get()
    }
}
