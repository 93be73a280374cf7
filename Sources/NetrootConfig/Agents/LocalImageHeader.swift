extension BootstrapAgent {
    /// The header keywords of the `localimage` agent.
    public struct LocalImage: Sendable, Equatable {
    }
}

extension RecipeHeader {
    func localImage(_ bootstrap: Entry) throws(ConfigError) -> BootstrapAgent.LocalImage {
        throw error(bootstrap, "agent '\(bootstrap.value.lowercased())' is not supported yet", "use debootstrap")
    }
}
