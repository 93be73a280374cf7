import Glibc
import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// What `dnf` and `zypper` share: a place of their own to work in, the database of packages, what rpm says of scriptlets.
struct RPM: Sendable {
    /// The agents' part of the recipe's header.
    let source: AgentHeader.RPMSource
    let place: AgentPlace

    static let tool = Tool("rpm", package: "rpm")

    /// The tools' HOME: rpm takes its macros from it, and writes nothing of the caller's.
    var home: String { place.scratch + "/rpm" }
    /// A directory for logs of the tools' own.
    var logs: String { home + "/log" }
    /// A directory without files, for what the tools would take from the host.
    var empty: String { home + "/empty" }

    /// Whether signatures of this repository are checked.
    func isChecked(_ repository: AgentHeader.RPMSource.Repository) -> Bool {
        repository.isChecked && !place.allows.unsigned
    }

    /// Refuses to begin without a key to check with.
    /// - Throws: `BuildError.noKey`.
    static func check(_ source: AgentHeader.RPMSource, _ allows: Allowances) throws {
        guard source.keys.isEmpty, !allows.unsigned,
            let repository = source.repositories.first(where: \.isChecked)
        else { return }
        throw BuildError.noKey(repository: withoutCredentials(repository.url))
    }

    /// Makes the directories, and lays netroot's part into the root: the kernel package's hooks run at the end of the
    /// transaction.
    /// - Throws: `RootPathError`, `SystemError`.
    func prepare() throws {
        for directory in [home, logs, empty] { try Files.makeDirectory(directory, mode: 0o700) }
        try Files.replace(home + "/.rpmmacros", with: Array(Self.macros.utf8))
        try place.customise?.beforePackages()
        try RootTree(directory: place.root).write(Self.buildMark, "")
    }

    /// SUSE's kernel hooks make no initramfs, and look for no boot loader, where this file is: they take the root for a
    /// build root (suse-module-tools, regenerate-initrd-posttrans).
    static let buildMark = ".buildenv"

    /// Takes out of the root what belongs to the installation only, and puts the database where the root's rpm has it.
    /// - Parameter directories: the host's that the tool was given.
    /// - Throws: `RootPathError`, `CommandError`, `SystemError`.
    func finish(_ directories: [String]) async throws {
        try RootTree(directory: place.root).remove(Self.buildMark)
        try await removeTraces([home] + directories)
        try settleDatabase()
    }

    /// Debian's rpm keeps its database in the home directory; what is mounted while packages are installed is left alone.
    static let macros = """
        %_dbpath /\(database)
        %_netsharedpath /dev:/proc:/sys:/run

        """

    /// A command with the root's `/proc /sys /run /dev` mounted; it runs outside of the root, which it fills.
    func command(_ argv: [String], environment: [String: String] = [:]) -> Command {
        Command(
            [place.shipped.libexec + "/enter-root", "--outside", place.root] + argv,
            environment: environment.merging(["HOME": home]) { $1 }
        ).contained
    }

    /// Runs the tool that installs.
    /// - Parameter mayFail: exit statuses that only say that a scriptlet failed.
    /// - Throws: `BuildError`, `CommandError`, `SystemError`.
    func install(_ command: Command, mayFail: Set<Int32> = []) async throws {
        let start = try place.runner.logSize()
        do {
            try await place.runner.run(command)
        } catch let error as CommandError {
            guard case .failed(_, let termination, _, _) = error else { throw error }
            let output = try place.runner.logText(from: start)
            try judgeScriptlets(output)
            if case .exited(let status) = termination, mayFail.contains(status),
                !Scriptlet.failures(in: output).isEmpty
            {
                return
            }
            switch Self.explained(withoutCredentials(output)) {
            case .unknownPackage(let name)? where !source.include.contains(name):
                throw BuildError.wrongMirror(name: name)
            case let reason?: throw reason
            case nil: throw error
            }
        }
        try judgeScriptlets(try place.runner.logText(from: start))
    }

    /// A scriptlet that fails leaves its package half set up, and the tools say "Complete!" all the same.
    private func judgeScriptlets(_ output: String) throws {
        for failure in Scriptlet.failures(in: output) {
            guard failure.isHarmless else {
                throw BuildError.scriptletFailed(
                    package: failure.package, scriptlet: failure.name, reason: failure.reason)
            }
            place.progress.note(
                "\(failure.name) of \(failure.package) failed (\(failure.reason)): it prepares a boot from disk")
        }
    }

    /// A name for a directory of the cache. Neither tool checks again the metadata that it has, so what was checked by other
    /// keys, or not at all, is kept apart.
    /// - Parameter more: what else must be the same.
    /// - Throws: `DigestError`, `SystemError`.
    func cacheName(keys: [String], _ more: [String]) throws -> String {
        let checks = source.repositories.map { "\($0.id) \(isChecked($0))" }
        var bytes = Array((checks + more).joined(separator: "\n").utf8)
        for key in keys { bytes += [0] + (try Files.read(key)) }
        return String(try Digest.of(bytes).hexadecimal.prefix(16))
    }

    static let lockTool = Tool("flock", package: "util-linux")

    /// What goes before a tool that fills a directory of the cache, one build at a time: their own locks name a process by its
    /// number, and each build has numbers of its own. Without a fork the tool stays the first process.
    static func alone(in cache: String) -> [String] { ["flock", "--no-fork", cache + "/.lock"] }

    /// The manifest's entry.
    func account(agent: String) -> Manifest.Bootstrap {
        let unsigned = source.repositories.filter { !isChecked($0) }.map { Self.withoutCredentials($0.url) }
        return Manifest.Bootstrap(
            agent: agent, from: source.repositories.first.map { Self.withoutCredentials($0.url) },
            unsigned: unsigned.isEmpty ? nil : unsigned)
    }

    /// A text without the users and passwords of the repositories' URLs, which the tools print.
    private func withoutCredentials(_ text: String) -> String {
        source.repositories.map(\.url).filter { Self.withoutCredentials($0) != $0 }.reduce(text) { text, url in
            let authority = url[(url.firstRange(of: "://")?.upperBound ?? url.startIndex)...].prefix { $0 != "/" }
            return text.replacing(
                authority.prefix(through: authority.lastIndex(of: "@") ?? authority.startIndex), with: "")
        }
    }

    /// A URL without the user and the password in it.
    static func withoutCredentials(_ url: String) -> String { MirrorAddress(url).url }

    /// The machine's architecture as rpm has it (uname(2)).
    static func architecture() -> String {
        var names = utsname()
        uname(&names)
        return withUnsafeBytes(of: names.machine) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}

extension RPM {
    /// Where the database is while packages are installed, in the root: where Fedora since 36 and SUSE have it.
    static let database = "usr/lib/sysimage/rpm"
    /// Where it is in a root: the newer place, and that of CentOS Stream 9 and its kin.
    static let databases = [database, "var/lib/rpm"]

    /// The directory of the root's database; nil where it has none.
    static func database(in tree: RootTree) throws -> String? {
        let names = ["rpmdb.sqlite", "Packages.db", "Packages"]
        return try databases.first { directory in try names.contains { try tree.contains("\(directory)/\($0)") } }
    }

    /// Removes what the tools wrote below the root by the paths of the host's directories that they were given: lists of
    /// expired repositories, what zypper knows of the root. The directories above go too, but for those of packages.
    /// - Throws: `RootPathError`, `CommandError`, `SystemError`.
    private func removeTraces(_ paths: [String]) async throws {
        let tree = RootTree(directory: place.root)
        for path in paths {
            let trace = try tree.resolve(path)
            guard trace != tree.directory else { continue }
            try Files.removeTree(trace)
            var inside = path[...]
            while let slash = inside.lastIndex(of: "/"), slash != inside.startIndex {
                inside = inside[..<slash]
                let directory = try tree.resolve(String(inside))
                guard Files.isDirectory(directory) else { continue }
                guard try Files.names(in: directory).isEmpty, !(try await isOwned(String(inside))) else { break }
                guard rmdir(directory) == 0 else { throw SystemError("remove", directory, code: errno) }
            }
        }
    }

    /// Whether a path in the root belongs to a package.
    private func isOwned(_ path: String) async throws -> Bool {
        do {
            _ = try await CommandRunner().capture(
                Command(["rpm", "--root", place.root, "--query", "--file", path], environment: ["HOME": home]))
            return true
        } catch CommandError.failed(_, .exited(1), _, _) {
            return false
        }
    }

    /// Moves the database to where the root's own rpm looks for it.
    /// - Throws: `RootPathError`, `SystemError`.
    private func settleDatabase() throws {
        let tree = RootTree(directory: place.root)
        guard try tree.contains("usr/lib/rpm/macros"),
            let wanted = Self.databasePath(inMacros: try tree.text("usr/lib/rpm/macros"))
        else { return }
        let from = try tree.resolve(Self.database)
        let to = try tree.resolve(wanted)
        guard from != to, Files.exists(from) else { return }
        try tree.makeDirectory(wanted)
        for name in try Files.names(in: from) { try Files.move("\(from)/\(name)", to: "\(to)/\(name)") }
        guard rmdir(from) == 0 else { throw SystemError("remove", from, code: errno) }
    }

    /// The value of `%_dbpath` in rpm's own macro file.
    static func databasePath(inMacros text: String) -> String? {
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count == 2, words[0] == "%_dbpath" else { continue }
            let path = words[1].replacing("%{_var}", with: "/var").replacing("%{_usr}", with: "/usr")
            return path.contains("%") ? nil : String(path)
        }
        return nil
    }
}

extension RPM {
    /// A scriptlet of a package that failed.
    struct Scriptlet: Sendable, Equatable {
        /// `%post`, `%posttrans`, `%transfiletriggerin`.
        let name: String
        /// With version and architecture.
        let package: String
        /// `exit status 3`, `signal 9`.
        let reason: String

        /// The words of librpm, `warning: %post(NAME) scriptlet failed, exit status 1` and
        /// `error: lua script failed: [string "%post(NAME)"]:1: words`; and of libzypp for `%posttrans`, which it runs
        /// itself: `Warning: NAME.rpm %posttrans script failed (returned 1)`.
        static func failures(in output: String) -> [Scriptlet] {
            var found: [Scriptlet] = []
            for line in output.split(whereSeparator: \.isNewline) {
                if let end = line.firstRange(of: ") scriptlet failed, "),
                    let open = line[..<end.lowerBound].lastIndex(of: "("),
                    let percent = line[..<open].lastIndex(of: "%")
                {
                    found.append(
                        Scriptlet(
                            name: String(line[percent..<open]),
                            package: String(line[line.index(after: open)..<end.lowerBound]),
                            reason: String(line[end.upperBound...])))
                } else if let start = line.firstRange(of: "lua script failed: [string \"%"),
                    let open = line[start.upperBound...].firstIndex(of: "("),
                    let end = line[open...].firstRange(of: ")\"]:")
                {
                    found.append(
                        Scriptlet(
                            name: "%" + line[start.upperBound..<open],
                            package: String(line[line.index(after: open)..<end.lowerBound]),
                            reason: String(line[end.upperBound...].prefix(200))))
                } else if let end = line.firstRange(of: " script failed (") {
                    let words = line[..<end.lowerBound].split(separator: " ")
                    guard words.count >= 2, let name = words.last, name.hasPrefix("%") else { continue }
                    let package = words[words.count - 2]
                    found.append(
                        Scriptlet(
                            name: String(name),
                            package: String(package.hasSuffix(".rpm") ? package.dropLast(4) : package),
                            reason: String(line[end.upperBound...].prefix { $0 != ")" })))
                }
            }
            var seen: Set<String> = []
            return found.filter { seen.insert($0.name + $0.package).inserted }
        }

        /// Boot loaders and kernels prepare a boot from this root's own disk, which there is none of; the packages' files are
        /// whole by then.
        var isHarmless: Bool {
            guard ["%post", "%posttrans"].contains(name) else { return false }
            // NAME-VERSION-RELEASE.ARCHITECTURE
            let parts = package.split(separator: "-")
            let plain = parts.dropLast(2).joined(separator: "-")
            return plain == "kernel" || ["kernel-", "grub2", "shim", "systemd-boot"].contains { plain.hasPrefix($0) }
        }
    }

    /// The reason in the words of dnf or zypper, where it is one that a user can act on.
    static func explained(_ output: String) -> BuildError? {
        let lines = output.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }
            // zypper goes on: that was not the reason.
            .filter { !$0.contains(", continuing") }
        // The signs in order: the first says most.
        func first(_ signs: [String]) -> String? {
            for sign in signs {
                if let line = lines.first(where: { $0.contains(sign) }) { return String(line.prefix(300)) }
            }
            return nil
        }
        // What did not come says more than what is therefore missing.
        let fault = lines.lazy.compactMap { line in
            MirrorFault.ofCurl(String(line)).map { BuildError.mirror($0, reason: String(line.prefix(300))) }
        }.first
        let isIncomplete =
            first(["Skipping repository", "Failed to download metadata", "Error downloading packages"]) != nil
        if isIncomplete, let fault { return fault }
        if let reason = first(untrusted) { return .unsigned(reason: reason) }
        // zypper goes on without a repository, and then misses its packages.
        if first(["Skipping repository", "Failed to download metadata"]) != nil, let reason = first(unreachable) {
            return .noNetwork(detail: reason)
        }
        for line in lines {
            for (before, after) in [("No match for argument: ", ""), ("No provider of '", "' found.")] {
                guard let range = line.firstRange(of: before) else { continue }
                let rest = line[range.upperBound...]
                let end = after.isEmpty ? rest.endIndex : rest.firstRange(of: after)?.lowerBound ?? rest.endIndex
                return .unknownPackage(name: String(rest[..<end]))
            }
        }
        if let fault { return fault }
        if let reason = first(changed) { return .mirror(.changed, reason: reason) }
        if let reason = first(failures) { return .bootstrapFailed(reason: reason) }
        if let reason = first(unreachable) { return .noNetwork(detail: reason) }
        return first(["Error: ", "Problem: "]).map { .bootstrapFailed(reason: $0) }
    }

    private static let untrusted = [
        " is not signed", "Public key for ", "Signature verification failed", "signed with an unknown key",
        "signed with unknown key", "is unsigned", "GPG check FAILED", "Bad GPG signature",
        "GPG signature verification error",
    ]
    private static let unreachable = [
        "Curl error (", "Status code: ", "Error message: ", "Timeout exceeded when accessing",
        "Valid metadata not found at specified URL", "Cannot download repomd.xml", "Failed to download metadata",
    ]
    private static let failures = [
        "nothing provides ", " conflicts with ", "conflicting requests", "more space needed on",
    ]
    private static let changed = ["checksum doesn't match", "Digest verification failed", "wrong checksum"]
}
