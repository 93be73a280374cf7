import NetrootStore
import NetrootSystem
import TestSupport
import Testing

/// A repository of RPM packages, made by `Tests/Fixtures/rpm-repository`; it goes with the test process.
struct RPMRepository: Sendable {
    let folder: String
    var url: String { "file://" + folder }
    var key: String { "file://\(folder)/key.asc" }

    /// Of the key that signed.
    func fingerprint() throws -> String { String(try Files.text(folder + "/fingerprint").prefix { $0 != "\n" }) }

    /// The header of a recipe that takes this repository as it is signed.
    func header(_ agent: String, _ include: String, url: String? = nil) throws -> String {
        "Bootstrap: \(agent)\nOSVersion: 1\nMirrorURL: \(url ?? self.url)\nInclude: \(include)\n"
            + "Setopt: gpgkey=\(key)\nFingerprints: \(try fingerprint())\n"
    }

    /// Small, and signed; packages that go wrong in it.
    static let small = Task { try await make("small", ["--sign"]) }
    /// The same, signed by another key.
    static let other = Task { try await make("small", ["--sign"]) }
    /// What the workshop's Debian is made of, as RPM packages: it boots.
    static let bootable = Task {
        try await make("bootable", ["--sign", "--root", try await Workshop.shared.realBuild().generation.root])
    }

    static func make(_ kind: String, _ options: [String]) async throws -> RPMRepository {
        let scratch = try Scratch()
        LastingScratch.keep(scratch)
        let folder = scratch.path + "/" + kind
        let script = Place.checkout + "/Tests/Fixtures/rpm-repository"
        let outcome = try await CommandTests.run([script, kind] + options + [folder])
        guard outcome.status == 0 else { throw TestFailure(outcome.errors) }
        return RPMRepository(folder: folder)
    }
}
