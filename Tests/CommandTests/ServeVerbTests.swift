import Glibc
import NetrootSystem
import TestSupport
import Testing

/// `serve`, on a generation of a few bytes.
@Suite struct ServeVerbTests {
    let scratch: Scratch

    init() async throws {
        scratch = try Scratch()
        try scratch.writeHosts("a")
        try await Fabricated.generation(of: scratch.label("a"))
    }

    /// Waits until a server serves, and ends it.
    private func endWhenServing(_ program: RunningProgram) async throws -> Outcome {
        #expect(try await eventually { program.outputSoFar.contains("export ") })
        #expect(kill(program.pid, SIGTERM) == 0)
        return try await program.outcome()
    }

    @Test("with few descriptors serve says how many it needs, with status 69", arguments: [20, 64, 128])
    func fewDescriptorsAreNamed(limit: Int) async throws {
        let outcome = try await scratch.run(
            "serve", "a", "--port", "0", wrapper: ["prlimit", "--nofile=\(limit):\(limit)", "--"])
        expectError(
            outcome, .unavailable, ["limit of open files is \(limit)", "needs at least 226", "LimitNOFILE=8192"])
    }

    @Test("serve raises its limit of descriptors as far as it may") func theSoftLimitIsRaised() async throws {
        let argv = ["prlimit", "--nofile=64:4096", "--"] + scratch.netroot(["serve", "a", "--port", "0"])
        let outcome = try await endWhenServing(try RunningProgram(argv, folder: scratch.path))
        #expect(outcome.output.contains("serving a on 127.0.0.1"))
    }

    @Test("options that no server can have are refused")
    func optionsAreChecked() async throws {
        for (option, value) in [("--reply-memory", "3"), ("--connections-per-client", "0")] {
            let outcome = try await scratch.run("serve", "a", "--port", "0", option, value)
            #expect(outcome.status == ExitStatus.usage.rawValue && outcome.output.isEmpty)
            #expect(outcome.errors.contains("\(option) \(value) is not between"))
        }
    }

    /// libdispatch tells the system's log of each thread that must not have the priority that it asks for.
    @Test(
        "without the right to raise priorities, serve says nothing of it in the system's log",
        .enabled(if: getuid() == 0, "mounts"))
    func theSystemsLogStaysEmpty() async throws {
        let log = try DatagramSocket(scratch.path + "/log")
        let script = """
            mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9 &&
            touch /dev/log && mount --bind "$1" /dev/log && shift &&
            exec setpriv --bounding-set -sys_nice --inh-caps -sys_nice -- "$@"
            """
        let argv =
            ["unshare", "--mount", "sh", "-c", script, "sh", log.path]
            + scratch.netroot(["serve", "a", "--port", "0"])
        let outcome = try await endWhenServing(try RunningProgram(argv, folder: scratch.path))
        #expect(outcome.output.contains("serving a on 127.0.0.1"))
        #expect(!(outcome.output + outcome.errors).contains("priority"))
        #expect(log.message() == nil)
        // It would hear of something.
        let said = try await run(["unshare", "--mount", "sh", "-c", script, "sh", log.path, "logger", "heard"])
        expectSuccess(said)
        #expect(log.message()?.contains("heard") == true)
    }
}

/// A datagram socket at a path, as `/dev/log` is one.
private final class DatagramSocket {
    let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = try SystemError.check("open", path, socket(AF_UNIX, type, 0))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8).prefix($0.count - 1)) }
        let descriptor = descriptor
        try withUnsafePointer(to: &address) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = try SystemError.check(
                    "bind", path, bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)))
            }
        }
    }

    deinit { close(descriptor) }

    /// What has come, oldest first; nil for nothing.
    func message() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
