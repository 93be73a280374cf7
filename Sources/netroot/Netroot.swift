import ArgumentParser
import Glibc
import NetrootConfig
import NetrootSystem

@main
struct Netroot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "netroot",
        abstract: "Turn a recipe into a machine that runs without a disk of its own.",
        discussion: """
            Example:
              netroot build debian12          recipe -> generation
              netroot install debian12        generation -> boot entries and exports
              netroot start debian12          a QEMU machine boots it by PXE
              netroot test debian12           the same, proved by the guest
              netroot test debian12 --all     by every transport and firmware

            Short forms: installnfs LABEL is install LABEL nfs, startnbd LABEL is start LABEL nbd, and so on.

            Exit status:
              0    done
              1    it failed
              64   the command line, the hosts file or the recipe is wrong
              69   a tool or service is missing
              75   locked by another run
              130  interrupted, and undone
            """,
        version: version,
        subcommands: [
            ListCommand.self, RecipeCommand.self, BuildCommand.self, GenerationsCommand.self, DiffCommand.self,
            RollbackCommand.self,
            GCCommand.self, ClientsCommand.self,
            ShellCommand.self, InstallCommand.self, StartCommand.self, TestCommand.self, ServeCommand.self,
            ProbeCommand.self, PackCommand.self, InspectCommand.self, SideLoadCommand.self,
        ])

    /// The version, as `--version` prints it and the manifest records it.
    static let version = "0.1.0"

    /// Runs everything in a task, and not in an `async` main: before that one begins, libdispatch has begun.
    static func main() {
        // Before there are other threads, which inherit the signal mask.
        let mask = CallerState.reset()
        // libdispatch's manager thread asks for a raised priority (setpriority(2)), which a service may not have, and
        // each refusal goes to the system's log. There is no other way to be without them. Only for what runs for
        // months, and starts no programs, which would inherit the variable.
        if CommandLine.arguments.contains("serve") { setenv("LIBDISPATCH_LOG", "NO", 0) }
        Task.detached(priority: .medium) {
            await run(mask)
            Glibc.exit(0)
        }
        // A signal that is handled ends it.
        while true { pause() }
    }

    /// Parses and runs; every error ends with its own exit status.
    /// - Parameter mask: the caller's umask.
    private static func run(_ mask: UInt32) async {
        // A reader that went away, as in `netroot … | head`, must not end netroot before it has undone things.
        signal(SIGPIPE, SIG_IGN)
        do {
            let arguments = verbFirst(Array(CommandLine.arguments.dropFirst()))
            try checkFirst(of: arguments)
            var command = try parsed(arguments)
            if let verb = command as? any LabelVerb { await verb.removeLeftovers() }
            // The image is a file of the caller's own, as with other programs that pack.
            if command is PackCommand { umask(mode_t(mask)) }
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as any ReportableError {
            fail("netroot: \(error.description)", error.exitStatus)
        } catch is CancellationError {
            fail("netroot: interrupted; what was started has been undone", .interrupted)
        } catch let code as ExitCode {
            Glibc.exit(code.rawValue)
        } catch {
            let message = fullMessage(for: error)
            let status = exitCode(for: error)
            if status == .success {
                FileWriter.standardOutput.write(message.isEmpty ? "" : message + "\n")
                Glibc.exit(0)
            }
            let usage = status == .validationFailure
            fail(message.isEmpty ? "netroot: \(error)" : message, usage ? .usage : .failed)
        }
    }

    /// The arguments with the options that stand before the verb, `--hosts FILE` and `-v`, put behind it, where the
    /// verbs declare them.
    static func verbFirst(_ arguments: [String]) -> [String] {
        var options: [String] = []
        var rest = arguments[...]
        while let option = rest.first, option.hasPrefix("--hosts") || option == "-v" || option == "--verbose" {
            options.append(rest.removeFirst())
            if option == "--hosts", let value = rest.popFirst() { options.append(value) }
        }
        guard let verb = rest.popFirst() else { return arguments }
        guard verb != "help" else { return ShortForms.expanded([verb] + rest) }
        var words = ShortForms.expanded([verb])
        // The verbs of a verb declare them, and it does not.
        let parts =
            configuration.subcommands.first { $0.configuration.commandName == verb }?.configuration.subcommands ?? []
        if let part = rest.first, parts.contains(where: { $0.configuration.commandName == part }) {
            words.append(rest.removeFirst())
        }
        return words + options + rest
    }

    /// What may stand where a verb is expected, besides verbs: ArgumentParser's own, and the options of every verb.
    private static let options = [
        "--hosts", "-v", "--verbose", "-h", "--help", "--help-hidden", "--version", "--generate-completion-script",
        "--experimental-dump-help",
    ]

    /// Throws for a first word that is neither a verb nor an option, with the nearest that there is. Options of a verb are
    /// ArgumentParser's to check.
    static func checkFirst(of arguments: [String]) throws {
        // Three dashes are ArgumentParser's own requests for completions.
        guard let word = arguments.first, !word.hasPrefix("---") else { return }
        if word.hasPrefix("-") {
            let name = String(word.prefix { $0 != "=" })
            guard !options.contains(name) else { return }
            throw OptionError(problem: "unknown option '\(name)' before the verb", hint: hint(name, among: options))
        }
        let verbs = configuration.subcommands.compactMap { verb in verb.configuration.commandName } + ["help"]
        guard !verbs.contains(word) else { return }
        throw OptionError(problem: "unknown verb '\(word)'", hint: hint(word, among: verbs + ShortForms.all))
    }

    /// The command; where the arguments are wrong, and an option among them is unknown, the error is about that option:
    /// ArgumentParser may name a missing argument first.
    private static func parsed(_ arguments: [String]) throws -> any ParsableCommand {
        do {
            return try parseAsRoot(arguments)
        } catch {
            let verb = configuration.subcommands.first { verb in verb.configuration.commandName == arguments.first }
            guard exitCode(for: error) == .validationFailure, let verb else { throw error }
            let help = ([verb] + verb.configuration.subcommands).map { helpMessage(for: $0) }.joined(separator: "\n")
            let known = help.split { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-")) }
                .filter { $0.hasPrefix("--") }.map(String.init)
            for word in arguments.dropFirst().prefix(while: { $0 != "--" }) where word.hasPrefix("--") {
                let name = String(word.prefix { $0 != "=" })
                guard !known.contains(name), name != "--\(ShortFormOption.name)" else { continue }
                throw OptionError(
                    problem: "\(arguments[0]): unknown option '\(name)'",
                    hint: nearestName(to: name, among: known).map { "did you mean '\($0)'?" }
                        ?? "netroot \(arguments[0]) --help lists what there is")
            }
            throw error
        }
    }

    private static func hint(_ word: String, among known: [String]) -> String {
        nearestName(to: word, among: known).map { "did you mean '\($0)'?" } ?? "netroot --help lists what there is"
    }

    private static func fail(_ message: String, _ status: ExitStatus) -> Never {
        FileWriter.standardError.write(message + "\n")
        Glibc.exit(status.rawValue)
    }
}
