import NetrootConfig
import NetrootEntry
import NetrootStore
import TestSupport
import Testing

@testable import NetrootBuild

/// Which outputs a label's FORMAT and TRANSPORTS choose.
@Suite struct OutputsTests {
    private func label(_ lines: String) throws -> Label {
        try HostsFile(text: "[a]\nRECIPE = a.def\n\(lines)", path: "/hosts.conf", transports: Transports.shipped.names)
            .label("a")
    }

    private func outputs(_ lines: String) throws -> Outputs {
        try Outputs(of: try label(lines), transports: .shipped, cache: "/cache")
    }

    @Test(arguments: [
        ("", [Label.Format.tree]), ("FORMAT = squashfs", [.squashfs]), ("FORMAT = squashfs tree", [.tree, .squashfs]),
        ("TRANSPORTS = nfs nbd", [.tree, .squashfs]), ("TRANSPORTS = http", [.tree, .squashfs]),
        ("FORMAT = squashfs\nTRANSPORTS = nfs nbd http iscsi", [.squashfs]),
        ("FORMAT = tree squashfs\nTRANSPORTS = nbd", [.tree, .squashfs]),
    ])
    func thoseOfTheFormatAndTheTransports(lines: String, formats: [Label.Format]) throws {
        #expect(try outputs(lines).chosen.map(\.format) == formats)
    }

    /// Every word of FORMAT has an output, or a label that names it would get nothing.
    @Test func everyFormatHasOne() throws {
        let all = Outputs.all(of: try label(""), cache: "/cache")
        #expect(Set(all.map(\.format)) == Set(Label.Format.allCases) && all.count == Label.Format.allCases.count)
        // And every kind comes from one output: of two the later would overwrite the artifact of the earlier.
        let kinds = all.flatMap(\.kinds)
        #expect(kinds.count == Set(kinds).count)
    }

    @Test func aTreeNeedsRoot() throws {
        #expect(try outputs("").needRoot && outputs("FORMAT = squashfs tree").needRoot)
        #expect(try !outputs("FORMAT = squashfs\nTRANSPORTS = nfs nbd").needRoot)
    }

    @Test func aManifestFitsWhenEveryArtifactWouldBeTheSame() throws {
        let kernel = Manifest.Artifact(.kernel, bytes: 1, sha256: "00")
        let initramfs = Manifest.Artifact(.initramfs, bytes: 1, sha256: "00")
        func manifest(_ artifacts: Manifest.Artifact...) -> Manifest {
            Manifest(
                label: "a", generation: 1, formats: [], artifacts: [kernel, initramfs] + artifacts, transports: [],
                readWrite: false, origin: .init(verb: "build"), recipe: .init(path: "/a.def", sha256: "00"),
                bootstrap: .init(agent: "scratch"), privileged: .init(setuid: 0, setgid: 0, capabilities: 0),
                shipped: "00", kernelVersion: "6", packages: [], netroot: "0", started: "", finished: "", steps: [])
        }
        let tree = Manifest.Artifact(.tree, bytes: 1)
        func squashfs(_ compression: String, _ blockSize: Int) -> Manifest.Artifact {
            .init(
                .squashfs, bytes: 1, sha256: "00",
                image: .init(compression: compression, blockSize: blockSize, unpackedBytes: 1))
        }
        #expect(try outputs("").fit(manifest(tree)))
        #expect(try !outputs("").fit(manifest(tree, squashfs("zstd:9", 1 << 20))))
        #expect(try !outputs("TRANSPORTS = nbd").fit(manifest(tree)))
        #expect(try outputs("TRANSPORTS = nbd").fit(manifest(tree, squashfs("zstd:9", 1 << 20))))
        #expect(try outputs("FORMAT = squashfs").fit(manifest(squashfs("zstd:9", 1 << 20))))
        #expect(try !outputs("FORMAT = squashfs").fit(manifest(squashfs("zstd:8", 1 << 20))))
        #expect(try !outputs("FORMAT = squashfs").fit(manifest(squashfs("zstd:9", 1 << 17))))
    }
}
