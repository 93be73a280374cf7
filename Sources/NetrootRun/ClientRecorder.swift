import FoundationEssentials
import NetrootStore
import NetrootSystem
import Synchronization

/// Writes down which clients use which generations, while a label is served.
///
/// What it is told is kept in memory, bounded, and written by a task of its own: no client waits for the disk. A client that is
/// new to a generation is written at once, and what is known already every ten seconds: so much a SIGKILL loses.
final class ClientRecorder: Sendable {
    private struct State {
        /// What is not on disk yet.
        var pending = ClientRecord()
        /// What was on disk the last time.
        var known = ClientRecord()
        /// What has been said is wrong; nil where all is well.
        var problem: String?
    }

    private let state = Mutex(State())
    private let store: LabelStore
    private let say: @Sendable (String) -> Void
    private let wishes: AsyncStream<Void>
    private let wish: AsyncStream<Void>.Continuation
    private static let interval = Duration.seconds(10)
    /// The shortest time between two writes, whoever comes.
    private static let pause = Duration.milliseconds(500)
    /// How often the clients that are connected, and may ask nothing, count as seen.
    private static let ticksToRenewal = 6

    /// Nothing is read yet; `begin` does.
    init(store: LabelStore, say: @escaping @Sendable (String) -> Void) {
        self.store = store
        self.say = say
        (wishes, wish) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Reads what there is, and writes that the recording has begun: without that gc must take it that clients came unseen.
    /// A record that is damaged is laid aside.
    func begin() async { await write(always: true) }

    /// Stops a server and the recording, and writes the last sights whatever the server says.
    /// - Throws: what `stop` throws.
    func end(_ recording: Task<Void, Never>, stopping stop: @escaping @Sendable () async throws -> Void) async throws {
        var problem: (any Error)?
        do { try await uncancelled(stop) } catch { problem = error }
        recording.cancel()
        await recording.value
        await write()
        if let problem { throw problem }
    }

    /// A client uses a generation now. It returns at once.
    func note(_ address: String, _ generation: Int) {
        let isNew = state.withLock { state in
            let isNew = !state.known.has(address, generation) && !state.pending.has(address, generation)
            state.pending.add(.init(address: address, generation: generation, seen: Date()))
            return isNew
        }
        if isNew { wish.yield() }
    }

    /// Writes until the task is cancelled.
    /// - Parameter renew: makes `note` be called for every client that is connected.
    func run(renewing renew: @escaping @Sendable () -> Void) async {
        let ticks = Task { [wish] in
            var count = 0
            while !Task.isCancelled {
                do { try await Task.sleep(for: Self.interval) } catch { return }
                count += 1
                if count % Self.ticksToRenewal == 0 { renew() }
                wish.yield()
            }
        }
        defer { ticks.cancel() }
        for await _ in wishes {
            await write()
            do { try await Task.sleep(for: Self.pause) } catch { return }
        }
    }

    /// Writes what is not on disk yet. What cannot be written is said once, and kept for the next time.
    /// - Parameter always: also where there is nothing new.
    private func write(always: Bool = false) async {
        let pending = state.withLock { state in
            defer { state.pending = ClientRecord() }
            return state.pending
        }
        guard always || !pending.isEmpty else { return }
        do {
            let known = try await store.addClients(pending, note: say)
            let wasBroken = state.withLock { state in
                defer { state.problem = nil }
                state.known = known
                return state.problem != nil
            }
            if wasBroken { say("the clients of \(store.label) are recorded again") }
        } catch {
            let reason = "\(error)"
            let isNew = state.withLock { state in
                state.pending.add(pending)
                defer { state.problem = reason }
                return state.problem == nil
            }
            if isNew {
                say(
                    "gc will not know the clients of \(store.label) that come now: their record is not written: \(reason)"
                )
            }
        }
    }
}
