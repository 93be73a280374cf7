import Glibc
import SystemPackage

/// A user namespace (user_namespaces(7)) in which this program runs again as root, without being it outside: uid 0 is the
/// caller, and 1 to 65535 are the IDs that /etc/subuid and /etc/subgid give him.
public enum UserNamespace {
    /// The IDs that the files of a distribution have, besides root's: up to nobody, 65534.
    static let neededIDs = 65534

    private static let tools = [
        Tool("unshare", package: "util-linux"), Tool("newuidmap", package: "uidmap"),
        Tool("newgidmap", package: "uidmap"),
    ]
    /// util-linux 2.38 or later: `--map-auto`.
    private static let unshare = ["unshare", "--user", "--map-root-user", "--map-auto", "--"]

    /// How many users this process can tell apart: less than all in a user namespace of its own.
    /// - Throws: `SystemError`.
    public static func users() throws -> Int {
        users(in: try Files.text("/proc/self/uid_map"))
    }

    /// The sum of the last column of a map.
    private static func users(in map: String) -> Int {
        map.split(separator: "\n").reduce(0) { sum, line in
            sum + (line.split(separator: " ").last.flatMap { Int($0) } ?? 0)
        }
    }

    /// Whether this process is in a user namespace with a mapping of its own.
    /// - Throws: `SystemError`.
    public static func isEntered() throws -> Bool { try users() < Int(UInt32.max) }

    /// Replaces this process by the same program with the same arguments in a new user namespace.
    /// - Parameters:
    ///   - environment: variables to add.
    ///   - handing: what only that process is to know, for `handed()` there; at most 4,096 bytes.
    /// - Throws: `MissingError`, `UserNamespaceError` where the machine does not allow it, `SystemError`.
    public static func reenter(environment: [String: String], handing: [UInt8]? = nil) async throws -> Never {
        try Tool.require(tools)
        try await probe()
        guard let program = try Files.linkTarget("/proc/self/exe"), let unshare = tools[0].path else {
            throw SystemError("read", "/proc/self/exe", code: ENOENT)
        }
        for (name, value) in environment { setenv(name, value, 1) }
        if let handing { try hand(handing) }
        let argv = Self.unshare + [program] + CommandLine.arguments.dropFirst()
        var pointers: [UnsafeMutablePointer<CChar>?] = argv.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        execv(unshare, &pointers)
        throw SystemError("run", unshare, code: errno)
    }

    private static let handedVariable = "NETROOT_HANDED"

    /// Through a pipe: environment and arguments of a process are seen by others.
    private static func hand(_ bytes: [UInt8]) throws {
        var ends: [Int32] = [-1, -1]
        try SystemError.check("make", "a pipe", pipe(&ends))
        defer { close(ends[1]) }
        let (reading, writing) = (FileDescriptor(rawValue: ends[0]), FileDescriptor(rawValue: ends[1]))
        // It fits into the pipe: nobody reads yet.
        try SystemError.wrap("write", "a pipe") { _ = try writing.writeAll(bytes) }
        setenv(handedVariable, "\(reading.rawValue)", 1)
    }

    /// What the process that entered this namespace handed over; nil where it handed nothing, or it was asked for already.
    /// - Throws: `SystemError`.
    public static func handed() throws -> [UInt8]? {
        guard let number = getenv(handedVariable).flatMap({ Int32(String(cString: $0)) }) else { return nil }
        unsetenv(handedVariable)
        defer { close(number) }
        return try SystemError.wrap("read", "what was handed over") {
            try Files.read(FileDescriptor(rawValue: number), limit: 4096)
        }
    }

    /// Tries it on a program that shows what it was given.
    private static func probe() async throws {
        let shown: String
        do {
            // By itself first: where a namespace is refused, the process that was to map the IDs waits for ever
            // (util-linux 2.38).
            _ = try await CommandRunner().capture(Command(["unshare", "--user", "--", "true"]))
            shown = try await CommandRunner().capture(Command(unshare + ["cat", "/proc/self/uid_map"]))
        } catch let error as CommandError {
            throw UserNamespaceError(reason: error.lastLines.last ?? error.description, settings: settings())
        }
        let mapped = users(in: shown)
        guard mapped > neededIDs else {
            throw UserNamespaceError(
                reason: "only \(mapped) IDs are mapped, \(neededIDs + 1) are needed", settings: settings())
        }
    }

    /// What on this machine stands against it, each with the command that changes it.
    private static func settings() -> [String] {
        let user = getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } ?? "\(getuid())"
        return UserNamespaceError.settings(
            user: user,
            read: { path in
                do { return try Files.text(path) } catch { return nil }
            })
    }
}

/// Why no user namespace can be made.
public struct UserNamespaceError: ReportableError, Equatable {
    /// In the words of unshare(1) or newuidmap(1).
    public let reason: String
    /// What stands against it, each with what changes it; empty where none is known.
    public let settings: [String]

    /// Always `.unavailable`.
    public var exitStatus: ExitStatus { .unavailable }

    /// What, why, and what to do.
    public var description: String {
        let steps = settings.isEmpty ? ["run it with sudo"] : settings + ["or run it with sudo"]
        return "no user namespace to build in without root: \(reason)\n" + steps.joined(separator: "; ")
    }

    /// The settings that keep a user from having one: sysctl(8), subuid(5).
    /// - Parameter read: the text of a file; nil where it is not there.
    static func settings(user: String, read: (String) -> String?) -> [String] {
        func number(_ name: String) -> Int? {
            read("/proc/sys/" + name.replacing(".", with: "/")).flatMap { Int($0.filter { !$0.isWhitespace }) }
        }
        var settings: [String] = []
        if number("kernel.unprivileged_userns_clone") == 0 {
            settings.append(
                "sysctl kernel.unprivileged_userns_clone is 0: sysctl -w kernel.unprivileged_userns_clone=1")
        }
        if number("user.max_user_namespaces") == 0 {
            settings.append("sysctl user.max_user_namespaces is 0: sysctl -w user.max_user_namespaces=15000")
        }
        if number("kernel.apparmor_restrict_unprivileged_userns") == 1 {
            settings.append(
                "sysctl kernel.apparmor_restrict_unprivileged_userns is 1: set it to 0, or give netroot a profile")
        }
        for (file, option) in [("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")] {
            let ranges = (read(file) ?? "").split(separator: "\n").compactMap { line -> Int? in
                let fields = line.split(separator: ":", omittingEmptySubsequences: false)
                return fields.count == 3 && fields[0] == user ? Int(fields[2]) : nil
            }
            guard ranges.reduce(0, +) < UserNamespace.neededIDs else { continue }
            settings.append(
                "\(file) gives \(user) \(ranges.isEmpty ? "no IDs" : "\(ranges.reduce(0, +)) IDs"): "
                    + "usermod \(option) 100000-165535 \(user), a range that nobody else has")
        }
        return settings
    }
}
