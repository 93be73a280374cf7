import NetrootSystem
import TestSupport
import Testing

@testable import NetrootBuild

@Suite struct ShippedFilesDigestTests {
    @Test func itIsThatOfTheLinesOfSHA256Sum() async throws {
        let scratch = try ScratchDirectory()
        let folder = scratch.path
        let shipped = ShippedFiles(directory: folder)
        let missing = #expect(throws: MissingError.self) { try shipped.digest() }
        #expect(
            missing?.description.hasPrefix("not installed: \(folder)/netroot-lease; build it: swift build ") == true)
        try Files.replace(folder + "/netroot-lease", with: [])
        #expect(throws: SystemError.self) { try shipped.digest() }
        for name in [
            "netroot-lease", "dracut-modules/95nfs/setup.sh", "dracut-modules/z", "root-files/tree/etc/a b",
            "ram-root/init", "libexec/run",
        ] {
            let path = "\(folder)/\(name)"
            try Files.makeDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
            try Files.replace(path, with: Array(name.utf8))
        }
        let find = Command(
            [
                "find", "netroot-lease", "dracut-modules", "root-files", "ram-root", "-type", "f", "-exec", "sha256sum",
                "--", "{}", "+",
            ],
            workingDirectory: folder)
        let lines = try await CommandRunner().capture(find).split(separator: "\n").sorted()
        #expect(lines.count == 5)
        let digest = try shipped.digest()
        #expect(try digest == Digest.of(Array(lines.joined(separator: "\n").utf8)))
        // What is not laid into roots does not count; a name, a content and a symlink's target do.
        try Files.replace(folder + "/libexec/run", with: Array("other".utf8))
        #expect(try shipped.digest() == digest)
        var seen = [digest]
        try Files.replaceLink(folder + "/root-files/link", target: "../one")
        seen.append(try shipped.digest())
        try Files.replaceLink(folder + "/root-files/link", target: "../two")
        seen.append(try shipped.digest())
        try Files.move(folder + "/dracut-modules/z", to: folder + "/dracut-modules/y")
        seen.append(try shipped.digest())
        try Files.replace(folder + "/netroot-lease", with: Array("newer".utf8))
        seen.append(try shipped.digest())
        try Files.replace(folder + "/dracut-modules/y", with: [])
        seen.append(try shipped.digest())
        #expect(Set(seen).count == seen.count)
    }
}
