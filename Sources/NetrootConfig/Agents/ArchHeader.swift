extension BootstrapAgent {
    /// The header keywords of the `arch` agent.
    public struct Arch: Sendable, Equatable {
    }
}

extension RecipeHeader {
    func arch(_ bootstrap: Entry) throws(ConfigError) -> BootstrapAgent.Arch {
        throw error(bootstrap, "agent '\(bootstrap.value.lowercased())' is not supported yet", "use debootstrap")
    }
}
