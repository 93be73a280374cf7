import NetrootConfig
import NetrootImage
import NetrootTree

/// What a transport needs in a root, and then in the initramfs that the root's dracut makes.
struct TransportNeeds: Sendable, Equatable {
    /// Something that a package brings.
    struct Need: Sendable, Equatable {
        /// The program, kernel module or dracut module.
        let name: String
        /// Debian's package (bookworm and trixie), and that of all other families not named.
        let debian: String
        /// The package in a family that calls it otherwise.
        let others: [PackageFamily: String]

        init(_ name: String, _ debian: String, _ others: [PackageFamily: String] = [:]) {
            self.name = name
            self.debian = debian
            self.others = others
        }

        /// What a recipe of this family has to include.
        func package(_ family: PackageFamily?) -> String { family.flatMap { others[$0] } ?? debian }
    }

    /// Programs, in `bin` or `sbin`.
    let programs: [Need]
    /// Modules of dracut itself.
    let dracutModules: [Need]
    /// Kernel modules, as files or built in.
    let kernelModules: [String]
    /// Files that our dracut modules put into the initramfs, as patterns of fnmatch(3).
    let ours: [String]

    /// The needs of a transport; `dracut-modules/` says how they are met.
    static func of(_ transport: Transport) -> TransportNeeds {
        switch transport {
        case .nfs:
            TransportNeeds(
                programs: [
                    Need("mount.nfs", "nfs-common", [.rpm: "nfs-utils", .suse: "nfs-client", .pacman: "nfs-utils"])
                ],
                dracutModules: [Need("nfs", "dracut-network", [.suse: "dracut", .pacman: "dracut"])],
                kernelModules: ["nfs", "nfsv3"],
                ours: [])
        case .nbd:
            TransportNeeds(
                programs: [
                    Need("nbd-client", "nbd-client", [.rpm: "nbd", .suse: "nbd", .pacman: "nbd"]),
                    Need("perl", "perl-base", [.rpm: "perl-interpreter", .pacman: "perl"]),
                ],
                dracutModules: [Need("nbd", "dracut-network", [.suse: "dracut", .pacman: "dracut"])],
                kernelModules: ["nbd", "squashfs"],
                ours: [
                    "*/netroot-nbd.sh", "*/netroot-nbd-keep", "*/hooks/netroot/*nbd-port.sh",
                    "*/hooks/pre-mount/*nbd-keep.sh",
                ])
        case .http:
            TransportNeeds(
                programs: [Need("curl", "curl")],
                dracutModules: [
                    Need("livenet", "dracut-live", [.suse: "dracut", .pacman: "dracut"]),
                    Need("dmsquash-live", "dracut-live", [.suse: "dracut", .pacman: "dracut"]),
                ], kernelModules: ["loop", "squashfs"],
                ours: ["*/netroot-http.sh", "*/hooks/netroot/*http-ram.sh", "*/hooks/mount/*http-mount.sh"])
        case .iscsi:
            TransportNeeds(
                programs: [
                    Need("iscsiadm", "open-iscsi", [.rpm: "iscsi-initiator-utils"]),
                    Need("iscsid", "open-iscsi", [.rpm: "iscsi-initiator-utils"]),
                ],
                dracutModules: [Need("iscsi", "dracut-network", [.suse: "dracut", .pacman: "dracut"])],
                kernelModules: ["iscsi_tcp", "sd_mod", "squashfs"],
                ours: [
                    "*/hooks/netroot/*iscsi-record.sh", "*/hooks/initqueue/settled/*iscsi-failed.sh",
                    "*/hooks/pre-pivot/*iscsi-leave.sh",
                ])
        }
    }

    /// What a root lacks before dracut runs; nil where all is there.
    /// - Throws: `RootPathError`, `SystemError`.
    func missing(in tree: RootTree) throws -> Need? {
        for program in programs {
            let places = ["usr/sbin", "usr/bin", "sbin", "bin"].map { "\($0)/\(program.name)" }
            guard try places.contains(where: { try tree.contains($0) }) else { return program }
        }
        return nil
    }

    /// What an initramfs lacks, in words; nil where all is there.
    /// - Parameter family: whose names of packages are said.
    func missing(in contents: InitramfsContents, family: PackageFamily?) -> String? {
        for module in dracutModules where !contents.hasDracutModule(module.name) {
            return "dracut's module \(module.name) (\(module.package(family)))"
        }
        for module in kernelModules where !contents.hasKernelModule(module) { return "the kernel module \(module)" }
        for program in programs where !contents.hasFile(matching: "*/\(program.name)") {
            return "\(program.name) (\(program.package(family)))"
        }
        for file in ours where !contents.hasFile(matching: file) {
            return "\(file.split { "*/".contains($0) }.last ?? "") of netroot's dracut modules"
        }
        return nil
    }
}
