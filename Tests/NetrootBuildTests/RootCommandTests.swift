import Glibc
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

@Suite struct RootCommandTests {
    private let scratch: ScratchDirectory
    private let inRoot: RootCommand

    init() throws {
        scratch = try ScratchDirectory()
        inRoot = RootCommand(root: scratch.path + "/root", shipped: ShippedFiles(directory: scratch.path))
        try Files.makeDirectory(inRoot.root)
    }

    @Test("What a section's environment holds is on no command line, which every user can read")
    func noVariablesInArguments() throws {
        let secret = "http://user:hunter2@proxy.example.org:3128"
        for hasScripts in [false, true] {
            let tree = RootTree(directory: inRoot.root)
            if hasScripts { try tree.write(".singularity.d/env/10-docker2singularity.sh", "") }
            let command = try inRoot.commandInEnvironment(["true"], environment: ["http_proxy": secret])
            #expect(!command.argv.contains { $0.contains("hunter2") || $0.hasPrefix("PATH=") })
            #expect(command.environment["http_proxy"] == secret && command.environment["HOME"] == "/root")
            #expect(!command.inheritsEnvironment)
            #expect(command.argv.contains("/run/netroot-with-environment") == hasScripts)
        }
    }

    @Test("The scripts of an image are read by the root's bash, and by its sh where it has none")
    func theShell() throws {
        let tree = RootTree(directory: inRoot.root)
        try tree.write(".singularity.d/env/90-environment.sh", "")
        #expect(try inRoot.commandInEnvironment(["true"]).argv.contains("/bin/sh"))
        try tree.write("usr/bin/bash", "")
        try tree.link("bin", to: "usr/bin")
        #expect(try inRoot.commandInEnvironment(["true"]).argv.contains("/bin/bash"))
    }
}
