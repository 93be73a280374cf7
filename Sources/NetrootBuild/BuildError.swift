public import NetrootSystem
import NetrootTree

/// Why a build cannot go on.
public enum BuildError: ReportableError, Equatable {
    /// The recipe is not there.
    case recipeMissing(path: String, label: String)
    /// There is too little room to begin with.
    case tooLittleSpace(path: String, freeMiB: Int64, neededMiB: Int64)
    /// The disk filled up during a step.
    case diskFull(path: String, step: String)
    /// The mirror has no such package.
    case unknownPackage(name: String, recipe: String)
    /// The mirror could not be reached.
    case noNetwork(detail: String, log: String)
    /// A section of the recipe failed; `lines` is the end of what it printed.
    case sectionFailed(section: String, place: String, termination: Termination, lines: [String], log: String)
    /// A file named in `%files` is not there.
    case fileMissing(source: String, place: String, stage: String?)
    /// A file named in `%files` cannot be copied; `reason` in cp's own words, with paths of the root.
    case copyFailed(source: String, place: String, reason: String, log: String)
    /// A repository or package that nobody signed, or whose signature is not trusted; `reason` in the tool's own words.
    case unsigned(reason: String, recipe: String, log: String)
    /// No key is named to check a repository's packages with.
    case noKey(repository: String, recipe: String)
    /// A key cannot be fetched, or is none; `reason` in the tool's own words.
    case keyUnreachable(url: String, reason: String, recipe: String)
    /// A key has a fingerprint that the recipe does not give.
    case wrongKey(url: String, found: String, recipe: String)
    /// The script of a package failed.
    case scriptletFailed(package: String, scriptlet: String, reason: String, recipe: String, log: String)
    /// The root has no kernel.
    case noKernel(package: String, recipe: String)
    /// The root has no dracut.
    case noDracut(recipe: String)
    /// The root has not what a transport of the label needs.
    case transportLacks(transport: String, what: String, package: String, recipe: String)
    /// The bootstrap tool failed; `reason` in its own words.
    case bootstrapFailed(reason: String, recipe: String, log: String)
    /// dracut failed.
    case dracutFailed(lines: [String], log: String)
    /// The initramfs does not hold what a client needs.
    case badInitramfs(reason: String, log: String)
    /// It cannot be done in a user namespace.
    case needsRoot(what: String)
    /// An image cannot be edited in place.
    case liveImage(label: String, generation: Int)

    /// `.usage` for a file that is not there and an image edited in place, `.unavailable` without a mirror, else `.failed`.
    public var exitStatus: ExitStatus {
        switch self {
        case .recipeMissing, .fileMissing, .needsRoot, .liveImage, .noKey: .usage
        case .noNetwork, .keyUnreachable: .unavailable
        default: .failed
        }
    }

    /// What, where and what to do next; of a failed section also the end of what it printed.
    public var description: String {
        switch self {
        case .recipeMissing(let path, let label):
            return "recipe \(path) does not exist; set RECIPE of [\(label)] in the hosts file"
        case .tooLittleSpace(let path, let free, let needed):
            return "\(path) has \(free) MiB free, a build needs \(needed) MiB; free space, or set NETROOT elsewhere"
        case .diskFull(let path, let step):
            return "disk full at \(path) during \(step); free space, or set NETROOT elsewhere"
        case .unknownPackage(let name, let recipe):
            return "\(recipe): the mirror has no package '\(name)'; mend Include, or MirrorURL"
        case .noNetwork(let detail, let log):
            return "the mirror cannot be reached: \(detail)\ncheck the network, or MirrorURL; log: \(log)"
        case .bootstrapFailed(let reason, let recipe, let log):
            return "\(recipe): packages cannot be installed: \(reason)\nlog: \(log)"
        case .sectionFailed(let section, let place, let termination, let lines, let log):
            let shown = lines.suffix(5).map { "  " + $0 }.joined(separator: "\n")
            return "\(place): \(section) failed with \(termination)\n\(shown)\nlog: \(log)"
        case .fileMissing(let source, let place, nil):
            return "\(place): %files: \(source) does not exist; paths are relative to the recipe"
        case .fileMissing(let source, let place, let stage?):
            return "\(place): %files from \(stage): \(source) does not exist in that stage"
        case .copyFailed(let source, let place, let reason, let log):
            return "\(place): %files: \(source) cannot be copied into the root: \(reason)\n"
                + "change the destination, or what is in its place; log: \(log)"
        case .unsigned(let reason, let recipe, let log):
            return "\(recipe): not signed by a key that is trusted: \(reason)\n"
                + "mend the repository or its key, or build with --allow-unsigned; log: \(log)"
        case .noKey(let repository, let recipe):
            return "\(recipe): no key to check the packages of \(repository) with; name it in the header, "
                + "Setopt: gpgkey=URL, or build with --allow-unsigned"
        case .keyUnreachable(let url, let reason, let recipe):
            return "\(recipe): the key \(url) cannot be had: \(reason)\nmend Setopt: gpgkey="
        case .wrongKey(let url, let found, let recipe):
            return "\(recipe): the key \(url) has the fingerprint \(found), which Fingerprints: does not give\n"
                + "make sure that the key is the distribution's, then mend Fingerprints:"
        case .scriptletFailed(let package, let scriptlet, let reason, let recipe, let log):
            return "\(recipe): \(scriptlet) of the package \(package) failed: \(reason)\nlog: \(log)"
        case .noKernel(let package, let recipe):
            return
                "\(recipe): the root has no kernel (/boot/vmlinuz-* or /lib/modules/*/vmlinuz, with /lib/modules/*); "
                + "add \(package) to Include"
        case .noDracut(let recipe):
            return "\(recipe): the root has no dracut; add dracut and dracut-network to Include"
        case .transportLacks(let transport, let what, let package, let recipe):
            return "\(recipe): the transport \(transport) needs \(what), and the root has none; "
                + "add \(package) to Include, or take \(transport) out of TRANSPORTS"
        case .dracutFailed(let lines, let log):
            return "dracut failed: \(lines.last ?? "it printed nothing")\nlog: \(log)"
        case .badInitramfs(let reason, let log):
            return "the initramfs is not fit to boot: \(reason)\nlog: \(log)"
        case .needsRoot(let what):
            return "\(what)\nset FORMAT = squashfs, which needs no root, or run it with sudo"
        case .liveImage(let label, let generation):
            return
                "generation \(generation) of \(label) has an image, which cannot be edited in place; leave out --live"
        }
    }
}
