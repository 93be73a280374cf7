import Glibc
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootRun

/// Asking a real sshd for a login by password.
@Suite struct PasswordCheckTests {
    private let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    @Test(
        arguments: [
            ("PasswordAuthentication yes\nKbdInteractiveAuthentication no\n", false, "publickey, password"),
            ("PasswordAuthentication no\nKbdInteractiveAuthentication yes\n", false, "publickey, keyboard-interactive"),
            ("PasswordAuthentication no\nKbdInteractiveAuthentication no\n", true, "publickey"),
        ])
    func whatSSHDOffers(settings: String, isRefused: Bool, methods: String) async throws {
        try #require(geteuid() == 0, "a directory of its own at /run needs root")
        try #require(Files.exists("/usr/sbin/sshd"), "the package openssh-server is missing")
        let port = try Self.freePort()
        let login = GuestLogin(key: scratch.path + "/key", port: port)
        _ = try await login.makeKey()
        let host = scratch.path + "/host"
        try await CommandRunner().run(Command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host]))
        let config = try scratch.write(
            "sshd_config",
            "ListenAddress 127.0.0.1:\(port)\nHostKey \(host)\nPidFile none\nUsePAM yes\nPermitRootLogin yes\n"
                + settings)
        let script = "mount -t tmpfs -o mode=755 tmpfs /run && mkdir -m 755 /run/sshd && exec \"$@\""
        let sshd = Daemon(
            Command(
                ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"]
                    + ["/usr/sbin/sshd", "-D", "-e", "-f", config]),
            name: "sshd", log: scratch.path + "/sshd.log")
        let check: BootCheck
        do {
            check = try await login.passwordCheck(user: "root")
        } catch {
            await sshd.stop()
            throw error
        }
        await sshd.stop()
        #expect(check == BootCheck(name: "passwordRefused", passed: isRefused, detail: "sshd offers \(methods)"))
    }

    /// One that nothing listens at; it may be taken until sshd does.
    private static func freePort() throws -> Int {
        let socket = try SystemError.check("open", "a socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try SystemError.check("bind", "127.0.0.1", bind(socket, $0, size))
                try SystemError.check("read the port of", "127.0.0.1", getsockname(socket, $0, &size))
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
