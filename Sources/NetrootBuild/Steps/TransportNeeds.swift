import NetrootConfig
import NetrootEntry
import NetrootImage
import NetrootTree

extension TransportNeeds {
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
