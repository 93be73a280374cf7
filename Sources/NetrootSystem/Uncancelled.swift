/// Runs what has to come to its end although the caller's task is cancelled: what undoes something, after Ctrl-C too.
/// - Throws: what `body` throws.
public func uncancelled<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
    // A task of its own does not inherit the cancellation.
    try await Task { try await body() }.value
}
