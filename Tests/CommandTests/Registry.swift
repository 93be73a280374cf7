import Foundation
import NetrootSystem
import TestSupport
import Testing

/// Debian's docker-registry on a free port of 127.0.0.1, which speaks plain HTTP and keeps what it has in a scratch folder.
final class Registry: Sendable {
    let port: Int
    private let program: RunningProgram
    private let log: String

    /// As an image's name begins.
    var name: String { "127.0.0.1:\(port)" }

    /// - Parameter password: whether it wants the login `user`, `secret`.
    init(_ scratch: Scratch, password: Bool = false) async throws {
        let port = try Listener().port
        self.port = port
        try Files.makeDirectory(scratch.path + "/registry/store")
        var text = """
            version: 0.1
            log: {level: info}
            storage: {filesystem: {rootdirectory: \(scratch.path)/registry/store}}
            http: {addr: 127.0.0.1:\(port)}

            """
        if password {
            // "secret", by htpasswd -B.
            try scratch.write("registry/users", "user:\(Self.bcrypt)\n")
            text += "auth: {htpasswd: {realm: test, path: \(scratch.path)/registry/users}}\n"
        }
        let file = try scratch.write("registry/config.yml", text)
        log = scratch.path + "/registry/log"
        program = try RunningProgram(
            ["sh", "-c", "exec docker-registry serve \"$1\" >\"$2\" 2>&1", "sh", file, log], limit: 120)
        let log = self.log
        let isUp = try await eventually(within: 20) {
            try Files.exists(log) && Files.text(log).contains("listening on")
        }
        guard isUp else { throw TestFailure(try Files.text(log)) }
    }

    private static let bcrypt = "$2b$05$18vSXl/6WLNSaFGEn5vPbup9QT01BD8EHvA.xvSILfrmNS3L/HUHa"

    /// Puts the image `test` of an OCI image layout there.
    func push(_ layout: String, as image: String, login: String? = nil) async throws {
        let credentials = login.map { ["--dest-creds", $0] } ?? []
        expectSuccess(
            try await run(
                ["skopeo", "copy", "--quiet", "--dest-tls-verify=false"] + credentials + [
                    "oci:\(layout):test", "docker://\(name)/\(image)",
                ]))
    }

    /// The blobs that were fetched so far, in order.
    func fetchedBlobs() throws -> [String] {
        try Files.text(log).split(separator: "\n").compactMap { line in
            guard line.contains("\"GET /v2/"), line.contains("\" 200 "), let start = line.firstRange(of: "/blobs/")
            else {
                return nil
            }
            return String(line[start.upperBound...].prefix { $0 != " " })
        }
    }

    /// Ends it.
    func end() async throws {
        program.signal(SIGTERM)
        _ = try await program.outcome()
    }
}
