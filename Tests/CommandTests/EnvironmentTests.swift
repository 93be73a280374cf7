import NetrootStore
import NetrootSystem
import TestSupport
import Testing

private typealias Image = ContainerImage

extension Builds {
    /// The environment of a recipe's sections and of `shell`, as Apptainer 1.4 has it.
    @Suite(.serialized) struct EnvironmentTests {
        let scratch: Scratch
        private let header = "Bootstrap: debootstrap\nOSVersion: bookworm\n"
        private let environmentSection =
            "%environment\n    export GREETING=hello\n    export PATH=/opt/greeting:$PATH\n"

        init() throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            try scratch.writeHosts("a")
        }

        private func build(_ recipe: FakeRecipe, more: [String: String] = [:]) async throws -> Outcome {
            try recipe.write(scratch)
            let environment = try await FakeRecipe.environment(scratch).merging(more) { $1 }
            return try await run(scratch.netroot(["build", "a"]), environment: environment, folder: scratch.path)
        }

        @Test("Proxies reach %pre, %setup, %post, %test and shell; their password reaches no log and no manifest")
        func proxies() async throws {
            let proxies = [
                "http_proxy": "http://user:hunter2hunter2@proxy.example.org:3128", "ALL_PROXY": "socks5://10.9.8.7",
                "no_proxy": "localhost,.example.org", "ftp_proxy": "", "UNRELATED": "1",
            ]
            let check = """
                test "$http_proxy" = http://user:hunter2hunter2@proxy.example.org:3128
                test "$ALL_PROXY $no_proxy" = "socks5://10.9.8.7 localhost,.example.org"
                """
            let inside = check + "\ntest -z \"${ftp_proxy+set}${UNRELATED+set}\""
            var recipe = FakeRecipe(setup: check, post: inside + "\nsleep 1", test: "set -e\n" + inside)
            recipe.header = header + "%pre\n" + check + "\n"
            // Every user can read the command lines of all processes.
            let scan = "while [ ! -e \"$1/stop\" ]; do grep -lsa 'hunter[2]' /proc/[0-9]*/cmdline; sleep 0.1; done"
            let scanner = try RunningProgram(["sh", "-c", scan, "sh", scratch.path])
            let outcome = try await build(recipe, more: proxies)
            expectSuccess(outcome)
            try scratch.write("stop", "")
            #expect(try await scanner.outcome().output == "")
            let first = try scratch.store("a").current()
            let log = try Files.text(first.log)
            // The trace of %post shows its commands.
            #expect(log.contains("http://********************proxy.example.org:3128"), "\(log)")
            for text in [log, try Files.text(first.directory + "/manifest.json"), outcome.errors] {
                #expect(!text.contains("hunter2") && !text.contains("user:"))
            }
            expectSuccess(
                try await run(
                    scratch.netroot(["shell", "a", "--", "sh", "-ec", inside]), environment: proxies,
                    folder: scratch.path))

            recipe.post = "echo $http_proxy; exit 7"
            let failed = try await build(recipe, more: proxies)
            expectError(failed, .failed, ["%post failed with exit status 7", "proxy.example.org"], outputLines: 5)
            #expect(!failed.errors.contains("hunter2"))
            #expect(!(try Files.text(scratch.path + "/netroots/a/failed-build.log").contains("hunter2")))
        }

        @Test("%test sees %environment, runs by its #! line, and goes on where a command fails")
        func tests() async throws {
            var recipe = FakeRecipe()
            recipe.header = header + environmentSection
            recipe.post = "test -z \"${GREETING:-}\""
            recipe.test = """
                #!/bin/bash
                false
                [[ $GREETING == hello && $PATH == /opt/greeting:/usr/local/sbin:* && -n $BASH_VERSION && $- != *e* ]]
                """
            expectSuccess(try await build(recipe))
            recipe.test = "false\ntrue"
            expectSuccess(try await build(recipe))
            recipe.test = "true\ntest \"$GREETING\" = goodbye"
            expectError(try await build(recipe), .failed, ["%test failed with exit status 1"], outputLines: 5)
            recipe.test = "#!/usr/bin/python9\nprint(1)"
            expectError(
                try await build(recipe), .failed,
                [
                    "%test failed with exit status 127",
                    "the root has no /usr/bin/python9, which the first line of %test",
                ],
                outputLines: 5)
        }

        @Test("A container image's ENV is there in %post, %test and shell, and its PATH goes before the default")
        func environmentOfAnImage() async throws {
            let root = try await Workshop.shared.smallRoot()
            let tar = scratch.path + "/root.tar"
            expectSuccess(try await run(["tar", "-C", root, "--format=posix", "-cf", tar, "."]))
            var image = ContainerImage([Image.Layer(archive: try Files.read(tar, limit: 1 << 30))])
            image.environment = ["PATH=/opt/image/bin:/usr/bin", "IMAGE_SAYS=it's $HOME", "DEBIAN_FRONTEND=teletype"]
            try await image.write(to: scratch.path + "/image")
            let path = "/opt/image/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"
            let check = "test \"$IMAGE_SAYS $DEBIAN_FRONTEND\" = \"it's \\$HOME teletype\""
            var recipe = FakeRecipe(header: "Bootstrap: oci\nFrom: image:test\n" + environmentSection)
            recipe.post = check + "\ntest \"$PATH ${GREETING-none}\" = \"\(path) none\""
            recipe.post += "\necho 'export ADDED=yes' >> \"$APPTAINER_ENVIRONMENT\""
            let inside = check + "\ntest \"$PATH $GREETING $ADDED\" = \"/opt/greeting:\(path) hello yes\""
            recipe.test = "set -e\n" + inside
            let cache = ["NETROOT_CACHE": scratch.path + "/cache", "HOME": scratch.path + "/home"]
            expectSuccess(try await build(recipe, more: cache))
            expectSuccess(try await scratch.run("shell", "a", "--", "sh", "-ec", inside, environment: cache))

            // What the root of a label sets holds for a recipe that begins with it, before its own.
            try scratch.writeHosts("a", "b")
            var next = FakeRecipe(
                header: "Bootstrap: localimage\nFrom: label:a\n%environment\n    export GREETING=\"$GREETING you\"\n")
            next.post = inside
            next.test = "set -e\n" + inside.replacing("hello", with: "hello you")
            try next.write(scratch, "b")
            expectSuccess(try await scratch.run("build", "b", environment: cache))
        }

        @Test("Build arguments come from a file, and --build-arg goes before it")
        func fileOfBuildArguments() async throws {
            try scratch.write("args", "# of the site\nONE = from file\n\nTWO=2\nTHREE\n")
            try scratch.write("r.def", "Bootstrap: scratch\n%post\n    {{ ONE }}, {{ TWO }}\n")
            let outcome = try await run(
                [Place.netroot, "recipe", "r.def", "--build-arg-file", "args", "--build-arg", "TWO=given", "--json"],
                folder: scratch.path)
            expectSuccess(outcome)
            #expect(outcome.output.contains("from file, given"))
            #expect(outcome.errors == "netroot: warning: args:5: no NAME=VALUE: it is not read\n")
            let recipe = FakeRecipe(post: "test \"{{ ONE }}\" = 'from file'")
            try recipe.write(scratch)
            let environment = try await FakeRecipe.environment(scratch)
            let built = try await run(
                scratch.netroot(["build", "a", "--build-arg-file", "args"]), environment: environment,
                folder: scratch.path)
            expectSuccess(built)
            #expect(built.errors.contains("warning: args:5: no NAME=VALUE: it is not read"))
            #expect(try scratch.store("a").current().manifest.recipe.arguments == ["ONE"])
            expectError(
                try await run([Place.netroot, "recipe", "r.def", "--build-arg-file", "none"], folder: scratch.path),
                .failed, ["none"])
        }
    }
}
