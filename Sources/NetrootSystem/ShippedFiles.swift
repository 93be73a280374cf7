import Glibc

/// The data that netroot ships: what goes into roots, and the shell programs that it runs.
///
/// In a checkout they lie at its top; installed, under `PREFIX/share/netroot` beside `PREFIX/bin/netroot`.
public struct ShippedFiles: Sendable, Equatable {
    /// The folder that holds them.
    public let directory: String

    /// A folder that is known already; `locate` finds it.
    public init(directory: String) { self.directory = directory }

    /// Finds the folder from the path of the running program (`/proc/self/exe`).
    /// - Throws: `MissingError` where neither a checkout nor an installation is around it.
    public static func locate() throws -> ShippedFiles {
        guard let program = try Files.linkTarget("/proc/self/exe") else {
            throw SystemError("read", "/proc/self/exe", code: ENOENT)
        }
        var above = Files.parent(program)
        while above != "/" {
            for candidate in [above, above + "/share/netroot"] where Files.exists(candidate + "/dracut-modules") {
                return ShippedFiles(directory: candidate)
            }
            above = Files.parent(above)
        }
        throw MissingError(things: ["dracut-modules (beside \(program))"], packages: ["netroot by scripts/install"])
    }

    /// The dracut modules and their configuration.
    public var dracutModules: String { directory + "/dracut-modules" }
    /// Files that are laid over every root.
    public var rootFiles: String { directory + "/root-files" }
    /// What the boot check lays into the guest.
    public var guest: String { directory + "/guest" }
    /// Programs that netroot runs by path.
    public var libexec: String { directory + "/libexec" }
}
