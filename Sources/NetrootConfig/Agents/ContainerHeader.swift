extension BootstrapAgent {
    /// The header keywords of the agents that take the image of a container.
    public struct Container: Sendable, Equatable {
        /// Where the image is; the name is the agent's.
        public enum Source: String, Sendable, CaseIterable {
            /// A registry.
            case docker
            /// A directory in OCI's image layout.
            case oci
            /// A file of `docker save`.
            case dockerArchive = "docker-archive"
            /// A tar archive of an OCI image layout.
            case ociArchive = "oci-archive"
        }

        /// Where the image is.
        public let source: Source
    }
}

extension RecipeHeader {
    func container(_ source: BootstrapAgent.Container.Source, _ bootstrap: Entry) throws(ConfigError)
        -> BootstrapAgent.Container
    {
        throw error(bootstrap, "agent '\(source.rawValue)' is not supported yet", "use debootstrap")
    }
}
