import NetrootStore
import NetrootSystem
import TestSupport
import Testing

/// What a caller may have and a root must not get.
enum HostileCaller {
    /// A mask that lets nobody else in, a limit of file sizes, ignored signals, no standard input, and a working directory that
    /// is gone.
    static let shell = [
        "sh", "-c",
        """
        umask 077 && ulimit -S -f 100 && trap '' CHLD && gone=$(mktemp -d -p /tmp) && cd "$gone" && rmdir "$gone" && exec "$@" <&-
        """, "sh",
    ]

    /// Variables with which the programs that netroot runs would fail, or do something else.
    static let variables = [
        "TMPDIR": "relative", "TMP": "/none", "TEMP": "/none", "LANG": "de_DE.UTF-8", "LANGUAGE": "de",
        "LC_COLLATE": "de_DE",
        "PERL5OPT": "-MNo::Such::Module", "PERL5LIB": "/none", "GREP_OPTIONS": "--no-such", "POSIXLY_CORRECT": "1",
        "CDPATH": "/usr", "ENV": "/none", "BASH_ENV": "/none", "TAR_OPTIONS": "--no-such", "XZ_OPT": "--no-such",
        "QUOTING_STYLE": "shell-always", "TIME_STYLE": "full-iso",
    ]

    /// Gives a folder what files in it inherit.
    static func bequeath(_ folder: String) async throws {
        expectSuccess(try await run(["chmod", "g+s", folder]))
        expectSuccess(try await run(["setfacl", "-d", "-m", "u::rwx,g::-,o::-,u:daemon:rwx,m::rwx", folder]))
    }
}

extension Builds {
    /// `build` and `shell` for callers with a state of their own.
    @Suite(.serialized) struct CallerStateBuildTests {
        init() throws { try #require(Place.isRoot, "a build needs root") }

        private func site() throws -> Scratch {
            let scratch = try Scratch()
            try scratch.writeHosts("a")
            try scratch.write("public", "one\n")
            try scratch.write("private", "two\n", mode: 0o600)
            try scratch.write("folder/file", "three\n")
            var recipe = FakeRecipe(
                setup: "umask > \"$APPTAINER_ROOTFS/setup.umask\"; env > \"$APPTAINER_ROOTFS/setup.env\"",
                post: "umask > /post.umask; env > /post.env; mkdir -p /srv/made/deep; echo x > /srv/made/deep/file")
            recipe.files = "public /etc/public\nprivate /etc/private\nfolder /srv/folder\n"
            try recipe.write(scratch)
            return scratch
        }

        /// Paths, types, permissions and owners of a generation.
        private func listing(_ generation: Generation) async throws -> [String] {
            let found = try await run(["find", generation.directory, "-printf", "/%P %y %m %U %G\\n"])
            expectSuccess(found)
            return found.output.split(separator: "\n").map(String.init).sorted()
        }

        @Test("Umask, default ACLs, a setgid directory, TMPDIR, locale and limits of the caller do not reach the root")
        func theRootIsTheSame() async throws {
            let (plain, hostile) = (try site(), try site())
            let path = try await FakeRecipe.environment(plain)
            expectSuccess(try await plain.run("build", "a", environment: path))
            expectSuccess(try await run(["chgrp", "daemon", hostile.path]))
            try await HostileCaller.bequeath(hostile.path)
            let environment = path.merging(HostileCaller.variables) { $1 }
            let caller = ["setpriv", "--regid", "daemon", "--keep-groups", "--"] + HostileCaller.shell
            let built = try await hostile.run("build", "a", wrapper: caller, environment: environment)
            expectSuccess(built)
            let (usual, generation) = (try plain.store("a").current(), try hostile.store("a").current())
            let (wanted, found) = (try await listing(usual), try await listing(generation))
            #expect(wanted == found, "\(Set(wanted).symmetricDifference(found).sorted())")
            for line in [
                "/ d 755 0 0", "/tree/root d 755 0 0", "/tree/root/etc/public f 644 0 0",
                "/tree/root/etc/private f 600 0 0",
                "/tree/root/srv/folder d 755 0 0", "/tree/root/srv/folder/file f 644 0 0",
                "/tree/root/srv/made/deep d 755 0 0",
                "/tree/root/srv/made/deep/file f 644 0 0", "/manifest.json f 644 0 0", "/build.log f 600 0 0",
            ] { #expect(found.contains(line), "\(line)") }
            #expect(try await run(["getfacl", "-R", "-s", "-p", generation.directory]).output == "")
            let root = generation.root
            for section in ["setup", "post"] {
                #expect(try Files.text("\(root)/\(section).umask") == "0022\n")
                let names = try Files.text("\(root)/\(section).env").split(separator: "\n").map {
                    $0.prefix { $0 != "=" }
                }
                for name in HostileCaller.variables.keys { #expect(!names.contains(name[...]), "\(section): \(name)") }
                #expect(try Files.text("\(root)/\(section).env").contains("LC_ALL=C.UTF-8\n"))
            }

            // The resolver that a shell sees, and what it makes.
            let edit = "ls -l /etc/resolv.conf && umask && echo new > /srv/new && test -z \"${TMPDIR+set}\""
            let edited = try await hostile.run(
                "shell", "a", "--", "sh", "-c", edit, wrapper: caller, environment: environment)
            expectSuccess(edited)
            #expect(edited.output.contains("-rw-r--r--") && edited.output.contains("0022\n"), "\(edited.output)")
            let second = try await listing(hostile.store("a").current())
            #expect(Set(second).subtracting(found) == ["/tree/root/srv/new f 644 0 0"])
            #expect(try await run(["getfacl", "-R", "-s", "-p", hostile.store("a").current().directory]).output == "")
        }

        @Test("The image that pack makes has the permissions that the caller's umask leaves")
        func packKeepsTheCallersMask() async throws {
            let scratch = try Scratch()
            try scratch.write("tree/file", "text")
            for (mask, mode) in [("077", "600"), ("022", "644")] {
                let image = scratch.path + "/\(mask).squashfs"
                let packed = try await run(
                    [
                        "sh", "-c", "umask \(mask); exec \"$@\"", "sh", Place.netroot, "pack", scratch.path + "/tree",
                        image,
                    ])
                expectSuccess(packed)
                #expect(try await run(["stat", "-c", "%a", image]).output == mode + "\n")
            }
        }
    }
}
