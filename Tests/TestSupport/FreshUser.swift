import NetrootSystem

/// An ordinary user, made for a test and removed with it. Needs root.
package final class FreshUser: Sendable {
    package let name: String
    package var home: String { scratch.path + "/home" }
    private let scratch: ScratchDirectory

    private init() async throws {
        scratch = try ScratchDirectory(in: .disk)
        name = "nrt" + scratch.path.suffix(6).lowercased()
        try await CommandRunner().run(
            Command(["useradd", "--create-home", "--home-dir", home, "--shell", "/bin/sh", name]))
    }

    /// Makes a user for a while; whatever happens in it, nothing of the user is left.
    package static func with(_ body: (FreshUser) async throws -> Void) async throws {
        let user = try await FreshUser()
        // A test at its time limit is cancelled, and would otherwise leave the user.
        func remove() async throws { try await Task { try await user.remove() }.value }
        do {
            try await body(user)
        } catch {
            try await remove()
            throw error
        }
        try await remove()
    }

    /// The argv that runs a command as the user, with nothing of this process's environment.
    package func argv(_ argv: [String], environment: [String: String] = [:]) -> [String] {
        let own = ["HOME": home, "USER": name, "PATH": "/usr/bin:/bin"].merging(environment) { $1 }
        return ["setpriv", "--reuid", name, "--regid", name, "--init-groups", "--", "env", "-i"]
            + own.map { "\($0.key)=\($0.value)" }.sorted() + argv
    }

    /// Removes the user and the files in the home directory; those of the user's other IDs too.
    private func remove() async throws {
        let userdel = Command(["userdel", name])
        // A process that was killed may not be gone yet.
        for _ in 1...50 {
            do {
                try await CommandRunner().run(userdel)
                return try scratch.remove()
            } catch is CommandError {
                try await Task.sleep(for: .milliseconds(200))
            }
        }
        try await CommandRunner().run(userdel)
        try scratch.remove()
    }
}
