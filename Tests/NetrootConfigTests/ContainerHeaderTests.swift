import Testing

@testable import NetrootConfig

@Suite struct ContainerHeaderTests {
    private func read(_ header: String, path: String = "/site/r.def") throws -> AgentHeader.Container {
        let recipe = try Recipe(bytes: Array((header + "\n").utf8), path: path, arguments: [:])
        guard case .container(let container) = try recipe.built.agent() else {
            throw ConfigError(file: path, problem: "another agent")
        }
        return container
    }

    /// As Apptainer puts them together: registry, namespace, From.
    @Test(arguments: [
        ("From: debian", "debian"), ("From: debian:12", "debian:12"), ("From: a/b__c/d-e.f_g", "a/b__c/d-e.f_g"),
        ("From: localhost:5000/a:1", "localhost:5000/a:1"), ("From: [::1]:5000/a", "[::1]:5000/a"),
        ("Registry: r.example.org\nFrom: a", "r.example.org/a"),
        ("Namespace: team/x\nFrom: a:1", "team/x/a:1"),
        ("FROM: a\nNAMESPACE: n\nREGISTRY: r.example.org:443", "r.example.org:443/n/a"),
        ("From: a\nIncludeCmd: yes", "a"), ("From: a:%{OSVERSION}", ""),
        ("From: a@sha256:" + String(repeating: "0", count: 64), "a@sha256:" + String(repeating: "0", count: 64)),
    ])
    func references(header: String, expected: String) throws {
        if expected.isEmpty {
            #expect(throws: ConfigError.self) { try read("Bootstrap: docker\n" + header) }
            return
        }
        let container = try read("Bootstrap: Docker\n" + header)
        #expect(container.source == .docker && container.image == .reference(expected) && container.from == expected)
    }

    /// Relative to the recipe's folder; the path ends at the first colon.
    @Test(arguments: [
        ("oci", "image", "/site/image", nil), ("oci", "image:a:b", "/site/image", "a:b"),
        ("oci-archive", "../i.tar:1", "/site/../i.tar", "1"), ("oci-archive", "/a b/i.tar", "/a b/i.tar", nil),
        ("docker-archive", "i.tar:a/b:1", "/site/i.tar", "a/b:1"), ("docker-archive", "i.tar:@1", "/site/i.tar", "@1"),
        ("oci", "image:", "/site/image", nil),
    ])
    func files(agent: String, from: String, path: String, name: String?) throws {
        let container = try read("Bootstrap: \(agent)\nFrom: \(from)")
        #expect(container.source.rawValue == agent && container.line == 2)
        #expect(container.image == .file(path: path, name: name))
        #expect(container.from == path + (name.map { ":\($0)" } ?? ""))
    }
}
