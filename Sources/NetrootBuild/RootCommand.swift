import NetrootSystem
import NetrootTree

/// Running programs inside a root: own PID and mount namespaces, `/proc /sys /dev /run`, the host's resolver.
struct RootCommand: Sendable {
    /// The root tree's directory.
    let root: String
    let shipped: ShippedFiles
    /// More directories of the host to show in the root: source and mount point.
    var binds: [(source: String, target: String)] = []

    init(root: String, shipped: ShippedFiles) {
        self.root = root
        self.shipped = shipped
    }

    /// The command that runs `argv` in the root with a clean environment.
    ///
    /// The variables are those of the processes themselves: on a command line every user of the host could read them
    /// (proc(5), `/proc/PID/cmdline`). PATH also finds the host's programs that lead into the root.
    /// - Parameter environment: variables to set besides the standard ones.
    func command(_ argv: [String], environment: [String: String] = [:]) -> Command {
        let standard = [
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
            "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
            // The kernel package's hooks leave the initramfs to netroot, which makes it once, at the end.
            "INITRD": "No",
        ]
        let mounts = binds.flatMap { ["--bind", $0.source, $0.target] }
        var command = Command(
            [shipped.libexec + "/enter-root"] + mounts + [root] + argv,
            environment: standard.merging(environment) { $1 }
        ).contained
        command.inheritsEnvironment = false
        return command
    }

    /// The command that runs `argv` as Apptainer's `exec --cleanenv` would: with the caller's proxies, and with what the
    /// scripts in `/.singularity.d/env` set. There an image has its `ENV`, and a recipe its `%environment`.
    ///
    /// Apptainer's own shell, which reads these scripts, is one of bash's kind: so is this one where the root has bash.
    /// (internal/pkg/build/stage.go, internal/pkg/util/fs/files/action_script.sh)
    /// - Throws: `RootPathError`, `SystemError`.
    func commandInEnvironment(_ argv: [String], environment: [String: String] = [:]) throws -> Command {
        let all = ProxyVariables.ofCaller().merging(Self.environmentFile) { $1 }.merging(environment) { $1 }
        let tree = RootTree(directory: root)
        guard try !tree.paths(matching: ".singularity.d/env/*.sh").isEmpty else {
            return command(argv, environment: all)
        }
        var entered = self
        entered.binds += [
            (source: shipped.libexec + "/with-environment", target: Self.wrapper),
            (source: shipped.rootFiles + "/tree/" + Self.scripts, target: "/run/netroot-environment.sh"),
        ]
        return entered.command([try shell(), Self.wrapper] + argv, environment: all)
    }

    /// The root's bash, or what it has for `/bin/sh`.
    /// - Throws: `RootPathError`, `SystemError`.
    func shell() throws -> String {
        try RootTree(directory: root).contains("bin/bash") ? "/bin/bash" : "/bin/sh"
    }

    /// Where a section adds to the environment of the image.
    static let environmentFile = [
        "APPTAINER_ENVIRONMENT": "/.singularity.d/env/91-environment.sh",
        "SINGULARITY_ENVIRONMENT": "/.singularity.d/env/91-environment.sh",
    ]

    /// Where `libexec/with-environment` is shown in the root.
    private static let wrapper = "/run/netroot-with-environment"
    /// The file of `root-files/tree` that reads the scripts in `/.singularity.d/env`.
    private static let scripts = "etc/profile.d/netroot-environment.sh"
}
