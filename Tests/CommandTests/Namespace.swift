/// Wrappers that give a command namespaces of its own, in which a test may break things.
enum Namespace {
    /// No network at all.
    static let withoutNetwork = ["unshare", "--net", "--"]

    /// The user `nobody`.
    static let asNobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]

    /// Runs a shell script before the command, in a private mount namespace.
    static func mounting(_ script: String) -> [String] {
        unshared + ["set -eu; \(script)\nexec \"$@\"", "sh"]
    }

    /// Runs a shell script before and another one after the command; its status is the command's.
    static func mounting(_ script: String, after: String) -> [String] {
        unshared + ["set -eu; \(script)\nstatus=0; \"$@\" || status=$?\n\(after)\nexit $status", "sh"]
    }

    /// Hides programs.
    static func hiding(_ programs: [String]) -> [String] {
        // /dev/null is not executable. Debian's /bin is /usr/bin.
        mounting(
            programs.map {
                "for d in /usr/local/bin /usr/bin /usr/sbin; do "
                    + "if [ -e $d/\($0) ]; then mount --bind /dev/null $d/\($0); fi; done"
            }.joined(separator: "\n"))
    }

    private static let unshared = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c"]
}
