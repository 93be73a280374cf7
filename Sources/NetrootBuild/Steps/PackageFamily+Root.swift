import NetrootConfig
import NetrootTree

extension PackageFamily {
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
    /// How the family numbers its kernels.
    var kernelVersionOrder: KernelVersionOrder {
        switch self {
        case .rpm, .suse: .rpm
        case .dpkg, .pacman: .linuxVersion
        }
    }
}
