import NetrootStore
import NetrootSystem
import TestSupport
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

    @Test("A manifest or a configuration that is not what its name says is not read")
    func replacedBlobs() throws {
        let scratch = try ScratchDirectory()
        func put(_ text: String, as name: String? = nil) throws -> String {
            let bytes = Array(text.utf8)
            let digest = try name ?? Digest.of(bytes).text
            try scratch.write("blobs/sha256/\(digest.dropFirst(7))", bytes)
            return digest
        }
        func image(_ digest: String) throws -> ImageLayout {
            try ImageLayout(directory: scratch.path, digest: digest, from: "x")
        }
        let text = #"{"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": []}}"#
        let config = try put(text)
        let manifest = #"{"config": {"digest": "\#(config)"}, "layers": []}"#
        let digest = try put(manifest)
        #expect(try image(digest).layers.isEmpty)
        _ = try put(text.replacing("linux", with: "LINUX"), as: config)
        #expect(throws: ImageLayout.WrongBlob.self) { try image(digest) }
        _ = try put(text)
        _ = try put(manifest + " ", as: digest)
        #expect(throws: ImageLayout.WrongBlob.self) { try image(digest) }
    }

    @Test("A manifest and a configuration that are both damaged heal in one run, and one for good is an error")
    func bothBlobsHeal() async throws {
        var damaged = ["sha256:manifest", "sha256:config"]
        let copied = try await Container.healing(image: "x") {
            if let digest = damaged.first { throw ImageLayout.WrongBlob(digest: digest, path: "/") }
            return true
        } remove: { wrong in
            damaged.removeAll { $0 == wrong.digest }
        }
        #expect(copied && damaged.isEmpty)
        var count = 0
        await #expect(throws: ContainerError.damaged(image: "x", problem: "sha256:a is another file's digest")) {
            try await Container.healing(image: "x") {
                throw ImageLayout.WrongBlob(digest: "sha256:a", path: "/")
            } remove: { _ in
                count += 1
            }
        }
        #expect(count == 1)
    }

    @Test(
        "What is no fault of the network is not called one",
        arguments: [
            ("Get \\\"https://r/v2/\\\": x509: certificate signed by unknown authority", "certificate"),
            ("toomanyrequests: You have reached your pull rate limit", "gives no more for now"),
            ("Get \\\"https://r/v2/\\\": proxyconnect tcp: dial tcp 127.0.0.1:1: connection refused", "http_proxy"),
        ])
    func notTheNetwork(message: String, words: String) throws {
        let error = CommandError.failed(
            argv: ["skopeo"], termination: .exited(1), lastLines: ["level=fatal msg=\"\(message)\""], log: nil)
        let explained = try #require(ContainerError.explained(error, image: "r/a") as? ContainerError)
        #expect(explained.description.contains(words) && explained.exitStatus == .unavailable)
        #expect(!explained.description.contains("check the network"))
    }
}
