import Glibc

/// What netroot ships beside itself: what goes into roots, and the shell programs that it runs.
///
/// In a checkout the data lie at its top; installed, under `PREFIX/share/netroot` beside `PREFIX/bin/netroot`. The program
/// for roots lies beside the running one, where the compiler puts both; installed, in `PREFIX/libexec/netroot`.
public struct ShippedFiles: Sendable, Equatable {
    /// The folder that holds the data.
    public let directory: String
    /// The program that renews the leases of a booted machine; it may be missing.
    public let leaseProgram: String

    /// Places that are known already; `locate` finds them.
    /// - Parameter leaseProgram: nil for a `netroot-lease` in the folder.
    public init(directory: String, leaseProgram: String? = nil) {
        self.directory = directory
        self.leaseProgram = leaseProgram ?? directory + "/netroot-lease"
    }

    /// Finds both from the path of the running program (`/proc/self/exe`).
    /// - Throws: `MissingError` where neither a checkout nor an installation is around it.
    public static func locate() throws -> ShippedFiles {
        guard let program = try Files.linkTarget("/proc/self/exe") else {
            throw SystemError("read", "/proc/self/exe", code: ENOENT)
        }
        let beside = Files.parent(program) + "/netroot-lease"
        var above = Files.parent(program)
        while above != "/" {
            if Files.exists(above + "/dracut-modules") { return ShippedFiles(directory: above, leaseProgram: beside) }
            let share = above + "/share/netroot"
            if Files.exists(share + "/dracut-modules") {
                return ShippedFiles(directory: share, leaseProgram: above + "/libexec/netroot/netroot-lease")
            }
            above = Files.parent(above)
        }
        throw MissingError(thing: "dracut-modules (beside \(program))", remedy: "install netroot by scripts/install")
    }

    /// Checks that the program for roots is there, before anything is changed.
    /// - Throws: `MissingError`, with the command that builds it.
    public func requireLeaseProgram() throws(MissingError) {
        guard Files.exists(leaseProgram) else {
            throw MissingError(thing: leaseProgram, remedy: "build it: \(Self.buildCommand), or scripts/install")
        }
    }

    /// What builds netroot, and with it the program for roots.
    static let buildCommand = "swift build -c release --static-swift-stdlib --product netroot"

    /// The dracut modules and their configuration.
    public var dracutModules: String { directory + "/dracut-modules" }
    /// Files that are laid over every root.
    public var rootFiles: String { directory + "/root-files" }
    /// `/init` of roots in RAM.
    public var ramRoot: String { directory + "/ram-root" }
    /// What the boot check lays into the guest.
    public var guest: String { directory + "/guest" }
    /// Programs that netroot runs by path.
    public var libexec: String { directory + "/libexec" }
}
