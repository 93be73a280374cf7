import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

@Suite(.serialized) struct MutatedInputBuildTests {
    @Test("The reader of container images takes or refuses what was changed in a description")
    func imageLayouts() throws {
        let scratch = try ScratchDirectory()
        let layer = String(repeating: "c", count: 64)
        let config =
            #"{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:\#(layer)"]}}"#
        /// Under the name that its content asks for: whoever makes an image says what its digests are.
        func blob(_ bytes: [UInt8]) throws -> String {
            let digest = try Digest.of(bytes).hexadecimal
            try overwrite("\(scratch.path)/blobs/sha256/\(digest)", bytes)
            return digest
        }
        func manifest(_ config: String) -> String {
            #"{"schemaVersion":2,"config":{"digest":"sha256:\#(config)"},"layers":[{"digest":"sha256:\#(layer)"}]}"#
        }
        try Files.makeDirectory(scratch.path + "/blobs/sha256")
        let usual = manifest(try blob(Array(config.utf8)))
        let tokens = [
            "null", "[]", "sha256:", "sha512:", "../", "\"", String(repeating: "[", count: 1000), "\\uD800", "arm64",
        ]
        func run(_ reader: String, _ text: String, manifest: ([UInt8]) throws -> [UInt8]) throws {
            try MutatedInput(reader, seeds: [Array(text.utf8)], tokens: tokens).run { bytes in
                let digest = try blob(try manifest(bytes))
                _ = try ImageLayout(directory: scratch.path, digest: "sha256:\(digest)", from: "image")
                return true
            }
        }
        try run("manifest of a container", usual) { $0 }
        try run("configuration of a container", config) { Array(manifest(try blob($0)).utf8) }
    }

    @Test("The readers of lists of packages take what was changed in one")
    func packages() throws {
        let tokens = ["\t", "\n", "installed", "gpg-pubkey", "%NAME%\n", ":"]
        func run(_ reader: String, _ text: String, _ read: (String) -> Bool) throws {
            try MutatedInput(reader, seeds: [Array(text.utf8)], tokens: tokens).run {
                read(String(decoding: $0, as: UTF8.self))
            }
        }
        try run("dpkg-query", "bash:amd64\t5.2\tamd64\tinstalled\nzsh\t5\tall\tdeinstall\n") {
            !PackageList.parse($0).isEmpty
        }
        try run("rpm -qa", "bash\t1:5.2-3\tx86_64\ngpg-pubkey\t1-2\t(none)\n") { !PackageList.parseRPM($0).isEmpty }
        try run("pacman's desc", "%NAME%\nbash\n\n%VERSION%\n5.2-1\n\n%ARCH%\nx86_64\n") {
            PackageList.parsePacman($0) != nil
        }
        try run("gpg's listing", "pub:u:4096:1:A:1:::u:::scESC:\nfpr:::::::::0123456789ABCDEF:\nsub:u:\n") {
            !RPMKeys.fingerprints(inColons: $0).isEmpty
        }
    }

    @Test("The readers of unit masks, pacman.conf and skopeo's log take or refuse what was changed in one")
    func texts() throws {
        let masks = "# comment\nsystemd-timesyncd.service\nfwupd.service on-demand\n"
        try MutatedInput("unit masks", seeds: [Array(masks.utf8)], tokens: ["on-demand", "#", "\n", " "]).run { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            _ = UnitMasks.actions(inRecord: text)
            return try !UnitMasks.candidates(text, path: "/masks").isEmpty
        }
        let conf = PacmanConfig.standard() + "[own]\nSigLevel = Optional\nServer = file:///x\nXferCommand = curl\n"
        try MutatedInput(
            "pacman.conf", seeds: [Array(conf.utf8)], tokens: ["[options]", "=", "SigLevel", "#", "Include"]
        ).run {
            bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            return !PacmanConfig(text, mirror: "http://mirror.example.org", takesUnsigned: false).repositories.isEmpty
        }
        let log = #"time="2026-11-21T09:14:04Z" level=fatal msg="reading manifest 1 in x: manifest unknown: \"x\"""#
        try MutatedInput("skopeo's log", seeds: [Array(log.utf8)], tokens: ["msg=\"", "\\\"", "\"", "x509:"]).run {
            bytes in
            let line = String(decoding: bytes, as: UTF8.self)
            let error = CommandError.failed(argv: ["skopeo"], termination: .exited(1), lastLines: [line], log: "log")
            return ContainerError.explained(error, image: "x") is ContainerError
        }
    }
}
