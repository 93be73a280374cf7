extension BootstrapAgent {
    /// The header keywords of the `dnf` agent.
    public struct DNF: Sendable, Equatable {
    }
}

extension RecipeHeader {
    func dnf(_ bootstrap: Entry) throws(ConfigError) -> BootstrapAgent.DNF {
        throw error(bootstrap, "agent '\(bootstrap.value.lowercased())' is not supported yet", "use debootstrap")
    }
}
