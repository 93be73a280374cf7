import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// What a kernel is made for, as its version says; what comes first is taken first.
enum KernelFlavour: Int, Comparable {
    /// Any machine.
    case general
    /// Real-time work: it runs on every machine, and is slower for most work.
    case realTime
    /// Virtual machines of a kind: it lacks the drivers of others.
    case virtual
    /// Finding faults in kernels, or reaching a machine that is broken.
    case debug

    private static let virtualWords: Set<String> = [
        "cloud", "kvm", "kvmsmall", "virtual", "virt", "aws", "azure", "gcp", "gke", "gkeop", "oracle", "ibm",
    ]
    private static let debugWords: Set<String> = ["dbg", "rescue", "kdump"]

    /// Reads the words of a version: `6.1.0-40-cloud-amd64`, `5.14.0-427.el9.x86_64+debug`, `6.4.0-150600.21-kvmsmall`,
    /// `4.18.0-553.rt7.342.el8_10.x86_64`, `0-rescue-MACHINE`.
    init(version: String) {
        let words = version.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }.map(String.init)
        if words.contains(where: { Self.debugWords.contains($0) || $0.hasSuffix("debug") }) {
            self = .debug
        } else if words.contains(where: Self.virtualWords.contains) {
            self = .virtual
        } else if words.contains(where: { $0 == "lowlatency" || $0 == "realtime" || Self.isRealTime($0) }) {
            self = .realTime
        } else {
            self = .general
        }
    }

    /// `rt`, or `rt` with the number of its patch.
    private static func isRealTime(_ word: String) -> Bool {
        word.hasPrefix("rt") && word.dropFirst(2).allSatisfy(\.isNumber)
    }

    static func < (one: KernelFlavour, other: KernelFlavour) -> Bool { one.rawValue < other.rawValue }
}

/// Which of a root's kernels clients boot.
struct KernelChoice: Equatable {
    /// Its version.
    let taken: String
    /// The versions of the others, the best first.
    let others: [String]

    /// Chooses the newest of the most general flavour that there is.
    /// - Parameters:
    ///   - versions: of the kernels that have their modules; at least one.
    ///   - pattern: what the chosen one has to fit; without one no debug or rescue kernel is taken.
    /// - Throws: `BuildError.kernelUnmatched`, `BuildError.onlyDebugKernels`.
    init(of versions: Set<String>, by order: KernelVersionOrder, pattern: KernelPattern?) throws(BuildError) {
        let sorted = versions.sorted { one, other in
            let (first, second) = (KernelFlavour(version: one), KernelFlavour(version: other))
            guard first == second else { return first < second }
            let newer = order.compare(one, other)
            // Versions that differ only in what the order does not look at.
            return newer == 0 ? one < other : newer > 0
        }
        let fit = sorted.filter { version in
            pattern.map { $0.matches(version) } ?? (KernelFlavour(version: version) != .debug)
        }
        guard let best = fit.first else {
            if let pattern { throw .kernelUnmatched(pattern: pattern.text, found: sorted) }
            throw .onlyDebugKernels(found: sorted)
        }
        taken = best
        others = sorted.filter { $0 != best }
    }

    /// What whoever builds should know; nil where there was nothing to choose from.
    var note: String? {
        guard !others.isEmpty else { return nil }
        return "\(others.count + 1) kernels: took \(TerminalText.line(taken)), not \(Self.list(others)); "
            + "KERNEL in the hosts file says which"
    }

    /// Versions for a message: the names of files in a root, which may be anything.
    static func list(_ versions: [String]) -> String {
        let shown = versions.prefix(16).map { TerminalText.line($0) }.joined(separator: ", ")
        return versions.count > 16 ? shown + " and \(versions.count - 16) more" : shown
    }
}

extension Manifest {
    /// Records which kernel was taken, and by which `KERNEL` of the label.
    mutating func record(_ choice: KernelChoice, pattern: KernelPattern?) {
        kernelVersion = choice.taken
        kernelPattern = pattern?.text
        otherKernels = choice.others.isEmpty ? nil : choice.others
    }
}
