// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")

let package = Package(
    name: "netroot",
    products: [.executable(name: "netroot", targets: ["netroot"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        // Without its Foundation trait: linked in, FoundationEssentials costs a server process megabytes.
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        .systemLibrary(name: "CNFS", pkgConfig: "libnfs", providers: [.apt(["libnfs-dev"])]),
        .systemLibrary(name: "CSquashFS", pkgConfig: "libsquashfs1", providers: [.apt(["libsquashfs-dev"])]),
        // OpenSSL's SHA-256 uses the processor's instructions: the block cache hashes every byte of a root.
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "NetrootConfig", swiftSettings: strict),
        .target(
            name: "NetrootSystem", dependencies: ["NetrootConfig", subprocess, systemPackage], swiftSettings: strict),
        .target(
            name: "NetrootImage",
            dependencies: ["NetrootConfig", "NetrootSystem", "CSquashFS", "CCrypto", subprocess, systemPackage],
            swiftSettings: strict),
        .target(name: "NetrootStore", dependencies: ["NetrootConfig", "NetrootSystem"], swiftSettings: strict),
        .target(
            name: "NetrootBuild",
            dependencies: ["NetrootConfig", "NetrootSystem", "NetrootImage", "NetrootStore"],
            swiftSettings: strict),
        .target(
            name: "NetrootServe",
            dependencies: ["NetrootSystem", "NetrootImage", "CNFS", nioCore, nioPosix, logging],
            swiftSettings: strict),
        .target(
            name: "NetrootBoot",
            dependencies: [
                "NetrootConfig", "NetrootSystem", "NetrootImage", "NetrootStore", "NetrootServe", nioCore, nioPosix,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "netroot",
            dependencies: [
                "NetrootConfig", "NetrootSystem", "NetrootImage", "NetrootStore", "NetrootBuild", "NetrootServe",
                "NetrootBoot", argumentParser, logging,
            ],
            swiftSettings: strict),
        .systemLibrary(name: "CEpoll", path: "Benchmarks/CEpoll"),
        .executableTarget(
            name: "nfsload", dependencies: ["NetrootServe", "CEpoll", nioCore, nioPosix], path: "Benchmarks/nfsload",
            swiftSettings: strict),
        // What the test targets share.
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
        .testTarget(
            name: "NetrootConfigTests", dependencies: ["NetrootConfig", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "NetrootSystemTests", dependencies: ["NetrootSystem"], swiftSettings: strict),
        .testTarget(
            name: "NetrootImageTests",
            dependencies: [
                "CSquashFS", "NetrootConfig", "NetrootImage", "NetrootSystem", "TestSupport", subprocess, systemPackage,
            ],
            swiftSettings: strict),
        .testTarget(name: "NetrootStoreTests", dependencies: ["NetrootStore"], swiftSettings: strict),
        .testTarget(
            name: "NetrootBuildTests",
            dependencies: ["NetrootBuild", "NetrootConfig", "NetrootImage", "NetrootStore", "NetrootSystem"],
            swiftSettings: strict),
        .testTarget(
            name: "NetrootServeTests",
            dependencies: ["NetrootConfig", "NetrootImage", "NetrootServe", "NetrootSystem", logging],
            swiftSettings: strict),
        .testTarget(
            name: "NetrootBootTests",
            dependencies: ["NetrootBoot", "NetrootConfig", "NetrootSystem", "TestSupport"],
            exclude: ["Golden"], swiftSettings: strict),
        .testTarget(
            name: "CommandTests",
            dependencies: ["NetrootConfig", "NetrootImage", "NetrootStore", "NetrootSystem", "netroot"],
            exclude: ["Golden"], swiftSettings: strict),
        .testTarget(
            name: "BootTests", dependencies: ["NetrootSystem"], exclude: ["console.exp"], swiftSettings: strict),
    ]
)
