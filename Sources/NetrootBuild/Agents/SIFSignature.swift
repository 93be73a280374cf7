import Glibc
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree

/// The PGP signatures of a SIF file's root, and the keys that are to have made them.
///
/// As `pkg/integrity` in github.com/sylabs/sif: a signature is a clear-signed JSON text with digests of the header, and of
/// the descriptor and the bytes of each object in the root's group. Legacy signatures (SIF before 1.0) are not read.
struct SIFSignature {
    /// The file, or a copy of it that nobody else can change.
    let sif: SIF
    /// The file's path, for messages.
    let name: String
    /// Forty hexadecimal digits each, in capitals.
    let fingerprints: [String]

    static let tools = [Tool("gpgv", package: "gpgv"), Tool("gpg", package: "gpg")]

    /// What was signed.
    private struct Metadata: Decodable {
        struct Digests: Decodable {
            var digest: String
        }

        struct Object: Decodable {
            var relativeId: UInt32
            var descriptorDigest: String
            var objectDigest: String
        }

        var version: Int
        var header: Digests
        var objects: [Object]
    }

    /// Checks that each of the keys has signed the file as it is.
    /// - Throws: `SIFSignatureError`, `SIFError`, `DigestError`, `CommandError`, `SystemError`, `CancellationError`.
    func verify(scratch: String, runner: CommandRunner) async throws {
        let group = try sif.signedGroup()
        guard !group.signatures.isEmpty else { throw SIFSignatureError.unsigned(path: name) }
        let keyrings = try await keyrings(scratch: scratch)
        var missing = fingerprints
        for (index, signature) in group.signatures.enumerated() {
            let file = "\(scratch)/signature-\(index)"
            try Files.replace(file + ".asc", with: signature, mode: 0o600)
            guard let key = try await signer(file, keyrings: keyrings), fingerprints.contains(key) else { continue }
            if let problem = try mismatch(try Files.read(file + ".json", limit: 4 << 20), group) {
                throw SIFSignatureError.mismatch(path: name, key: key, problem: problem)
            }
            missing.removeAll { $0 == key }
        }
        guard missing.isEmpty else { throw SIFSignatureError.missing(path: name, keys: missing) }
    }

    /// Where the public keys are: GnuPG's and Apptainer's of the user who builds, and Apptainer's of the machine. Any will do,
    /// since the recipe says which keys it trusts.
    private func keyrings(scratch: String) async throws -> [String] {
        let home = getenv("HOME").map { String(cString: $0) } ?? "/root"
        var keyrings = [
            "\(home)/.apptainer/keys/pgp-public", "\(home)/.singularity/keys/pgp-public",
            "/etc/apptainer/global-pgp-public",
        ].filter(Files.exists)
        let own = getenv("GNUPGHOME").map { String(cString: $0) } ?? home + "/.gnupg"
        guard Files.isDirectory(own) else { return keyrings }
        let exported = scratch + "/keys.pgp"
        // Without a key to export gpg writes no file.
        let options = ["--batch", "--no-tty", "--no-autostart", "--homedir", own, "--output", exported]
        _ = try await CommandRunner().capture(Command(["gpg"] + options + ["--export", "--"] + fingerprints))
        if Files.exists(exported) { keyrings.append(exported) }
        return keyrings
    }

    /// The key that made a good signature, by its primary key's fingerprint; nil where it is not good, or the key not there.
    private func signer(_ file: String, keyrings: [String]) async throws -> String? {
        guard !keyrings.isEmpty else { throw SIFSignatureError.missing(path: name, keys: fingerprints) }
        let options = ["--status-fd", "1"] + keyrings.flatMap { ["--keyring", $0] }
        let status: String
        do {
            status = try await CommandRunner().capture(
                Command(["gpgv"] + options + ["--output", file + ".json", file + ".asc"]))
        } catch CommandError.failed {
            return nil
        }
        // doc/DETAILS of GnuPG: an expired or revoked key has another word than GOODSIG.
        let words = status.split(separator: "\n").map { $0.split(separator: " ") }
        let good = words.filter { $0.count > 1 && $0[1] == "GOODSIG" }
        let valid = words.filter { $0.count > 11 && $0[1] == "VALIDSIG" }
        guard good.count == 1, valid.count == 1 else { return nil }
        return valid[0][11].uppercased()
    }

    /// What is other than it was signed; nil where nothing is.
    private func mismatch(_ text: [UInt8], _ group: SIF.SignedGroup) throws -> String? {
        guard let metadata = Self.metadata(text), metadata.version == 1 else { return "it is not of version 1" }
        guard try matches(metadata.header.digest, { try $0.hexadecimal(of: group.header) }) else {
            return "the header is another one"
        }
        guard Set(metadata.objects.map(\.relativeId)) == Set(group.members.map(\.relativeID)),
            metadata.objects.count == group.members.count
        else { return "there are other objects" }
        for member in group.members {
            guard let signed = metadata.objects.first(where: { $0.relativeId == member.relativeID }) else { continue }
            guard try matches(signed.descriptorDigest, { try $0.hexadecimal(of: member.descriptor) }),
                try matches(signed.objectDigest, { try $0.hexadecimal(ofFile: sif.path, part: member.bytes) })
            else { return "object \(member.relativeID + 1) of the group is another one" }
        }
        return nil
    }

    private static func metadata(_ text: [UInt8]) -> Metadata? {
        do { return try JSON.value(Metadata.self, from: text) } catch { return nil }
    }

    /// Whether `ALGORITHM:HEX` is what `digest` makes.
    private func matches(_ signed: String, _ digest: (DigestAlgorithm) throws -> String) rethrows -> Bool {
        let words = signed.split(separator: ":", maxSplits: 1)
        guard words.count == 2, let algorithm = DigestAlgorithm(rawValue: String(words[0])) else { return false }
        return try digest(algorithm) == words[1].lowercased()
    }
}

/// Why a SIF file is not taken as signed.
enum SIFSignatureError: ReportableError, Equatable {
    /// Nobody signed it.
    case unsigned(path: String)
    /// These keys have not signed it, or are not here.
    case missing(path: String, keys: [String])
    /// It is not what the key signed.
    case mismatch(path: String, key: String, problem: String)

    var exitStatus: ExitStatus { .failed }

    var description: String {
        switch self {
        case .unsigned(let path): "\(path) has no PGP signature; sign it: apptainer sign, or remove Fingerprints:"
        case .missing(let path, let keys):
            "\(path) has no good signature of \(keys.joined(separator: ", ")) with a key that is here; "
                + "import it: gpg --import, or apptainer key pull"
        case .mismatch(let path, let key, let problem):
            "\(path) is not what \(key) signed: \(problem); get it again, or have it signed again"
        }
    }
}
