import Synchronization

/// Tells work on a thread of its own that its task was cancelled.
final class CancelFlag: Sendable {
    private let value = Atomic(false)

    func set() { value.store(true, ordering: .relaxed) }

    /// - Throws: `CancellationError`.
    func check() throws { if value.load(ordering: .relaxed) { throw CancellationError() } }
}
