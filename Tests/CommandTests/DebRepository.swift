import NetrootSystem
import TestSupport

/// A repository of Debian packages, made by `Tests/Fixtures/deb-repository`; it goes with the test process.
struct DebRepository: Sendable {
    let folder: String

    static let shared = Task { try await make() }

    private static func make() async throws -> DebRepository {
        let scratch = try Scratch()
        LastingScratch.keep(scratch)
        let folder = scratch.path + "/debian"
        let outcome = try await run([Place.checkout + "/Tests/Fixtures/deb-repository", folder])
        guard outcome.status == 0 else { throw TestFailure(outcome.errors) }
        return DebRepository(folder: folder)
    }

    /// This machine's apt trusts the key that signed, and no other, for one command.
    var trusting: [String] {
        Namespace.mounting("mount --bind '\(folder)/trusted.gpg.d' /etc/apt/trusted.gpg.d")
    }
}
