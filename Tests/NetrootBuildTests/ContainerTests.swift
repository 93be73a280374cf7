import NetrootStore
import NetrootSystem
import Testing

@testable import NetrootBuild

@Suite struct ContainerTests {
    /// Lines that skopeo 1.9.3 printed, and what they are to a user.
    @Test(arguments: [
        (
            #"initializing source docker://x.example.org/a:1: reading manifest 1 in x.example.org/a: manifest unknown: manifest unknown"#,
            NetrootSystem.ExitStatus.failed, "there is no image"
        ),
        (
            #"pinging container registry x.example.org: Get \"https://x.example.org/v2/\": dial tcp 127.0.0.1:443: connect: connection refused"#,
            .unavailable, "cannot be reached"
        ),
        (
            #"pinging container registry x.example.org: Get \"https://x.example.org/v2/\": dial tcp: lookup x.example.org: no such host"#,
            .unavailable, "cannot be reached"
        ),
        (
            #"pinging container registry x.example.org: Get \"https://x.example.org/v2/\": http: server gave HTTP response to HTTPS client"#,
            .unavailable, "location = \"x.example.org\" insecure = true"
        ),
        (
            #"reading manifest 1 in docker.io/library/a: errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required"#,
            .failed, "skopeo login"
        ),
        (
            #"initializing source oci:source:nix: no descriptor found for reference \"nix\""#, .failed,
            "there is no image"
        ),
        (
            #"writing blob: happened during read: Digest did not match, expected sha256:1, got sha256:2"#, .failed,
            "fetch or"
        ),
        (#"something that nobody has seen"#, .failed, "skopeo cannot copy"),
    ])
    func reasonsOfSkopeo(message: String, status: NetrootSystem.ExitStatus, expected: String) throws {
        let error = CommandError.failed(
            argv: ["skopeo"], termination: .exited(1),
            lastLines: ["Copying", "time=\"2026-11-21T09:14:04Z\" level=fatal msg=\"\(message)\""], log: "log")
        let explained = ContainerError.explained(error, image: "x.example.org/a:1")
        let reportable = try #require(explained as? ContainerError)
        #expect(reportable.exitStatus == status)
        #expect(reportable.description.contains(expected), "\(reportable)")
        #expect(reportable.description.split(separator: "\n").count <= 2)
    }

    @Test func aReasonThatIsNone() {
        let error = CommandError.failed(argv: ["skopeo"], termination: .signaled(9), lastLines: ["x"], log: nil)
        #expect(ContainerError.explained(error, image: "a") as? CommandError == error)
    }
}
