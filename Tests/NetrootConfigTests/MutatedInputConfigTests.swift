import NetrootSystem
import TestSupport
import Testing

@testable import NetrootConfig

@Suite(.serialized) struct MutatedInputConfigTests {
    @Test("The reader of hosts files takes or refuses what was changed in one")
    func hostsFiles() throws {
        let transports: [TransportName] = ["nfs", "nbd", "http", "iscsi"]
        let seeds = [
            "[DEFAULT]\nRECIPE = recipes/${label}.def\nTFTPBOOT = ${base}/tftp\n[node]\nNETROOT = /srv/${label}\n"
                + "FORMAT = tree squashfs\nTRANSPORTS = nfs, nbd\nEXTRA_CMDLINE = quiet\n    \"dyndbg=file nfs.c +p\"\n",
            "# comment\n[a]\nRECIPE=a.def\nCOMPRESSION=xz:6\nBLOCK_SIZE=128k\nCACHE_SIZE=2g\nRW=N\nDEBUG=y\n"
                + "VM_MEMORY=512\nOVERLAY_SIZE=50%\nCONTAINER_STORAGE=none\nMACHINE_ID=stable\nEXTRA_QEMU=-smp 2\n",
        ]
        let tokens =
            HostsKey.allCases.map { "\n\($0.rawValue) = " } + [
                "[DEFAULT]\n", "[b]\nRECIPE=b\n", "${base}", "${label}", "${", "}", "\n    ", "\"", "'", "\\",
                "16777217", "101%",
                "9999999999999t", "zstd:23", "/../../", "~",
            ]
        try MutatedInput("hosts file", seeds: seeds.map { Array($0.utf8) }, tokens: tokens).run { bytes in
            for label in try HostsFile(bytes: bytes, path: "/srv/hosts.conf", transports: transports).labels {
                #expect(label.netroot.hasPrefix("/") && label.recipe.hasPrefix("/"))
            }
            return true
        }
    }

    @Test("The reader of files of build arguments takes or refuses what was changed in one")
    func buildArguments() throws {
        let seed = "# comment\nVERSION=12\n\nNAME = a b\nQUOTED=\"x=y\"\nVERSION=13\n"
        try MutatedInput(
            "file of build arguments", seeds: [Array(seed.utf8)], tokens: ["=", "\n", "\r\n", "#", "\0", "A=1\n"]
        )
        .run { bytes in
            let (values, _) = try BuildArgument.values(in: bytes, path: "arguments")
            return values.keys.allSatisfy { !$0.isEmpty }
        }
    }

    @Test("The reader of recipes takes or refuses what was changed in one")
    func recipes() throws {
        let seeds = [
            "Bootstrap: docker\nFrom: a:{{ V }}\nStage: one\n%arguments\n  V=1\n%post -c /bin/bash\n  echo {{ V }}\n"
                + "Bootstrap: debootstrap\nOSVersion: bookworm\nInclude: a \\\n  b\n%files from one\n  \"x y\" z\n"
                + "%appinstall foo\n  true\n%labels\n  A b\n",
            "Bootstrap: dnf\nMirrorURL: http://mirror.example.org/%{OSVERSION}/\nOSVersion: 9\nInclude: dracut\n"
                + "Setopt: gpgkey=file:///key\nFingerprints: 0123456789ABCDEF0123456789ABCDEF01234567\n%help\nx\n%environment\nA=1\n",
            "Bootstrap: localimage\nFrom: label:base\n%setup\ntrue\n%test\ntrue\n",
        ]
        let tokens = [
            "%post\n", "\n%files\n", "%files from one\n", "%arguments\n", "{{ ", " }}", "{{ V }}", "Stage: ", "%{",
            "\\\n", "\"",
            "Bootstrap: ", "arch\n", "zypper\n", "oci-archive\n", "From: ", "Include: ", "UpdateURL: ",
            "AptOpt: A::B=c\n", " -c ", "\r\n",
        ]
        try MutatedInput("recipe", seeds: seeds.map { Array($0.utf8) }, tokens: tokens).run { bytes in
            try Recipe(bytes: bytes, path: "r.def", arguments: [:]).checkBuildable()
            return true
        }
    }

    @Test("What is given for a compression, a size or a build argument is taken or refused")
    func settings() throws {
        let seeds = ["zstd:9", "xz", "gzip:1", "128k", "1m", "4096", "NAME=value"]
        try MutatedInput("settings", seeds: seeds.map { Array($0.utf8) }, isError: { $0 is BlockSettingError }).run {
            bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            if BuildArgument.pair(text) != nil { return true }
            do {
                _ = try BlockSize(parsing: text)
            } catch {
                _ = try BlockCompression(parsing: text)
            }
            return true
        }
    }
}
