public import NetrootConfig

/// What a transport needs in a root, and then in the initramfs that the root's dracut makes.
public struct TransportNeeds: Sendable, Equatable {
    /// Something that a package brings.
    public struct Need: Sendable, Equatable {
        /// The program or the dracut module.
        public let name: String
        /// Debian's package (bookworm and trixie), and that of every family that is not in `others`.
        public let debian: String
        /// The package in the families that give it another name.
        public let others: [PackageFamily: String]

        /// A program or a dracut module, and the package that brings it.
        public init(_ name: String, _ debian: String, _ others: [PackageFamily: String] = [:]) {
            self.name = name
            self.debian = debian
            self.others = others
        }

        /// The package that a recipe of this family has to include.
        public func package(_ family: PackageFamily?) -> String { family.flatMap { others[$0] } ?? debian }
    }

    /// Programs, in `bin` or `sbin`.
    public let programs: [Need]
    /// Modules of dracut itself.
    public let dracutModules: [Need]
    /// Kernel modules, as files or built in.
    public let kernelModules: [String]
    /// Files that our dracut modules put into the initramfs, as patterns of fnmatch(3).
    public let ours: [String]

    /// The needs of one transport; `dracut-modules/netroot-NAME.conf` tells dracut of them.
    public init(programs: [Need], dracutModules: [Need], kernelModules: [String], ours: [String] = []) {
        self.programs = programs
        self.dracutModules = dracutModules
        self.kernelModules = kernelModules
        self.ours = ours
    }
}
