import Testing

@testable import NetrootConfig

@Suite struct LocalImageHeaderTests {
    private func header(_ lines: String, path: String = "/srv/recipes/r.def") throws -> AgentHeader.LocalImage {
        let recipe = try Recipe(bytes: Array("Bootstrap: localimage\n\(lines)\n".utf8), path: path)
        guard case .localImage(let header) = try recipe.built.agent() else {
            Issue.record("another agent")
            throw ConfigError(file: path, problem: "another agent")
        }
        return header
    }

    @Test(arguments: [
        ("/images/a b.sif", "/images/a b.sif"), ("../images/x", "/srv/recipes/../images/x"),
        ("x.sif", "/srv/recipes/x.sif"), ("label", "/srv/recipes/label"), ("./label:x", "/srv/recipes/./label:x"),
    ])
    func aPathIsRelativeToTheRecipe(from: String, path: String) throws {
        let header = try header("From: \(from)")
        #expect(header.source == .path(path))
        #expect(header.spelling == from && header.line == 2)
    }

    @Test func aRecipeInTheWorkingDirectory() throws {
        #expect(try header("From: x.sif", path: "r.def").source == .path("x.sif"))
    }

    @Test(arguments: [
        ("label:debian12", "debian12", nil), ("LABEL:debian12@7", "debian12", 7), ("label: a-b_c.d@12", "a-b_c.d", 12),
    ])
    func aLabel(from: String, name: String, generation: Int?) throws {
        #expect(try header("From: \(from)").source == .label(name, generation: generation))
    }

    @Test func fingerprints() throws {
        let keys = ["12045C8C0B1004D058DE4BEDA20C27EE7FF7BA84", "22045c8c0b1004d058de4beda20c27ee7ff7ba84"]
        for text in ["\(keys[0]),\(keys[1])", "\(keys[0]), \(keys[1])", keys.joined(separator: " ")] {
            #expect(try header("From: x\nFingerprints: \(text)").fingerprints == keys.map { $0.uppercased() })
        }
        #expect(try header("From: x").fingerprints == [])
    }
}
