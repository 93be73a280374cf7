import FoundationEssentials
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

/// `recipe`, and build arguments in a build.
@Suite struct RecipeVerbTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
    }

    private func recipe(_ arguments: String...) async throws -> Outcome {
        try await run([Place.netroot, "recipe"] + arguments, folder: scratch.path)
    }

    /// Apptainer's definition JSON.
    struct Row: Decodable, Equatable {
        struct Script: Decodable, Equatable { var args, script: String }
        struct File: Decodable, Equatable { var source, destination: String }
        struct Files: Decodable, Equatable {
            var args: String
            var files: [File]
        }
        struct Scripts: Decodable, Equatable { var arguments, pre, setup, post, test: Script }
        struct ImageScripts: Decodable, Equatable { var help, environment, runScript, test, startScript: Script }
        struct ImageData: Decodable, Equatable {
            var labels: [String: String]
            var imageScripts: ImageScripts
        }
        struct BuildData: Decodable, Equatable {
            var files: [Files]
            var buildScripts: Scripts
        }
        var header: [String: String]?
        var imageData: ImageData
        var buildData: BuildData
        var customData: [String: String]?
        var appOrder: [String]
    }

    static let whole = """
        Bootstrap: oras
        From: alpine:{{ V }}
        STAGE: one
        %arguments
        V=1
        %pre
         a
        Bootstrap: debootstrap
        OSVersion: bookworm
        %pre
        p
        %setup -x
        s
        %files
        "a b" c
        %files from one
        d
        %post  -c /bin/bash
         é\t
        %post
        more
        %test
        t
        %environment
        e
        %labels
        A b c
        %help
        h
        %runscript
        r
        %startscript
        st
        %appinstall foo
        i
        %apprun bar
        %appinstall foo
        j
        """

    @Test func json() async throws {
        try scratch.write("r.def", Self.whole)
        let outcome = try await recipe("r.def", "--json", "--build-arg", "V=3.17", "--build-arg", "X=1")
        let rows = try expectJSON([Row].self, outcome)
        #expect(outcome.errors == "netroot: warning: r.def: build argument X is not used\n")
        #expect(rows.count == 2)
        #expect(rows[0].header == ["bootstrap": "oras", "from": "alpine:3.17", "stage": "one"])
        #expect(rows[0].buildData.buildScripts.arguments.script == "V=1\n")
        #expect(rows[0].buildData.files.isEmpty && rows[0].appOrder.isEmpty && rows[0].imageData.labels.isEmpty)
        #expect(rows[0].customData == nil)
        #expect(outcome.output.contains("\"customData\" : null"))
        let row = rows[1]
        #expect(row.header == ["bootstrap": "debootstrap", "osversion": "bookworm"])
        let data = row.buildData
        #expect(
            data.files == [
                .init(args: "", files: [.init(source: "a b", destination: "c")]),
                .init(args: "from one", files: [.init(source: "d", destination: "")]),
            ])
        #expect(data.buildScripts.pre == .init(args: "", script: "p\n"))
        #expect(data.buildScripts.setup == .init(args: "-x", script: "s\n"))
        #expect(data.buildScripts.post == .init(args: " -c /bin/bash", script: " é\t\nmore\n"))
        #expect(data.buildScripts.test == .init(args: "", script: "t\n"))
        let image = row.imageData
        #expect(image.labels == ["A": "b c"])
        #expect(image.imageScripts.test == data.buildScripts.test)
        #expect(image.imageScripts.environment.script == "e\n")
        #expect(image.imageScripts.help.script == "h\n")
        #expect(image.imageScripts.runScript.script == "r\n")
        #expect(image.imageScripts.startScript.script == "st\n")
        #expect(row.customData == ["appinstall foo": "i\nj\n", "apprun bar": ""])
        #expect(row.appOrder == ["foo", "bar"])
    }

    @Test func jsonWithoutAHeader() async throws {
        try scratch.write("r.def", "%help\nHello\n")
        let outcome = try await recipe("r.def", "--json")
        #expect(try expectJSON([Row].self, outcome)[0].header == nil)
        #expect(outcome.output.contains("\"header\" : null"))
    }

    @Test func account() async throws {
        try scratch.write("r.def", Self.whole)
        let outcome = try await recipe("r.def")
        expectSuccess(outcome)
        try expectGolden("recipe", outcome.output)
    }

    @Test(arguments: [
        ("", "no key: add Setopt: gpgkey=URL, or build with --allow-unsigned"),
        ("Setopt: gpgcheck=0\n", "not checked: gpgcheck=0"),
        (
            "Setopt: gpgkey=https://a/key other1.gpgcheck=0\nOtherURL1: https://b\n",
            "by https://a/key; not checked: other1"
        ),
    ])
    func signaturesOfPackages(lines: String, expected: String) async throws {
        try scratch.write("r.def", "Bootstrap: dnf\nMirrorURL: https://a/9\n" + lines)
        let outcome = try await recipe("r.def")
        expectSuccess(outcome)
        #expect(outcome.output.contains("  signatures  \(expected)\n"), "\(outcome.output)")
    }

    @Test func shippedRecipesCanBeBuilt() async throws {
        let agents = [
            "archlinux-base": "arch", "centos-stream9-base": "dnf", "debian12-base": "debootstrap",
            "debian12-hpcnode": "debootstrap", "debian12-rescue": "debootstrap", "debian13-base": "debootstrap",
            "debian13-rescue": "debootstrap", "fedora42-base": "dnf", "fedora42-rescue": "dnf", "rocky9-base": "dnf",
        ]
        #expect(try Files.names(in: Place.checkout + "/recipes") == agents.keys.sorted().map { $0 + ".def" })
        for (name, agent) in agents {
            let outcome = try await run([Place.netroot, "recipe", Place.checkout + "/recipes/\(name).def"])
            expectSuccess(outcome)
            #expect(outcome.output.contains("  agent             \(agent)\n"), "\(outcome.output)")
            #expect(!outcome.output.contains("refused"))
            #expect(outcome.errors.isEmpty)
        }
    }

    @Test func mistakes() async throws {
        try scratch.write("r.def", "Bootstrap: docker\n%pots\n")
        expectError(try await recipe("r.def"), .usage, ["r.def:2: unknown section '%pots'", "%post"])
        try scratch.write("r.def", "Bootstrap: docker\nFrom: {{ A }}\n")
        expectError(try await recipe("r.def", "--json"), .usage, ["r.def:2: build argument {{ A }} is not defined"])
        let missing = try await recipe("no.def")
        #expect(missing.status == 1 && missing.errors.contains("no.def"))
        for argument in ["A", "=b"] {
            let outcome = try await recipe("r.def", "--build-arg", argument)
            #expect(outcome.status == 64 && outcome.errors.contains("'\(argument)' is not NAME=VALUE"))
        }
    }
}

extension Builds {
    /// What a build makes of arguments, `%pre`, and bytes that are no UTF-8.
    @Suite(.serialized) struct RecipeBuildTests {
        let scratch: Scratch

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
            try FakeRecipe(post: "printf '{{ GREETING }}' > /greeting").write(scratch)
            let text = try Files.text(scratch.path + "/a.def")
            try scratch.write(
                "a.def",
                bytes: Array(text.utf8) + Array("\n%runscript\ntrue\n%help\n".utf8) + [0xFF, 0x0A]
                    + Array(
                        "%arguments\nNOTE=x\n%pre\ntest ! -e \"$APPTAINER_ROOTFS/etc\"; echo {{ NOTE }} > pre\n".utf8))
        }

        private func build(_ arguments: String...) async throws -> Outcome {
            let environment = try await FakeRecipe.environment(scratch).merging(
                ["NETROOT_CACHE": scratch.path + "/cache"]) { $1 }
            return try await run(
                scratch.netroot(["build", "a"] + arguments), environment: environment, folder: scratch.path)
        }

        @Test func argumentsAreRecordedByName() async throws {
            expectError(try await build(), .usage, ["build argument {{ GREETING }} is not defined", "--build-arg"])
            let outcome = try await build("--build-arg", "GREETING=a secret", "--build-arg", "OTHER=1")
            expectSuccess(outcome)
            #expect(outcome.errors.contains("not used by netroot: %runscript"))
            #expect(outcome.errors.contains("warning: \(scratch.path)/a.def: build argument OTHER is not used"))
            let generation = try scratch.store("a").current()
            #expect(try Files.text(generation.root + "/greeting") == "a secret")
            #expect(try Files.read(generation.root + "/.singularity.d/runscript.help", limit: 10) == [0xFF, 0x0A])
            #expect(try Files.text(scratch.path + "/pre") == "x\n")
            #expect(generation.manifest.recipe.arguments == ["GREETING"])
            #expect(generation.manifest.steps.first?.name == "%pre")
            #expect(try !Files.text(generation.directory + "/manifest.json").contains("secret"))
            // The values are not known later, so it is built again.
            let again = try await build("--if-changed", "--build-arg", "GREETING=a secret")
            expectSuccess(again)
            #expect(try scratch.store("a").current().number == generation.number + 1)
        }
    }
}
