import ArgumentParser
import Glibc
import NetrootConfig
import NetrootEntry
import NetrootSystem

/// Options of every verb.
struct CommonOptions: ParsableArguments {
    /// Every verb takes it, also those that read no hosts file, so that a wrapper can give it always.
    @Option(name: .long, help: "The hosts file (default: $NETROOT_HOSTS, ./hosts.conf, /etc/netroot/hosts.conf).")
    var hosts: String?

    @Flag(name: .shortAndLong, help: "Show the commands that are run.")
    var verbose = false

    /// Reads the hosts file.
    func hostsFile() throws -> HostsFile {
        let given = hosts ?? getenv("NETROOT_HOSTS").map { String(cString: $0) }
        let candidates = given.map { [$0] } ?? ["hosts.conf", "/etc/netroot/hosts.conf"]
        guard let path = candidates.first(where: Files.exists) else {
            throw HostsFileMissing(candidates: candidates)
        }
        let absolute = try Self.absolute(path)
        return try HostsFile(
            bytes: try Files.read(absolute, limit: 4 << 20), path: absolute, transports: Transports.shipped)
    }

    static func absolute(_ path: String) throws -> String {
        if path.hasPrefix("/") { return path }
        guard let folder = getcwd(nil, 0) else { throw SystemError("read", "the working directory", code: errno) }
        defer { free(folder) }
        return String(cString: folder) + "/" + path
    }
}

/// The directory of what is kept between builds: as given, or `$NETROOT_CACHE`, or root's or the user's own
/// (`$XDG_CACHE_HOME`, XDG Base Directory Specification).
func cachePath(_ given: String?) throws -> String {
    func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
    if let path = given ?? variable("NETROOT_CACHE") { return try CommonOptions.absolute(path) }
    guard geteuid() != 0 else { return "/var/cache/netroot" }
    if let caches = variable("XDG_CACHE_HOME"), caches.hasPrefix("/") { return caches + "/netroot" }
    if let home = variable("HOME") { return try CommonOptions.absolute(home) + "/.cache/netroot" }
    throw ValidationError("neither HOME nor NETROOT_CACHE is set: give --cache DIRECTORY")
}

/// Throws for a number that is not a TCP port.
func checkPorts(_ ports: [String: Int?]) throws {
    for (option, port) in ports {
        guard let port, !(1...65535).contains(port) else { continue }
        throw ValidationError("\(option) \(port) is not between 1 and 65535")
    }
}

/// Options that do not go together, or do not fit what the label says: found after the command line was parsed.
struct OptionError: ReportableError {
    let problem: String
    /// What to write instead.
    let hint: String
    var exitStatus: ExitStatus { .usage }
    var description: String { "\(problem); \(hint)" }
}

/// No hosts file where one was looked for.
struct HostsFileMissing: ReportableError {
    let candidates: [String]
    var exitStatus: ExitStatus { .usage }
    var description: String {
        "no hosts file: \(candidates.joined(separator: ", ")) not found; name one with --hosts FILE or $NETROOT_HOSTS"
    }
}

/// Options of every verb that works on one label.
struct LabelOptions: ParsableArguments {
    @OptionGroup var common: CommonOptions

    @Argument(help: "The label, a section of the hosts file.")
    var label: String

    func load() throws -> Label { try common.hostsFile().label(label) }
}

/// The option of every verb that reports.
struct JSONOption: ParsableArguments {
    @Flag(name: .long, help: "Print JSON on standard output.")
    var json = false
}

/// The option of the verbs that read a recipe.
struct BuildArgumentOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "What {{ NAME }} in the recipe stands for; may be given several times.", valueName: "name=value"))
    var buildArg: [String] = []
    @Option(
        name: .long,
        help: ArgumentHelp(
            "A file with lines NAME=VALUE; --build-arg goes before it.", valueName: "file"), completion: .file())
    var buildArgFile: String?

    /// The values by name, of a name that is given twice the last, and what is wrong with the file.
    func values() throws -> (values: [String: String], warnings: [Recipe.Warning]) {
        var values: [String: String] = [:]
        var warnings: [Recipe.Warning] = []
        if let buildArgFile {
            (values, warnings) = try BuildArgument.values(
                in: try Files.read(CommonOptions.absolute(buildArgFile), limit: 4 << 20), path: buildArgFile)
        }
        for text in buildArg {
            guard let (name, value) = BuildArgument.pair(text) else {
                throw ValidationError("--build-arg '\(text)' is not NAME=VALUE")
            }
            values[name] = value
        }
        return (values, warnings)
    }
}
