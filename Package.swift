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

func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

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
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CNFS", pkgConfig: "libnfs", providers: [.apt(["libnfs-dev"])]),
        .systemLibrary(name: "CSquashFS", pkgConfig: "libsquashfs1", providers: [.apt(["libsquashfs-dev"])]),
        // Four of them come with libsquashfs.
        .systemLibrary(
            name: "CCodecs",
            providers: [
                .apt(["zlib1g-dev", "libzstd-dev", "liblzma-dev", "libbz2-dev", "liblz4-dev", "liblzo2-dev"])
            ]),
        // OpenSSL's SHA-256 uses the processor's instructions: the block cache hashes every byte of a root.
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        // crypt(3) with yescrypt: libxcrypt, which glibc's headers leave to the distribution.
        .systemLibrary(name: "CXCrypt", pkgConfig: "libxcrypt", providers: [.apt(["libcrypt-dev"])]),
        // The rooms, from the bottom up (docs/house.md). A room imports only those below it.
        room("NetrootDHCP", []),
        room("NetrootSystem", ["CCrypto", "CLinux", "CXCrypt", subprocess, systemPackage]),
        room("NetrootConfig", ["NetrootSystem"]),
        room(
            "NetrootImage",
            ["NetrootConfig", "NetrootSystem", "CCodecs", "CLinux", "CSquashFS", subprocess, systemPackage]),
        room("NetrootEntry", ["NetrootConfig", "NetrootSystem"]),
        room("NetrootStore", ["NetrootConfig", "NetrootSystem"]),
        room("NetrootTree", ["NetrootImage", "NetrootSystem", "CLinux", systemPackage]),
        room("NetrootServe", ["NetrootImage", "NetrootSystem", "CLinux", "CNFS", nioCore, nioPosix, logging]),
        room(
            "NetrootSite",
            ["NetrootEntry", "NetrootStore", "NetrootImage", "NetrootConfig", "NetrootSystem"]),
        room(
            "NetrootBuild",
            [
                "NetrootTree", "NetrootImage", "NetrootStore", "NetrootEntry", "NetrootConfig", "NetrootSystem",
            ]),
        room(
            "NetrootRun",
            [
                "NetrootSite", "NetrootServe", "NetrootEntry", "NetrootStore", "NetrootImage", "NetrootConfig",
                "NetrootSystem", nioCore, nioPosix,
            ]),
        // What runs in the booted machine. It needs nothing of the root, whatever distribution that is: it is linked
        // statically, by lld (which drops what is not used, and has no word for each function of glibc), without symbols.
        .executableTarget(
            name: "netroot-lease", dependencies: ["NetrootDHCP"], swiftSettings: strict,
            linkerSettings: [
                .unsafeFlags(["-static-executable", "-use-ld=lld", "-Xlinker", "--gc-sections", "-Xlinker", "-s"])
            ]),
        // It depends on netroot-lease, so that whoever builds the one has the other, which a build lays into roots.
        .executableTarget(
            name: "netroot",
            dependencies: [
                "netroot-lease",
                "NetrootRun", "NetrootBuild", "NetrootServe", "NetrootSite", "NetrootTree", "NetrootImage",
                "NetrootEntry", "NetrootStore", "NetrootConfig", "NetrootSystem", argumentParser, logging,
            ],
            swiftSettings: strict),
        .systemLibrary(name: "CEpoll", path: "Benchmarks/CEpoll"),
        .executableTarget(
            name: "nfsload", dependencies: ["NetrootServe", "CEpoll", nioCore, nioPosix], path: "Benchmarks/nfsload",
            swiftSettings: strict),
        // What the test targets share.
        .target(
            name: "TestSupport",
            dependencies: ["NetrootImage", "NetrootConfig", "NetrootSystem", "CLinux", subprocess, systemPackage],
            path: "Tests/TestSupport", swiftSettings: strict),
        tests("NetrootSystemTests", ["NetrootSystem", "TestSupport", systemPackage]),
        tests("NetrootDHCPTests", ["NetrootDHCP", "NetrootSystem", "TestSupport", "CLinux"]),
        tests("NetrootConfigTests", ["NetrootConfig", "NetrootSystem", "TestSupport"]),
        tests(
            "NetrootImageTests",
            [
                "NetrootImage", "NetrootConfig", "NetrootSystem", "CLinux", "CSquashFS", "TestSupport", subprocess,
                systemPackage,
            ]),
        tests(
            "NetrootTreeTests",
            ["NetrootTree", "NetrootImage", "NetrootSystem", "CLinux", "TestSupport", subprocess, systemPackage]),
        tests(
            "NetrootEntryTests", ["NetrootEntry", "NetrootConfig", "NetrootSystem", "TestSupport"], exclude: ["Golden"]),
        tests("NetrootStoreTests", ["NetrootStore", "NetrootSystem", "TestSupport"]),
        tests(
            "NetrootBuildTests",
            [
                "NetrootBuild", "NetrootTree", "NetrootImage", "NetrootEntry", "NetrootStore", "NetrootConfig",
                "NetrootSystem", "TestSupport",
            ]),
        tests(
            "NetrootServeTests",
            ["NetrootServe", "NetrootImage", "NetrootConfig", "NetrootSystem", "TestSupport", "CLinux", logging]),
        tests(
            "NetrootSiteTests",
            ["NetrootSite", "NetrootEntry", "NetrootStore", "NetrootConfig", "NetrootSystem", "TestSupport"],
            exclude: ["Golden"]),
        tests(
            "NetrootRunTests",
            [
                "NetrootRun", "NetrootSite", "NetrootEntry", "NetrootStore", "NetrootConfig", "NetrootSystem",
                "TestSupport",
            ], exclude: ["Golden"]),
        tests(
            "CommandTests",
            [
                "netroot", "NetrootEntry", "NetrootStore", "NetrootTree", "NetrootImage", "NetrootConfig",
                "NetrootSystem", "TestSupport",
            ], exclude: ["Golden"]),
        tests("BootTests", ["NetrootRun", "NetrootSystem", "TestSupport"], exclude: ["console.exp", "vlan-trunk"]),
    ]
)
