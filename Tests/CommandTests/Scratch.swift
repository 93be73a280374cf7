import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

/// A folder with a hosts file and recipes, which goes with the test.
final class Scratch: Sendable {
    private let directory: ScratchDirectory
    var path: String { directory.path }
    var hosts: String { path + "/hosts.conf" }

    /// Not in /tmp: it may be a tmpfs, and roots are large.
    init() throws { directory = try ScratchDirectory(in: .disk) }

    /// Removes the folder before its owner goes.
    func removeNow() throws { try directory.remove() }

    /// Sets flags of files below the folder, or skips the test.
    func chattr(_ flags: String, _ paths: String...) async throws {
        for path in paths { try await directory.chattr(flags, path) }
    }

    /// Skips the test where the filesystem has no flags.
    func requireFlags() async throws {
        try write("flagged", "text")
        try await chattr("+i", "flagged")
        try await chattr("-i", "flagged")
    }

    /// Writes a file below the folder, and returns its path.
    @discardableResult
    func write(_ name: String, _ text: String, mode: UInt16 = 0o644) throws -> String {
        try directory.write(name, text, mode: mode)
    }

    @discardableResult
    func write(_ name: String, bytes: [UInt8], mode: UInt16 = 0o644) throws -> String {
        try directory.write(name, bytes, mode: mode)
    }

    /// Writes a hosts file with labels whose recipes are `LABEL.def`, and more lines for each.
    func writeHosts(_ labels: String..., more: String = "") throws {
        var text = "[DEFAULT]\nRECIPE = ${label}.def\n\(more)\n"
        for label in labels { text += "[\(label)]\n" }
        try write("hosts.conf", text)
    }

    /// A label of the hosts file.
    func label(_ name: String) throws -> Label {
        try HostsFile(text: try Files.text(hosts), path: hosts, transports: Transports.shipped.names).label(name)
    }

    /// The store of a label.
    func store(_ name: String) throws -> LabelStore { LabelStore(label: try label(name)) }

    /// The argv of netroot on this hosts file.
    func netroot(_ arguments: [String]) -> [String] {
        [Place.netroot] + (arguments.first.map { [$0] } ?? []) + ["--hosts", hosts] + arguments.dropFirst()
    }

    /// Runs netroot on this hosts file.
    /// - Parameter wrapper: what runs netroot, such as `unshare --net --`.
    func run(
        _ arguments: String..., wrapper: [String] = [], environment: [String: String] = [:], limit: Int = 240
    ) async throws -> Outcome {
        try await CommandTests.run(
            wrapper + netroot(arguments), environment: environment, folder: path, limit: limit)
    }

    /// Starts netroot on this hosts file.
    func start(_ arguments: String..., environment: [String: String] = [:]) throws -> RunningProgram {
        try RunningProgram(netroot(arguments), environment: environment, folder: path)
    }

    /// The folder's content, but for what the names in `except` begin with: paths with type, mode, size, time, target.
    func snapshot(except: [String] = []) async throws -> [String] {
        let find = ["find", path, "-xdev", "-type", "d", "-printf", "%P %y %m\\n", "-o", "-printf"]
        let listing = try await CommandTests.run(find + ["%P %y %m %s %T@ %l\\n"])
        #expect(listing.status == 0)
        return listing.output.split(separator: "\n").map(String.init)
            .filter { line in !except.contains { line.hasPrefix($0) } }.sorted()
    }
}
