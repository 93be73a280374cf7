import TestSupport
import Testing

@testable import NetrootConfig

private let transports: [TransportName] = ["nfs", "nbd", "http", "iscsi"]

private func parse(_ text: String) throws(ConfigError) -> HostsFile {
    try HostsFile(text: text, path: "/etc/netroot/hosts.conf", transports: transports)
}

/// A hosts file with one label, whose section ends with the given lines.
private func label(_ lines: String) throws -> Label {
    try #require(try parse("[a]\nRECIPE = r.def\n" + lines).labels.first)
}

@Suite struct HostsFileTests {
    @Test func documentedDefaults() throws {
        let label = try label("")
        #expect(label.name == "a")
        #expect(label.line == 1)
        #expect(label.netroot == "/etc/netroot/netroots/a")
        #expect(label.recipe == "/etc/netroot/r.def")
        #expect(label.tftpboot == "/etc/netroot/tftpboot")
        #expect(label.formats == [.tree])
        #expect(!label.rw)
        #expect(!label.debug)
        #expect(label.extraQEMU.isEmpty)
        #expect(label.extraCommandLine.isEmpty)
        #expect(label.vmMemory == 2048)
        #expect(label.overlaySize == "50%")
        #expect(label.containerStorage == nil)
        #expect(label.machineID == .random)
        #expect(!label.keepsPackageCaches)
        #expect(label.allowSecrets.isEmpty)
    }

    @Test func labelOverridesDefault() throws {
        let file = try parse(
            """
            # a comment
            [DEFAULT]
            recipe = ${base}/recipes/${label}.def
            VM_MEMORY=512
            EXTRA_QEMU = -m 1
            ; another
            [b]
            Vm_Memory = 1024
            EXTRA_QEMU =
            [a]  # behind the header

            """)
        #expect(file.labels.map(\.name) == ["b", "a"])
        #expect(file.labels.map(\.recipe) == ["/etc/netroot/recipes/b.def", "/etc/netroot/recipes/a.def"])
        #expect(file.labels.map(\.vmMemory) == [1024, 512])
        #expect(file.labels.map(\.extraQEMU) == [[], ["-m", "1"]])
    }

    @Test func defaultMayStandLast() throws {
        #expect(try parse("[a]\n[DEFAULT]\nRECIPE=x").label("a").recipe == "/etc/netroot/x")
    }

    @Test func indentedLinesContinue() throws {
        let label = try label(
            "EXTRA_CMDLINE = quiet\n  rw=1\n# between\n  # indented comment\n\n\tdebug\nEXTRA_QEMU =\n  -smp 2\n")
        #expect(label.extraCommandLine == ["quiet", "rw=1", "debug"])
        #expect(label.extraQEMU == ["-smp", "2"])
    }

    @Test func carriageReturnsAndByteOrderMark() throws {
        let file = try parse("\u{FEFF}[a]\r\nRECIPE = x y.def\r\nRW = Y\r\n")
        #expect(try file.label("a").recipe == "/etc/netroot/x y.def")
        #expect(try file.label("a").rw)
    }

    @Test(arguments: [
        ("x", "/etc/netroot/x"), ("./x/../y//z/", "/etc/netroot/y/z"), ("../../../../x", "/x"), ("/srv/./a/..", "/srv"),
        ("${base}/${label}", "/etc/netroot/a"), ("/x$y", "/x$y"), ("/é ü", "/é ü"),
    ])
    func paths(text: String, path: String) throws {
        #expect(try label("NETROOT = \(text)").netroot == path)
    }

    @Test(arguments: [
        ("Y", true), ("yes", true), ("1", true), ("TRUE", true), ("n", false), ("No", false), ("0", false),
        ("false", false),
    ])
    func booleans(text: String, value: Bool) throws {
        #expect(try label("RW = \(text)").rw == value)
        #expect(try label("DEBUG = \(text)").debug == value)
    }

    @Test(arguments: ["1%", "100%", "1m", "512m", "2G", "1048576", "1024k"])
    func overlaySizes(text: String) throws {
        #expect(try label("OVERLAY_SIZE = \(text)").overlaySize == text.lowercased())
    }

    @Test(arguments: ["none", "None", "1%", "512m", "2G"])
    func containerStorage(text: String) throws {
        #expect(try label("CONTAINER_STORAGE = \(text)").containerStorage == text.lowercased())
    }

    @Test func packageCachesAreKeptWhereTheLabelSaysSo() throws {
        #expect(try label("KEEP_PACKAGE_CACHES = y").keepsPackageCaches)
        #expect(throws: ConfigError.self) { try label("KEEP_PACKAGE_CACHES = apt") }
    }

    @Test func allowedSecretsAreWords() throws {
        #expect(
            try label("ALLOW_SECRETS = /etc/app/*.pem '/srv/two words'\n    /opt/keys/").allowSecrets
                == ["/etc/app/*.pem", "/srv/two words", "/opt/keys/"])
    }

    @Test("An archive of the whole root is made where FORMAT asks for it, or a transport that boots nothing else")
    func archives() throws {
        func file(_ lines: String) throws -> Label {
            try HostsFile(
                text: "[a]\nRECIPE = r.def\n" + lines, path: "/h.conf", transports: transports + [.ram]
            ).label("a")
        }
        #expect(try !file("FORMAT = squashfs\nTRANSPORTS = http nbd").makesArchive)
        for lines in ["FORMAT = squashfs\nTRANSPORTS = http ram", "FORMAT = tree initramfs\nTRANSPORTS = nfs"] {
            #expect(try file(lines).makesArchive)
            let error = try #require(throws: ConfigError.self) { try file(lines + "\nRW = Y") }
            #expect(error.line == 5 && error.description.contains("a root in RAM"), "\(error)")
        }
    }

    @Test func machineID() throws {
        #expect(try label("MACHINE_ID = Stable").machineID == .stable)
        #expect(try label("MACHINE_ID = random\nRW = Y").machineID == .random)
    }

    @Test("KERNEL is a pattern for the version of the kernel")
    func kernelPatterns() throws {
        #expect(try label("RW = N").kernel == nil)
        #expect(try label("KERNEL = *-cloud-amd64").kernel?.matches("6.1.0-40-cloud-amd64") == true)
        #expect(try label("kernel = 6.1.0-*").kernel?.matches("6.12.0-1-amd64") == false)
        #expect(try label("KERNEL = *+debug").kernel?.matches("5.14.0-427.el9.x86_64+debug") == true)
        #expect(try label("KERNEL = 6.[!0-5]*").kernel?.matches("6.6.63-1-lts") == true)
        #expect(try label("KERNEL = 6.[]6[:alpha:]]*").kernel?.matches("6.6.63-1-lts") == true)
        #expect(try label("KERNEL = 6.?.63-1-lts").kernel?.matches("6.12.63-1-lts") == false)
    }

    @Test func imageSettings() throws {
        let plain = try label("RW = N")
        #expect(plain.transports == ["nfs"])
        #expect("\(plain.compression)" == "zstd:9" && plain.blockSize.bytes == 1 << 20 && plain.cacheSize == 2 << 30)
        #expect(try label("TRANSPORTS = NFS, http nbd").transports == ["nfs", "http", "nbd"])
        #expect(try label("FORMAT = SquashFS").formats == [.squashfs])
        #expect(try label("FORMAT = squashfs, Tree").formats == [.squashfs, .tree])
        #expect(try label("COMPRESSION = XZ").compression == BlockCompression(parsing: "xz:6"))
        #expect(try label("COMPRESSION = lz4").compression.level == nil)
        #expect(try label("COMPRESSION = None").compression == BlockCompression(parsing: "none"))
        #expect(throws: ConfigError.self) { try label("COMPRESSION = none:1") }
        #expect(try label("BLOCK_SIZE = 128K").blockSize.bytes == 131_072)
        #expect(try label("BLOCK_SIZE = 4096").blockSize.description == "4k")
        #expect(try label("CACHE_SIZE = 0").cacheSize == 0)
    }

    @Test func variablesExpandAfterTheSplit() throws {
        let file = try HostsFile(
            text: "[a]\nRECIPE=r\nEXTRA_QEMU = -drive 'file=${base}/x'", path: "/my site/hosts.conf",
            transports: transports)
        #expect(try file.label("a").extraQEMU == ["-drive", "file=/my site/x"])
    }

    @Test func relativeFileNeedsADirectory() throws {
        #expect(throws: ConfigError.self) {
            try HostsFile(text: "[a]\nRECIPE=r", path: "hosts.conf", transports: transports)
        }
        let file = try HostsFile(text: "[a]\nRECIPE=r", path: "hosts.conf", directory: "/srv/", transports: transports)
        #expect(file.labels.first?.recipe == "/srv/r")
        #expect(
            try HostsFile(text: "[a]\nRECIPE=r", path: "/hosts.conf", transports: transports).labels.first?.recipe
                == "/r")
    }

    @Test func otherThanTextIsAnError() throws {
        let error = try #require(throws: ConfigError.self) {
            try HostsFile(bytes: Array("[a]\nRECIPE = ".utf8) + [0xFF], path: "/hosts.conf", transports: transports)
        }
        #expect(error.line == 2)
    }

    @Test func unknownLabel() throws {
        let file = try parse("[DEFAULT]\nRECIPE=r\n[debian12]\n[debian13]\n[centos]\n")
        let error = #expect(throws: ConfigError.self) { try file.label("debain13") }
        #expect(
            error?.description == "/etc/netroot/hosts.conf: no label 'debain13'; "
                + "did you mean 'debian13'? labels: debian12, debian13, centos")
        #expect(throws: ConfigError.self) { try parse("").label("x") }
        #expect(
            try #require(#expect(throws: ConfigError.self) { try file.label("zzz") }).hint?.hasPrefix("labels") == true)
    }

    /// Each row: the text, the line of the error, and what problem and hint must hold.
    static let mistakes: [(text: String, line: Int, words: [String])] = [
        ("RECIPE = x\n[a]", 1, ["before the first section"]),
        ("[a]\nRECIPPE = x", 2, ["unknown key 'RECIPPE'", "RECIPE?"]),
        ("[a]\nRECIPE = x\nTFTP_BOOT = y", 3, ["TFTP_BOOT", "TFTPBOOT?"]),
        ("[a]\nCOLOUR_OF_THE_CASE = x", 2, ["unknown key", "known keys: NETROOT, RECIPE"]),
        ("[a]\nRECIPE = x\nrecipe = y", 3, ["already set in line 2"]),
        ("[a]\nRECIPE = x\n\n[a]\n", 4, ["[a]", "line 1"]),
        ("[DEFAULT]\n[DEFAULT]", 2, ["line 1"]),
        ("[default]", 1, ["[DEFAULT]"]),
        ("[a", 1, ["']'"]),
        ("[a] b", 1, ["'b'"]),
        ("[]", 1, ["''"]),
        ("[.a]", 1, ["'.a'"]),
        ("[a/b]", 1, ["a/b"]),
        ("[ä]", 1, ["ä"]),
        ("[" + String(repeating: "a", count: 64) + "]", 1, ["63"]),
        ("[a]\nRECIPE", 2, ["KEY = value"]),
        ("[a]\n= x", 2, ["unknown key ''"]),
        ("[a]\n  RECIPE = x", 2, ["indent"]),
        ("  x", 1, ["indent"]),
        ("[a]\nRECIPE = x\n  RW = Y", 3, ["reads as a key", "indent"]),
        ("[a]\n", 1, ["no RECIPE"]),
        ("[a]\nRECIPE =", 2, ["no value"]),
        ("[a]\nRECIPE = ${bas}/x", 2, ["${bas}", "${base}"]),
        ("[a]\nRECIPE = ${base/x", 2, ["'}'"]),
        ("[a]\nRECIPE = ~/x", 2, ["~"]),
        ("[a]\nRECIPE=x\nRW = maybe", 3, ["RW", "maybe", "Y or N"]),
        ("[a]\nRECIPE=x\nRW = Y # really", 3, ["line of its own"]),
        ("[a]\nRECIPE=x\nFORMAT = uki", 3, ["not supported yet"]),
        ("[a]\nRECIPE=x\nFORMAT = tree, iso", 3, ["'iso' is not supported yet", "use tree, squashfs, initramfs"]),
        ("[a]\nRECIPE=x\nFORMAT = tree squashfs Tree", 3, ["'Tree' is named twice"]),
        ("[a]\nRECIPE=x\nFORMAT = ,", 3, ["names no format", "write tree"]),
        ("[a]\nRECIPE=x\nFORMAT = tree squashf", 3, ["unknown format 'squashf'", "did you mean 'squashfs'?"]),
        ("[a]\nRECIPE=x\nTRANSPORTS = nfs http nfs", 3, ["nfs", "twice"]),
        ("[a]\nRECIPE=x\nTRANSPORTS = ndb", 3, ["unknown transport 'ndb'", "did you mean 'nbd'"]),
        ("[a]\nRECIPE=x\nTRANSPORTS = ,", 3, ["no transport"]),
        ("[a]\nRECIPE=x\nCOMPRESSION = zst:9", 3, ["did you mean 'zstd'"]),
        ("[a]\nRECIPE=x\nCOMPRESSION = zstd:23", 3, ["no level '23'", "zstd:1 to zstd:22"]),
        ("[a]\nRECIPE=x\nCOMPRESSION = zstd:", 3, ["no level ''"]),
        ("[a]\nRECIPE=x\nCOMPRESSION = gzip:0", 3, ["gzip:1 to gzip:9"]),
        ("[a]\nRECIPE=x\nCOMPRESSION = lz4:9", 3, ["no levels"]),
        ("[a]\nRECIPE=x\nBLOCK_SIZE = 2m", 3, ["power of two"]),
        ("[a]\nRECIPE=x\nBLOCK_SIZE = 2048", 3, ["power of two"]),
        ("[a]\nRECIPE=x\nBLOCK_SIZE = 100k", 3, ["power of two"]),
        ("[a]\nRECIPE=x\nBLOCK_SIZE = 9999999999999999m", 3, ["power of two"]),
        ("[a]\nRECIPE=x\nCACHE_SIZE = lots", 3, ["CACHE_SIZE", "2g"]),
        ("[a]\nRECIPE=x\nFORMAT = tre", 3, ["unknown format", "tree"]),
        ("[a]\nRECIPE=x\nVM_MEMORY = 2G", 3, ["2G", "MiB"]),
        ("[a]\nRECIPE=x\nVM_MEMORY = 127", 3, ["127"]),
        ("[a]\nRECIPE=x\nVM_MEMORY = -512", 3, ["-512"]),
        ("[a]\nRECIPE=x\nVM_MEMORY = 99999999999999999999", 3, ["MiB"]),
        ("[a]\nRECIPE=x\nOVERLAY_SIZE = 0", 3, ["tmpfs"]),
        ("[a]\nRECIPE=x\nOVERLAY_SIZE = 101%", 3, ["tmpfs"]),
        ("[a]\nRECIPE=x\nOVERLAY_SIZE = 512", 3, ["tmpfs"]),
        ("[a]\nRECIPE=x\nOVERLAY_SIZE = 2 g", 3, ["tmpfs"]),
        ("[a]\nRECIPE=x\nOVERLAY_SIZE = 9999999999999g", 3, ["tmpfs"]),
        ("[a]\nRECIPE=x\nOVERLAY_SIZE = 1g,mode=0777", 3, ["tmpfs"]),
        ("[a]\nRECIPE=x\nCONTAINER_STORAGE = all", 3, ["CONTAINER_STORAGE", "tmpfs", "or none"]),
        ("[a]\nRECIPE=x\nCONTAINER_STORAGE = 0", 3, ["tmpfs"]),
        ("[a]\nRECIPE=x\nCONTAINER_STORAGE = 50%,mode=0777", 3, ["tmpfs"]),
        ("[a]\nRECIPE=x\nALLOW_SECRETS = etc/x", 3, ["'etc/x' is not an absolute path", "/etc/x"]),
        ("[a]\nRECIPE=x\nALLOW_SECRETS = /etc/x /*", 3, ["'/*' allows every file"]),
        ("[a]\nRECIPE=x\nALLOW_SECRETS =", 3, ["ALLOW_SECRETS", "no value"]),
        ("[a]\nRECIPE=x\nMACHINE_ID = stabel", 3, ["MACHINE_ID", "'stable'"]),
        ("[a]\nRECIPE=x\nMACHINE_ID = 0123456789abcdef", 3, ["random or stable"]),
        ("[a]\nRECIPE=x\nRW = Y\nMACHINE_ID = stable", 4, ["MACHINE_ID", "overlay", "RW = Y"]),
        ("[DEFAULT]\nMACHINE_ID = stable\n[a]\nRECIPE=x\nRW = Y", 2, ["MACHINE_ID", "RW = Y"]),
        ("[a]\nRECIPE=x\nKERNEL =", 3, ["KERNEL", "has no value"]),
        ("[a]\nRECIPE=x\nKERNEL = 6.[0-9", 3, ["KERNEL", "a '[' without its ']'"]),
        ("[a]\nRECIPE=x\nKERNEL = 6.[!]", 3, ["KERNEL", "a '[' without its ']'"]),
        ("[a]\nRECIPE=x\nKERNEL = 6.[[:digit:]", 3, ["KERNEL", "a '[' without its ']'"]),
        ("[a]\nRECIPE=x\nKERNEL = 6.1\\", 3, ["KERNEL", "ends with a backslash"]),
        ("[a]\nRECIPE=x\nKERNEL = *-amd64 *-lts", 3, ["KERNEL", "more than one pattern"]),
        ("[a]\nRECIPE=x\nKERNEL = *-lts # stable", 3, ["KERNEL", "a comment needs a line of its own"]),
        ("[a]\nRECIPE=x\nKERNEL = /boot/vmlinuz-6.1", 3, ["KERNEL", "is a path"]),
        ("[a]\nRECIPE=x\nKERNEL = linux-image-6.1*", 3, ["KERNEL", "leave out 'linux-image-'"]),
        ("[DEFAULT]\nKERNEL = [\n[a]\nRECIPE=x\nKERNEL = *", 2, ["KERNEL"]),
        ("[a]\nRECIPE=x\nKERNAL = *", 3, ["did you mean KERNEL?"]),
        ("[a]\nRECIPE=x\nEXTRA_QEMU = 'a", 3, ["EXTRA_QEMU", "'"]),
        ("[a]\nRECIPE=x\nEXTRA_CMDLINE = a \\", 3, ["backslash"]),
        ("[DEFAULT]\nVM_MEMORY=x\n[a]\nRECIPE=x\nVM_MEMORY=512", 2, ["VM_MEMORY"]),
        ("[a]\nRECIPE=x\u{0}", 2, ["binary"]),
        ("[a]\nRECIPE=x\nOVERLAY_SIZE=0\nVM_MEMORY=0\nNETROOT=~/x", 3, ["OVERLAY_SIZE"]),
    ]

    @Test(arguments: mistakes.indices)
    func mistake(index: Int) throws {
        let row = Self.mistakes[index]
        let error = try #require(throws: ConfigError.self) { try parse(row.text) }
        #expect(error.line == row.line, "\(error)")
        for word in row.words { #expect(error.description.contains(word), "\(error)") }
        #expect(!error.description.contains("\n"))
    }

    @Test func randomTextNeverCrashes() {
        var random = SeededRandom(seed: 1)
        let pieces = [
            "[", "]", "DEFAULT", "a", "=", "\n", "\n", " ", "\t", "${", "}", "base", "RECIPE", "EXTRA_QEMU", "RW", "\"",
            "'", "\\", "#", ";", "é", "\u{301}", "\u{0}", "\r\n", "%", "9",
        ]
        var accepted = 0
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...24, using: &random)
            let text = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            do throws(ConfigError) {
                _ = try parse(text)
                accepted += 1
            } catch {
                #expect(!error.problem.isEmpty)
            }
        }
        #expect(accepted > 0 && accepted < 20_000)
    }
}

@Suite struct ShellWordsTests {
    @Test(arguments: [
        ("", []), ("  a\tb  ", ["a", "b"]), (#"a\ b c"#, ["a b", "c"]), (#"'a "b' "c 'd""#, [#"a "b"#, "c 'd"]),
        (#""" '' x"#, ["", "", "x"]), (#"a'b'"c"d"#, ["abcd"]), (#""\$\n\\\"""#, [#"$\n\""#]),
        ("a # b", ["a", "#", "b"]),
        ("é'ü'", ["éü"]),
    ])
    func splits(text: String, words: [String]) throws {
        #expect(try shellWords(text) == words)
    }

    @Test(arguments: ["'", "\"", "a\\", "\"\\", "'a\"", "\"a'"])
    func unbalanced(text: String) {
        #expect(throws: ShellWordsError.self) { try shellWords(text) }
    }
}

@Suite struct NearestNameTests {
    @Test(arguments: [
        ("bulid", "build"), ("LIST", "list"), ("test1", "test"), ("x", nil), ("installation", nil), ("", nil),
    ])
    func nearest(name: String, expected: String?) {
        #expect(nearestName(to: name, among: ["build", "list", "test", "installnfs"]) == expected)
    }
}
