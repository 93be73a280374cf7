extension BootstrapAgent {
    /// The header keywords of the `zypper` agent.
    public struct Zypper: Sendable, Equatable {
    }
}

extension RecipeHeader {
    func zypper(_ bootstrap: Entry) throws(ConfigError) -> BootstrapAgent.Zypper {
        throw error(bootstrap, "agent '\(bootstrap.value.lowercased())' is not supported yet", "use debootstrap")
    }
}
