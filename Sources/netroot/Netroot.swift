import ArgumentParser
import Glibc
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
            GCCommand.self,
            ShellCommand.self, InstallCommand.self, StartCommand.self, TestCommand.self, ServeCommand.self,
            ProbeCommand.self, PackCommand.self, InspectCommand.self,
        ])

    /// The version, as `--version` prints it and the manifest records it.
    static let version = "0.1.0"

    /// Parses and runs; every error ends with its own exit status.
    static func main() async {
        // A reader that went away, as in `netroot … | head`, must not end netroot before it has undone things.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot(verbFirst(Array(CommandLine.arguments.dropFirst())))
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
        return ShortForms.expanded([verb]) + options + rest
    }

    private static func fail(_ message: String, _ status: ExitStatus) -> Never {
        FileWriter.standardError.write(message + "\n")
        Glibc.exit(status.rawValue)
    }
}
