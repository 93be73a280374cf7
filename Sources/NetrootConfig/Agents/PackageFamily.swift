/// Whose packages a root is made of: which database lists them, and what they are called.
public enum PackageFamily: Sendable, Hashable {
    /// Debian and its derivatives.
    case dpkg
    /// Fedora, CentOS Stream and their kin.
    case rpm
    /// SUSE's: the same database as `rpm`, other names.
    case suse
    /// Arch Linux and its derivatives.
    case pacman

    /// The package that brings a kernel.
    public var kernelPackage: String {
        switch self {
        case .dpkg: "linux-image-*"
        case .rpm: "kernel-core"
        case .suse: "kernel-default"
        case .pacman: "linux"
        }
    }
}
