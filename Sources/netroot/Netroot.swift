import ArgumentParser

@main
struct Netroot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "netroot", abstract: "Turn a recipe into a machine that runs without a disk of its own.")
}
