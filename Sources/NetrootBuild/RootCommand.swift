import NetrootSystem

/// Running programs inside a root: own PID and mount namespaces, `/proc /sys /dev /run`, the host's resolver.
struct RootCommand: Sendable {
    /// The root tree's directory.
    let root: String
    /// The program that mounts and changes root (`libexec/enter-root`).
    let enter: String
    /// More directories of the host to show in the root: source and mount point.
    var binds: [(source: String, target: String)] = []

    init(root: String, shipped: ShippedFiles) {
        self.root = root
        enter = shipped.libexec + "/enter-root"
    }

    /// The command that runs `argv` in the root with a clean environment.
    /// - Parameter environment: variables to set besides the standard ones.
    func command(_ argv: [String], environment: [String: String] = [:]) -> Command {
        let standard = [
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
            "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
            // The kernel package's hooks leave the initramfs to netroot, which makes it once, at the end.
            "INITRD": "No",
        ]
        let assignments = standard.merging(environment) { $1 }.map { "\($0)=\($1)" }.sorted()
        let mounts = binds.flatMap { ["--bind", $0.source, $0.target] }
        return Command([enter] + mounts + [root, "env", "-i"] + assignments + argv).contained
    }
}
