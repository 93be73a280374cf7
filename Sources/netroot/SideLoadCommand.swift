import ArgumentParser

struct SideLoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sideload", abstract: "Make, check and append the files of a site.",
        discussion: """
            A side-load is an archive behind an initramfs, or behind a rescue archive. What
            lies below netroot/overlay/ in it is laid over the root before that starts.

            Examples:
              netroot sideload create -o site.cpio.zst --authorized-keys admins.pub
              netroot sideload check rescue site.cpio.zst
              netroot sideload join rescue.cpio.zst site.cpio.zst -o all.cpio.zst
            """,
        subcommands: [SideLoadCreateCommand.self, SideLoadCheckCommand.self, SideLoadJoinCommand.self])
}
