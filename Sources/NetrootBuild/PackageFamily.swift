import NetrootSystem
import NetrootTree

/// Whose packages a root is made of: which database lists them, and what they are called.
enum PackageFamily: Sendable, Hashable {
    /// Debian and its derivatives.
    case dpkg
    /// Fedora, CentOS Stream and their kin.
    case rpm
    /// SUSE's: the same database as `rpm`, other names.
    case suse
    /// Arch Linux and its derivatives.
    case pacman

    /// The family of a root by the database of packages in it; nil where it has none.
    /// - Throws: `RootPathError`, `SystemError`.
    static func of(_ tree: RootTree) throws -> PackageFamily? {
        if try tree.contains("var/lib/dpkg/status") { return .dpkg }
        if try tree.contains("var/lib/pacman/local") { return .pacman }
        guard try RPM.database(in: tree) != nil else { return nil }
        guard try tree.contains("usr/lib/os-release") else { return .rpm }
        let release = try tree.text("usr/lib/os-release")
        let isSUSE = release.split(separator: "\n").contains { line in
            ["ID=", "ID_LIKE="].contains { line.hasPrefix($0) } && line.contains("suse")
        }
        return isSUSE ? .suse : .rpm
    }

    /// The package that brings a kernel.
    var kernelPackage: String {
        switch self {
        case .dpkg: "linux-image-*"
        case .rpm: "kernel-core"
        case .suse: "kernel-default"
        case .pacman: "linux"
        }
    }
}
