import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// The packages that are installed in a root.
enum PackageList {
    /// Asks the package manager that the root has; a root without one has no packages.
    /// - Throws: `CommandError`, `MissingError`, `RootPathError`, `SystemError`.
    static func read(_ inRoot: RootCommand, runner: CommandRunner) async throws -> [Manifest.Package] {
        let tree = RootTree(directory: inRoot.root)
        switch try PackageFamily.of(tree) {
        case .dpkg:
            let format = "${binary:Package}\\t${Version}\\t${Architecture}\\t${db:Status-Status}\\n"
            return parse(try await runner.capture(inRoot.command(["dpkg-query", "-W", "-f", format])))
        case .rpm, .suse:
            let format = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\n"
            return parseRPM(try await runner.capture(try rpmQuery(["-qa", "--queryformat", format], inRoot, tree)))
        case .pacman:
            return try readPacman(tree)
        case nil:
            return []
        }
    }

    /// What the database of a package manager says, which may be gone when the files are measured.
    struct Listed: Sendable {
        fileprivate let packages: [Manifest.Package]
        fileprivate let files: PackageFiles
        fileprivate let tree: RootTree

        /// The packages, with the sizes of those of their files that are in the root now.
        /// - Throws: `RootPathError`, `SystemError`, `CancellationError`.
        func measured() throws -> [Manifest.Package] {
            let bytes = try files.bytes(in: tree)
            return packages.map { package in
                var package = package
                package.bytes = bytes["\(package.name):\(package.architecture)"] ?? bytes[package.name]
                return package
            }
        }
    }

    /// Reads which packages there are, and which files each of them brought.
    /// - Throws: as `read`.
    static func listed(_ inRoot: RootCommand, runner: CommandRunner) async throws -> Listed {
        Listed(
            packages: try await read(inRoot, runner: runner), files: try await files(inRoot, runner: runner),
            tree: RootTree(directory: inRoot.root))
    }

    /// Which package brought which file, by the lists of the package manager that the root has.
    private static func files(_ inRoot: RootCommand, runner: CommandRunner) async throws -> PackageFiles {
        let tree = RootTree(directory: inRoot.root)
        switch try PackageFamily.of(tree) {
        case .dpkg: return try PackageFiles(dpkgIn: tree)
        case .pacman: return try PackageFiles(pacmanIn: tree)
        case .rpm, .suse:
            let format = "[%{=NAME}:%{=ARCH}\\t%{FILENAMES}\\n]"
            let text = try await runner.capture(
                try rpmQuery(["-qa", "--queryformat", format], inRoot, tree), limit: 256 << 20)
            var files = PackageFiles()
            for line in text.split(separator: "\n") {
                guard let tab = line.firstIndex(of: "\t") else { continue }
                files.add(line[line.index(after: tab)...], of: String(line[..<tab]))
            }
            return files
        case nil: return PackageFiles()
        }
    }

    /// pacman's database: a directory a package, with a file `desc`. Read here, since a root may be without pacman.
    private static func readPacman(_ tree: RootTree) throws -> [Manifest.Package] {
        let database = "var/lib/pacman/local"
        return try tree.names(in: database).filter { try tree.contains("\(database)/\($0)/desc") }.compactMap { name in
            parsePacman(try tree.text("\(database)/\(name)/desc"))
        }.sorted { ($0.name, $0.architecture) < ($1.name, $1.architecture) }
    }

    /// A `desc` of pacman's database: `%NAME%`, `%VERSION%`, `%ARCH%`, each with its value on the next line.
    static func parsePacman(_ text: String) -> Manifest.Package? {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        func value(_ key: String) -> String? {
            guard let index = lines.firstIndex(of: "%\(key)%"), index + 1 < lines.count else { return nil }
            return lines[index + 1]
        }
        guard let name = value("NAME"), let version = value("VERSION"), let architecture = value("ARCH") else {
            return nil
        }
        return Manifest.Package(name: name, version: version, architecture: architecture)
    }

    /// The root's own rpm; where it has none, the host's, told where the database is.
    /// - Throws: `MissingError`, `RootPathError`, `SystemError`.
    static func rpmQuery(_ query: [String], _ inRoot: RootCommand, _ tree: RootTree) throws -> Command {
        // busybox has a program of this name too, which lists nothing.
        if try tree.contains("usr/bin/rpm"), try tree.contains("usr/lib/rpm/macros") {
            return inRoot.command(["rpm"] + query)
        }
        try Tool.require([RPM.tool])
        return Command(["rpm", "--dbpath", try sealed(try RPM.database(in: tree) ?? RPM.database, in: tree)] + query)
    }

    /// The path on the host of a directory in which nothing is a symlink: the host's rpm would follow it out of the root.
    /// - Throws: `RootPathError`, `SystemError`.
    static func sealed(_ directory: String, in tree: RootTree) throws -> String {
        let host = try tree.resolve(directory)
        for name in try Files.names(in: host) where try Files.linkTarget("\(host)/\(name)") != nil {
            throw RootPathError(
                path: "\(directory)/\(name)", reason: "a symlink, where rpm has its database; remove it in %post")
        }
        return host
    }

    /// The lines of `rpm -qa`: name, version with epoch and release, architecture. Keys are packages to rpm; not here.
    static func parseRPM(_ text: String) -> [Manifest.Package] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 3, fields[0] != "gpg-pubkey" else { return nil }
            return Manifest.Package(name: fields[0], version: fields[1], architecture: fields[2])
        }.sorted { ($0.name, $0.version, $0.architecture) < ($1.name, $1.version, $1.architecture) }
    }

    /// The lines of `dpkg-query`: name, version, architecture, status; only what is installed counts.
    static func parse(_ text: String) -> [Manifest.Package] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 4, fields[3] == "installed" else { return nil }
            let name = fields[0].split(separator: ":").first.map(String.init) ?? fields[0]
            return Manifest.Package(name: name, version: fields[1], architecture: fields[2])
        }.sorted { ($0.name, $0.architecture) < ($1.name, $1.architecture) }
    }
}
