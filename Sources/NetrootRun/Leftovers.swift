import Glibc
public import NetrootConfig
import NetrootSite
import NetrootStore
import NetrootSystem

/// What runs that were killed have left: each verb of a label clears it away before it begins.
public struct Leftovers: Sendable {
    public let label: Label
    /// What the caller does, for the message of whoever meets a lock meanwhile.
    public let verb: String

    /// Nothing is looked at yet.
    public init(of label: Label, verb: String) {
        self.label = label
        self.verb = verb
    }

    /// Removes what belongs to no run that lives: each of them holds a lock on what it makes. Without root nothing of the label
    /// is touched, since files of a build belong to others; the build's own user namespace does it.
    /// - Parameter note: told of what was removed, and of what could not be.
    public func remove(note: (String) -> Void) async {
        do {
            for path in try Files.removeLeftTemporaryDirectories() { note(Self.removed(path, "a run")) }
        } catch {
            note("not removed: \(error)")
        }
        guard geteuid() == 0 else { return }
        do {
            try await removeOfLabel(note: note)
            for path in try TFTPRoot(of: label).removeLeftovers() { note(Self.removed(path, "a run")) }
            // Where nothing can be written, as for serve in a unit of systemd, another verb undoes it.
            if access(label.netroot, W_OK) == 0, let directory = try await BootSession.undoLeft(of: label, verb: verb) {
                note("undid what a killed run left: \(directory)")
            }
        } catch is LockedError {
            // Its holder has cleared it away, or is at work on it.
        } catch {
            note("not all that killed runs left is removed: \(error)")
        }
    }

    private func removeOfLabel(note: (String) -> Void) async throws {
        let store = LabelStore(label: label)
        // The lock would hinder others, so it is taken where there is something only.
        guard access(label.netroot, W_OK) == 0, try store.mayHaveLeftovers() else { return }
        let lock = try store.lock(verb: verb)
        defer { withExtendedLifetime(lock) {} }
        let removed = try await uncancelled { try await store.removeLeftovers(CommandRunner()) }
        for path in removed { note(Self.removed(path, "a build")) }
    }

    private static func removed(_ path: String, _ who: String) -> String {
        "removed \(path), left by \(who) that was killed"
    }
}
