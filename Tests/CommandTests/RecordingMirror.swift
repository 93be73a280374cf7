import Foundation
import Glibc
import NetrootSystem
import Synchronization
import TestSupport

/// A package mirror on 127.0.0.1 that fetches from Debian's or serves a folder, and records what it is asked for.
///
/// HTTP/1.1 as apt, dnf and zypper speak it: GET and HEAD with keep-alive and pipelining (RFC 9112). One thread a
/// connection, which answers in order.
final class RecordingMirror: Sendable {
    private let listener: Listener
    private let seen = Mutex<[String]>([])

    /// For `MirrorURL:` of a recipe for Debian.
    var url: String { folderURL + "/debian" }

    /// The URL of the folder that is served.
    var folderURL: String { "http://127.0.0.1:\(listener.port)" }

    /// The paths that were asked for since the last call.
    func takeRequests() -> [String] {
        seen.withLock { paths in
            defer { paths = [] }
            return paths
        }
    }

    /// The host that this machine's own apt takes Debian from.
    static func upstream() throws -> String {
        let apt = Process()
        apt.executableURL = URL(fileURLWithPath: "/usr/bin/apt-get")
        apt.arguments = ["indextargets", "--format", "$(SITE)", "Created-By: Packages"]
        let output = Pipe()
        apt.standardOutput = output
        try apt.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        apt.waitUntilExit()
        guard let site = text.firstMatch(of: /http:\/\/([^\/\s]+)\/debian\n/)?.output.1 else {
            throw TestFailure("apt's sources name no mirror of Debian by plain HTTP: \(text)")
        }
        return String(site)
    }

    /// What a path is answered with, with a head; it sees the request's head too.
    private typealias Answer = @Sendable (_ path: String, _ head: String) -> [UInt8]?

    /// The cache knows a mirror by its URL: the next run of the tests finds what this one has fetched.
    private static let usualPort: UInt16 = 18657

    /// Fetches from Debian's mirror.
    convenience init() throws {
        let upstream = try Self.upstream()
        try self.init(port: Self.usualPort) { path, _ in Self.fetch(path, from: upstream) }
    }

    /// Serves the files of a folder.
    /// - Parameter login: `USER:PASSWORD`, which every request has to bring (RFC 7617).
    convenience init(serving folder: String, login: String? = nil) throws {
        let wanted = login.map { "Authorization: Basic " + Data($0.utf8).base64EncodedString() + "\r\n" }
        try self.init { path, head in
            if let wanted, !head.contains(wanted) {
                return Array(
                    "HTTP/1.1 401 who is it\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n".utf8)
            }
            guard let bytes = try? Files.read(folder + path) else {
                return Array("HTTP/1.1 404 not there\r\nContent-Length: 0\r\n\r\n".utf8)
            }
            return Array("HTTP/1.1 200 here\r\nContent-Length: \(bytes.count)\r\n\r\n".utf8) + bytes
        }
    }

    private init(port: UInt16 = 0, _ answer: @escaping Answer) throws {
        listener = try Listener(port: port)
        signal(SIGPIPE, SIG_IGN)
        let socket = listener.descriptor
        let record: @Sendable (String) -> Void = { [self] path in seen.withLock { $0.append(path) } }
        Thread.detachNewThread {
            while true {
                let client = accept(socket, nil, nil)
                if client < 0 { return }
                _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                Thread.detachNewThread {
                    Self.serve(client, answer, record)
                    close(client)
                }
            }
        }
    }

    private static func serve(_ client: Int32, _ answer: Answer, _ record: (String) -> Void) {
        var pending: [UInt8] = []
        while let request = nextRequest(client, &pending) {
            let words = request.split(separator: " ")
            guard words.count > 1, words[0] == "GET" || words[0] == "HEAD" else { return }
            let path = String(words[1])
            if words[0] == "GET" { record(path) }
            guard var bytes = answer(path, request + "\r\n") else { return }
            if words[0] == "HEAD", let head = bytes.firstRange(of: Array("\r\n\r\n".utf8)) {
                bytes = Array(bytes[..<head.upperBound])
            }
            guard send(client, bytes) else { return }
        }
    }

    /// The next request's head; nil at the end.
    private static func nextRequest(_ client: Int32, _ pending: inout [UInt8]) -> String? {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let range = pending.firstRange(of: end) {
                let head = String(decoding: pending[..<range.lowerBound], as: UTF8.self)
                pending = Array(pending[range.upperBound...])
                return head
            }
            guard let more = receive(client), !more.isEmpty else { return nil }
            pending += more
        }
    }

    private static func receive(_ socket: Int32) -> [UInt8]? {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = read(socket, &chunk, chunk.count)
        return count < 0 ? nil : Array(chunk[..<count])
    }

    private static func send(_ socket: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(socket, $0.baseAddress, $0.count) }
            if count <= 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Debian's answer, with a head of our own.
    private static func fetch(_ path: String, from host: String) -> [UInt8]? {
        guard let upstream = connected(to: host) else { return nil }
        defer { close(upstream) }
        let request = "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n"
        guard send(upstream, Array(request.utf8)) else { return nil }
        var answer: [UInt8] = []
        while let more = receive(upstream), !more.isEmpty { answer += more }
        guard let range = answer.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let status = String(decoding: answer[..<range.lowerBound], as: UTF8.self).split(separator: " ")
        guard status.count > 1 else { return nil }
        let body = answer[range.upperBound...]
        if String(decoding: answer[..<range.lowerBound], as: UTF8.self).lowercased().contains("transfer-encoding") {
            return nil
        }
        return Array("HTTP/1.1 \(status[1]) from Debian\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body
    }

    private static func connected(to host: String) -> Int32? {
        var hints = addrinfo()
        hints.ai_family = AF_INET
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "80", &hints, &found) == 0, let address = found else { return nil }
        defer { freeaddrinfo(found) }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        if connect(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0 { return descriptor }
        close(descriptor)
        return nil
    }
}
