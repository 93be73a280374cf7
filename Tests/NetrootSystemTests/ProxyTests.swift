import TestSupport
import Testing

@testable import NetrootSystem

@Suite struct ProxyTests {
    @Test(
        "The credentials of a proxy's URL are found",
        arguments: [
            (
                "http://user:longpassword@proxy.example.org:3128",
                ["user:longpassword@", "user:longpassword", "longpassword"]
            ),
            ("user:longpassword@proxy.example.org", ["user:longpassword@", "user:longpassword", "longpassword"]),
            ("http://u:p@x/", ["u:p@"]), ("https://u:p@q/r@x:1/", ["u:p@q/r@"]), ("http://token@x", ["token@"]),
            ("http://proxy.example.org:3128", []), ("localhost,.example.org", []), ("http://@x", []),
        ])
    func credentials(value: String, expected: [String]) {
        #expect(ProxyVariables.credentials(in: [value]) == expected)
    }

    @Test("What a log must not hold is covered in place, wherever it lies", arguments: [4, 7, 64])
    func mask(window: Int) throws {
        let scratch = try ScratchDirectory()
        let log = scratch.path + "/log"
        let text = "secret: before\n+ curl -x http://u:secret@x\nu:secretu:secret@@ secre secret"
        try Files.replace(log, with: Array(text.utf8))
        try LogMask(["u:secret@", "secret"]).cover(log, from: 15, window: window)
        // The longer one first: the rest of it would still tell the name.
        let result = try Files.text(log)
        #expect(result.utf8.count == text.utf8.count && !result.dropFirst(15).contains("secret@"))
        #expect(result.hasPrefix("secret: before\n+ curl -x http://*********x\nu:******"), "\(result)")
        #expect(result.hasSuffix("@ secre ******"))
    }

    @Test("A log without secrets is not touched")
    func noSecrets() throws {
        try LogMask([]).cover("/nonexistent", from: 0)
    }

    @Test("A command that does not inherit the environment has nothing but its own")
    func ownEnvironment() async throws {
        var command = Command(["env"], environment: ["PATH": "/usr/bin:/bin", "A": "b c"])
        command.inheritsEnvironment = false
        #expect(
            try await CommandRunner().capture(command).split(separator: "\n").sorted() == [
                "A=b c", "PATH=/usr/bin:/bin",
            ])
        let contained = command.contained
        #expect(contained.environment == command.environment && !contained.inheritsEnvironment)
    }
}
