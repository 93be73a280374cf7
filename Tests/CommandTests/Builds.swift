import Testing

/// The suites that build run one after the other: two processors, and one disk.
@Suite(.serialized) enum Builds {}
