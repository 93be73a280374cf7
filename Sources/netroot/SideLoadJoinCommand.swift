import ArgumentParser
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree

struct SideLoadJoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Append side-loads to an image, in a new file.",
        discussion: """
            Checks them first, as netroot sideload check does, and puts zero bytes between
            them where the kernel needs some. Of files that are all compressed, but not by
            lz4, cat image sideload > file does the same.

            Example:
              netroot sideload join rescue.cpio.zst site.cpio.zst -o all.cpio.zst
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var json: JSONOption
    @Argument(help: ArgumentHelp("An archive, a generation's directory, or a label.", valueName: "image"))
    var image: String
    @Argument(help: ArgumentHelp("Side-loads, in their order.", valueName: "sideload"), completion: .file())
    var sideloads: [String]
    @Option(name: .shortAndLong, help: ArgumentHelp("The new file.", valueName: "file"), completion: .file())
    var output: String
    @Flag(name: .long, help: "Do not check them.")
    var noCheck = false

    func run() async throws {
        let subject = try SideLoadSubject(image, common)
        let path = try CommonOptions.absolute(output)
        if !noCheck {
            try SideLoadText.refuse(try await Interruption.cancelling { try await subject.check(sideloads) })
        }
        let bytes = try await Interruption.cancelling {
            try InitramfsJoin.write([subject.target.archive] + sideloads, to: path)
        }
        let row = JoinedRow(path: path, bytes: bytes)
        FileWriter.standardOutput.write(json.json ? try JSON.text(row) : "\(path): \(bytes) bytes\n")
    }
}

/// What `sideload join` wrote.
struct JoinedRow: Encodable {
    let path: String
    let bytes: Int64
}
