public import NetrootSystem
import NetrootTree

/// Why a build cannot go on: the bare reason, and the next step. Recipe, step and log are added by `BuildFailure`.
public enum BuildError: ReportableError, Equatable {
    /// The recipe is not there.
    case recipeMissing(path: String, label: String)
    /// There is too little room to begin with.
    case tooLittleSpace(path: String, freeMiB: Int64, neededMiB: Int64)
    /// The disk filled up during a step.
    case diskFull(path: String, step: String)
    /// The mirror has no such package.
    case unknownPackage(name: String)
    /// The mirror could not be reached.
    case noNetwork(detail: String)
    /// Something is wrong with the mirror; `reason` in the tool's own words.
    case mirror(MirrorFault, reason: String)
    /// The mirror has not what every root of the agent begins with.
    case wrongMirror(name: String)
    /// Programs cannot run where the root is to be, or nothing can be written there.
    case unfitMount(path: String, mountPoint: String, option: String)
    /// A section of the recipe failed; `lines` is the end of what it printed.
    case sectionFailed(section: String, line: Int, termination: Termination, lines: [String])
    /// A keyword of the recipe's header names what cannot be taken.
    case wrongHeader(problem: String, hint: String)
    /// A file named in `%files` is not there.
    case fileMissing(source: String, line: Int, stage: String?)
    /// A symlink of `%files` leads to nothing; `target` is what it holds.
    case danglingLink(source: String, line: Int, link: String, target: String, stage: String?)
    /// A file named in `%files` cannot be read; `reason` in cp's own words.
    case unreadable(source: String, line: Int, reason: String)
    /// A file named in `%files` cannot be copied; `reason` in cp's own words, with paths of the root.
    case copyFailed(source: String, line: Int, reason: String)
    /// A repository or package that nobody signed, or whose signature is not trusted; `reason` in the tool's own words.
    case unsigned(reason: String, remedy: String = "correct the repository or its key")
    /// No key is named to check a repository's packages with.
    case noKey(repository: String)
    /// A key cannot be fetched, or is none; `reason` in the tool's own words.
    case keyUnreachable(url: String, reason: String)
    /// A key has a fingerprint that the recipe does not give.
    case wrongKey(url: String, found: String)
    /// The script of a package failed.
    case scriptletFailed(package: String, scriptlet: String, reason: String)
    /// The root has no kernel.
    case noKernel(package: String)
    /// `KERNEL` of the label fits none of the root's kernels.
    case kernelUnmatched(pattern: String, found: [String])
    /// The root's kernels are for finding faults, or for rescue.
    case onlyDebugKernels(found: [String])
    /// The root's kernel has not what `/init` of a root in RAM needs.
    case kernelLacks(module: String)
    /// The root has no dracut.
    case noDracut
    /// The root has no depmod, and the label chooses among its modules.
    case noDepmod
    /// The root has not what a transport of the label needs.
    case transportLacks(transport: String, what: String, package: String)
    /// The bootstrap tool failed; `reason` in its own words.
    case bootstrapFailed(reason: String)
    case dracutFailed(lines: [String])
    /// The initramfs does not hold what a client needs.
    case badInitramfs(reason: String)
    /// It cannot be done in a user namespace.
    case needsRoot(what: String)
    /// An image or an archive cannot be edited in place.
    case liveImage(label: String, generation: Int)

    /// `.usage` for a file that is not there and an image edited in place, `.unavailable` without a mirror, else `.failed`.
    public var exitStatus: ExitStatus {
        switch self {
        case .recipeMissing, .wrongHeader, .fileMissing, .danglingLink, .unreadable, .needsRoot, .liveImage, .noKey,
            .unfitMount, .kernelUnmatched:
            .usage
        case .mirror(let fault, _): fault.exitStatus
        case .noNetwork, .keyUnreachable: .unavailable
        default: .failed
        }
    }

    /// What, where and what to do next; of a failed section also the end of what it printed.
    public var description: String { description(installing: .include) }

    /// The same, with what the agent of the root can do for a package that it lacks.
    func description(installing way: PackageSource) -> String {
        switch self {
        case .recipeMissing(let path, let label):
            return "recipe \(path) does not exist; set RECIPE of [\(label)] in the hosts file"
        case .tooLittleSpace(let path, let free, let needed):
            return "\(path) has \(free) MiB free, a build needs \(needed) MiB; free space, or set NETROOT elsewhere"
        case .diskFull(let path, let step):
            return "disk full at \(path) during \(step); free space, or set NETROOT elsewhere"
        case .unknownPackage(let name):
            return "the mirror has no package '\(name)'; correct Include, or MirrorURL"
        case .noNetwork(let detail):
            return "the mirror cannot be reached: \(detail)\ncheck the network, or MirrorURL"
        case .mirror(let fault, let reason):
            return "\(fault.problem): \(reason)\n\(fault.remedy)"
        case .wrongMirror(let name):
            return "the mirror has no package '\(name)', which every root of this agent begins with; correct MirrorURL"
        case .unfitMount(let path, let mountPoint, let option):
            let (fault, cure) =
                option == "noexec"
                ? ("programs of the root cannot run there", "exec") : ("nothing can be written", "rw")
            return "\(path) is on \(mountPoint), which is mounted \(option): \(fault)\n"
                + "mount -o remount,\(cure) \(mountPoint), or set NETROOT elsewhere"
        case .bootstrapFailed(let reason):
            return "packages cannot be installed: \(reason)"
        case .sectionFailed(let section, _, let termination, let lines):
            let shown = lines.suffix(5).map { "\n  \($0)" }.joined()
            return "\(section) failed with \(termination)\(shown)"
        case .wrongHeader(let problem, let hint):
            return "\(problem); \(hint)"
        case .fileMissing(let source, _, nil):
            return "%files: \(source) does not exist; paths are relative to the recipe"
        case .fileMissing(let source, _, let stage?):
            return "%files from \(stage): \(source) does not exist in that stage"
        case .danglingLink(let source, _, let link, let target, let stage):
            let at = stage.map { "%files from \($0)" } ?? "%files"
            let which = link == source ? "\(source) is" : "\(source) holds \(link),"
            return "\(at): \(which) a symlink to \(target), which does not exist"
                + "\(stage == nil ? "" : " in that stage")\nmake the target, or remove the symlink"
        case .unreadable(let source, _, let reason):
            return "%files: \(source) cannot be read: \(reason)\nlet the user who builds read it"
        case .copyFailed(let source, _, let reason):
            return "%files: \(source) cannot be copied into the root: \(reason)\n"
                + "change the destination, or what is in its place"
        case .unsigned(let reason, let remedy):
            return "not signed by a key that is trusted: \(reason)\n\(remedy), or build with --allow-unsigned"
        case .noKey(let repository):
            return "no key to check the packages of \(repository) with; name it in the header, "
                + "Setopt: gpgkey=URL, or build with --allow-unsigned"
        case .keyUnreachable(let url, let reason):
            return "the key \(url) cannot be fetched: \(reason)\ncorrect Setopt: gpgkey="
        case .wrongKey(let url, let found):
            return "the key \(url) has the fingerprint \(found), which Fingerprints: does not give\n"
                + "make sure that the key is the distribution's, then correct Fingerprints:"
        case .scriptletFailed(let package, let scriptlet, let reason):
            return "\(scriptlet) of the package \(package) failed: \(reason)"
        case .noKernel(let package):
            return "the root has no kernel (/boot/vmlinuz-* or /lib/modules/*/vmlinuz, with /lib/modules/*); "
                + way.advice(package)
        case .kernelUnmatched(let pattern, let found):
            return "KERNEL = \(pattern) in the hosts file fits none of the root's kernels: "
                + "\(KernelChoice.list(found))\ncorrect KERNEL, or " + way.advice("such a kernel")
        case .onlyDebugKernels(let found):
            return "the root has only debug or rescue kernels: \(KernelChoice.list(found))\n"
                + "\(way.advice("another kernel")), or name one of these with KERNEL = PATTERN in the hosts file"
        case .kernelLacks(let module):
            return "the root's kernel has no module \(module), which a root in RAM needs; "
                + "\(way.advice("another kernel")), or set INITRAMFS_LAYOUT = cpio"
        case .noDracut:
            return "the root has no dracut; " + way.advice("dracut and dracut-network")
        case .noDepmod:
            return "the root has no depmod, which KERNEL_MODULES and the removal of modules need; " + way.advice("kmod")
        case .transportLacks(let transport, let what, let package):
            return "the transport \(transport) needs \(what), and the root has none; "
                + "\(way.advice(package)), or take \(transport) out of TRANSPORTS"
        case .dracutFailed(let lines):
            return "dracut failed: \(lines.last ?? "it printed nothing")"
        case .badInitramfs(let reason):
            return "the initramfs is not fit to boot: \(reason)"
        case .needsRoot(let what):
            return "\(what)\nset FORMAT = squashfs, which needs no root, or run it with sudo"
        case .liveImage(let label, let generation):
            return "generation \(generation) of \(label) has an image or archive, which cannot be edited in place; "
                + "leave out --live"
        }
    }
}

extension BuildError {
    /// The line of the recipe that the reason is about; nil where it is about none.
    var line: Int? {
        switch self {
        case .sectionFailed(_, let line, _, _), .fileMissing(_, let line, _), .copyFailed(_, let line, _),
            .danglingLink(_, let line, _, _, _), .unreadable(_, let line, _):
            line
        default: nil
        }
    }
}
