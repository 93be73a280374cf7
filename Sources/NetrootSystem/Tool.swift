import Glibc

/// A program that a verb needs, and the Debian package that brings it.
public struct Tool: Sendable, Hashable {
    /// The program's name.
    public let name: String
    /// The Debian package that brings it.
    public let package: String

    /// A program by name; whether it is there, `path` and `require` say.
    public init(_ name: String, package: String) {
        self.name = name
        self.package = package
    }

    /// Its path in PATH and the system directories, or nil.
    public var path: String? {
        for directory in CommandRunner.searchPath.split(separator: ":") {
            let candidate = "\(directory)/\(name)"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        return nil
    }

    /// Checks that every tool is there, before anything is changed.
    /// - Throws: `MissingError` with all that are missing.
    public static func require(_ tools: [Tool]) throws {
        let missing = tools.filter { $0.path == nil }
        guard missing.isEmpty else {
            throw MissingError(
                things: missing.map(\.name), packages: missing.map(\.package).removingDuplicates())
        }
    }

    /// Checks that a file which a package brings is there.
    /// - Throws: `MissingError`.
    public static func require(file: String, package: String) throws {
        guard access(file, R_OK) == 0 else { throw MissingError(things: [file], packages: [package]) }
    }
}

/// Programs or files that are not installed.
public struct MissingError: ReportableError, Equatable {
    /// What is missing.
    public let things: [String]
    /// What brings it.
    public let remedy: String

    /// Things and the Debian packages that bring them.
    public init(things: [String], packages: [String]) {
        self.things = things
        remedy = "apt-get install \(packages.joined(separator: " "))"
    }

    /// A thing that no package of Debian brings.
    public init(thing: String, remedy: String) {
        things = [thing]
        self.remedy = remedy
    }

    /// Always `.unavailable`.
    public var exitStatus: ExitStatus { .unavailable }
    /// One line, with the command that installs it.
    public var description: String { "not installed: \(things.joined(separator: ", ")); \(remedy)" }
}

/// A verb that needs root, run by somebody else.
public struct PrivilegeError: ReportableError, Equatable {
    /// What needs it.
    public let subject: String

    /// The subject is the command as it was typed: `netroot build`.
    public init(subject: String) { self.subject = subject }

    /// Always `.usage`: nothing was tried.
    public var exitStatus: ExitStatus { .usage }
    /// One line, with what to do next.
    public var description: String { "\(subject) needs root; run it with sudo" }

    /// Throws unless the effective user is root.
    public static func requireRoot(_ subject: String) throws {
        guard geteuid() == 0 else { throw PrivilegeError(subject: subject) }
    }
}

extension Array where Element: Hashable {
    /// The elements in order, each once.
    public func removingDuplicates() -> [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
