import ArgumentParser
import Glibc
import NetrootBuild
import NetrootConfig
import NetrootStore
import NetrootSystem

struct BuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build", abstract: "Build a generation from the label's recipe.",
        discussion: """
            Examples:
              netroot build debian12
              netroot build debian12 --if-changed
              netroot build debian12 --build-arg SUITE=trixie
            """)

    @OptionGroup var options: LabelOptions
    @Option(
        name: .long,
        help:
            "Where packages and blocks are kept between builds (default: $NETROOT_CACHE, /var/cache/netroot, ~/.cache/netroot)."
    )
    var cache: String?
    @Flag(
        name: .long,
        help: "Do nothing where this netroot built the current generation from the same recipe, byte for byte.")
    var ifChanged = false
    @Flag(name: .long, help: "Take packages and repositories that nobody signed; the manifest names them.")
    var allowUnsigned = false
    @Flag(name: .long, help: "Keep device nodes of images, archives and local trees, which are left out otherwise.")
    var allowDevices = false
    @Flag(name: .long, help: "Make a password for root, and show it once, when the generation is published.")
    var rootpwGenerate = false
    @OptionGroup var arguments: BuildArgumentOptions

    func run() async throws {
        let hosts = try options.common.hostsFile()
        let label = try hosts.label(options.label)
        let cache = try cachePath(cache)
        var build = Build(
            label: label, of: hosts, cache: cache, shipped: try ShippedFiles.locate(), version: Netroot.version)
        build.echo = options.common.verbose
        let (values, skipped) = try arguments.values()
        build.arguments = values
        build.allows = Allowances(unsigned: allowUnsigned, devices: allowDevices)
        // Before anything is changed, and as the caller: in a user namespace his file cannot be read.
        let password = rootpwGenerate ? RootPassword.random() : nil
        build.rootLogin =
            if let password {
                try RootLogin(generated: password, for: label)
            } else {
                try RootLogin(readFor: label, handed: try UserNamespace.handed())
            }
        if ifChanged, let current = try await build.upToDate() {
            FileWriter.standardOutput.write(Report.upToDate(label.name, current))
            return
        }
        if geteuid() != 0 {
            try build.checkWithoutRoot()
            try await UserNamespace.reenter(
                environment: ["NETROOT_CACHE": cache], handing: build.rootLogin.handing)
        }
        let ready = build
        let progress = Progress()
        for warning in skipped { progress.note("warning: \(warning)") }
        let generation = try await Interruption.cancelling { try await ready.run(progress: progress) }
        FileWriter.standardOutput.write(Report.built(label.name, generation))
        if let password { FileWriter.standardOutput.write(Report.rootPassword(password)) }
    }
}

struct ShellCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shell", abstract: "Edit the current generation in a chroot.",
        discussion: """
            Works in a copy, which becomes a new generation when the shell or command ends with status 0.

            Examples:
              netroot shell debian12
              netroot shell debian12 -- sh -c 'apt-get update && apt-get install -y htop'
            """)

    @OptionGroup var options: LabelOptions
    @Flag(name: .long, help: "Edit the current generation in place; running clients may see stale file handles.")
    var live = false
    @Option(
        name: .long,
        help:
            "Where packages and blocks are kept between builds (default: $NETROOT_CACHE, /var/cache/netroot, ~/.cache/netroot)."
    )
    var cache: String?
    @Argument(parsing: .postTerminator, help: "A command to run instead of an interactive shell.")
    var command: [String] = []

    func run() async throws {
        let label = try options.load()
        let progress = Progress()
        let cache = try cachePath(cache)
        if live {
            progress.note(
                "warning: --live edits the generation that clients use; they may see stale file handles until reboot")
        }
        var shell = Shell(
            label: label, command: command, live: live, cache: cache,
            shipped: try ShippedFiles.locate(), version: Netroot.version)
        shell.echo = options.common.verbose
        if geteuid() != 0 {
            try shell.checkWithoutRoot()
            try await UserNamespace.reenter(environment: ["NETROOT_CACHE": cache])
        }
        let ready = shell
        let outcome = try await Interruption.cancelling { try await ready.run(progress: progress) }
        FileWriter.standardOutput.write(Report.shell(label.name, outcome))
        if case .dropped = outcome { throw ExitCode(ExitStatus.failed.rawValue) }
        if case .edited(_, let termination, _) = outcome, termination != .exited(0) {
            throw ExitCode(ExitStatus.failed.rawValue)
        }
    }
}
