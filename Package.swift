// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: language mode 6, warnings are errors, explicit `any`, imports that say what leaks.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// Added where a target touches C: every unsafe expression has to be marked.
let memorySafe: [SwiftSetting] = strict + [.strictMemorySafety()]

let package = Package(
  name: "albergue-crypt",
  products: [
    .library(name: "EncryptedStorage", targets: ["EncryptedStorage", "EncryptionKeys"]),
    .library(
      name: "ReplicaSync", targets: ["ReplicaSync", "LibSQLClient", "PageStore", "EncryptedStorage", "EncryptionKeys"]),
    .library(name: "Migrations", targets: ["Migrations", "LibSQLClient", "EncryptedStorage", "EncryptionKeys"]),
    .executable(name: "albergue-crypt", targets: ["albergue-crypt"]),
    .executable(name: "albergue-migration", targets: ["albergue-migration"]),
    .executable(name: "albergue-primary", targets: ["albergue-primary"]),
    .executable(name: "albergue-service", targets: ["albergue-service"]),
    .executable(name: "turso-sync", targets: ["turso-sync"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.1.4"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    .target(
      name: "CSQLCipher",
      cSettings: [.treatAllWarnings(as: .error)],
      linkerSettings: [.linkedLibrary("sqlcipher")]),
    .target(
      name: "COpenSSL",
      cSettings: [.treatAllWarnings(as: .error)],
      linkerSettings: [.linkedLibrary("crypto")]),
    .target(name: "CLinux", cSettings: [.treatAllWarnings(as: .error)]),
    .target(
      name: "EncryptionKeys",
      dependencies: ["COpenSSL", "CLinux", .product(name: "Logging", package: "swift-log")],
      swiftSettings: memorySafe),
    .target(
      name: "EncryptedStorage",
      dependencies: [
        "EncryptionKeys", "CSQLCipher", "COpenSSL", "CLinux", .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: memorySafe),
    .target(
      name: "PageStore",
      dependencies: ["EncryptedStorage", "EncryptionKeys", "CSQLCipher"],
      swiftSettings: memorySafe),
    .target(
      name: "Verification",
      dependencies: ["PageStore", "EncryptedStorage", "EncryptionKeys"],
      swiftSettings: memorySafe),
    .target(name: "LibSQLProtocol", swiftSettings: memorySafe),
    .target(
      name: "CCurl",
      cSettings: [.treatAllWarnings(as: .error)],
      linkerSettings: [.linkedLibrary("curl")]),
    .target(
      name: "LibSQLClient",
      dependencies: ["LibSQLProtocol", "EncryptionKeys", "CCurl", .product(name: "Logging", package: "swift-log")],
      swiftSettings: memorySafe),
    .testTarget(
      name: "LibSQLClientTests",
      dependencies: [
        "LibSQLClient", "LibSQLProtocol", "EncryptionKeys", "TestSupport", "albergue-primary",
        .product(name: "Logging", package: "swift-log"),
      ],
      exclude: ["Servers"],
      swiftSettings: strict),
    .target(
      name: "WorkingCopy",
      dependencies: [
        "LibSQLClient", "LibSQLProtocol", "PageStore", "EncryptedStorage", "EncryptionKeys", "COpenSSL",
      ],
      swiftSettings: memorySafe),
    .target(
      name: "ReplicaSync",
      dependencies: ["LibSQLClient", "LibSQLProtocol", "PageStore", "EncryptedStorage", "EncryptionKeys"],
      swiftSettings: memorySafe),
    .target(name: "PrometheusText", swiftSettings: strict),
    .target(
      name: "ServerAccess",
      dependencies: [
        "LibSQLProtocol", "EncryptionKeys", "COpenSSL", .product(name: "NIOCore", package: "swift-nio"),
      ],
      swiftSettings: memorySafe),
    .target(
      name: "Migrations",
      dependencies: ["LibSQLClient", "LibSQLProtocol", "EncryptedStorage", "EncryptionKeys", "COpenSSL"],
      swiftSettings: memorySafe),
    .target(
      name: "HostelMigrations", dependencies: ["Migrations", "LibSQLClient", "EncryptedStorage"],
      swiftSettings: memorySafe),
    .target(
      name: "Primary",
      dependencies: [
        "ServerAccess", "PrometheusText", "LibSQLProtocol", "PageStore", "EncryptedStorage", "EncryptionKeys",
        "COpenSSL",
        .product(name: "AsyncAlgorithms", package: "swift-async-algorithms"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: memorySafe),
    .target(name: "HostelDomain", swiftSettings: memorySafe),
    .target(
      name: "HostelStore",
      dependencies: [
        "HostelDomain", "ReplicaSync", "LibSQLClient", "PageStore", "EncryptedStorage", "EncryptionKeys", "COpenSSL",
      ],
      swiftSettings: memorySafe),
    .target(
      name: "HostelService",
      dependencies: [
        "HostelStore", "HostelDomain", "ServerAccess", "PrometheusText", "ReplicaSync", "LibSQLClient",
        "EncryptedStorage", "EncryptionKeys",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: memorySafe),
    .target(
      name: "CommandSupport",
      dependencies: [
        "CLinux", "EncryptedStorage", "EncryptionKeys",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: memorySafe),
    .executableTarget(
      name: "albergue-crypt",
      dependencies: [
        "CommandSupport", "Verification", "ReplicaSync", "LibSQLClient", "PageStore", "EncryptedStorage",
        "EncryptionKeys",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "turso-sync",
      dependencies: [
        "CommandSupport", "WorkingCopy", "ReplicaSync", "LibSQLClient", "PageStore", "EncryptedStorage",
        "EncryptionKeys", "PrometheusText", "ServerAccess",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "albergue-migration",
      dependencies: [
        "CommandSupport", "HostelMigrations", "Migrations", "LibSQLClient", "EncryptedStorage", "EncryptionKeys",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "albergue-primary",
      dependencies: [
        "CommandSupport", "Primary", "ServerAccess", "PageStore", "EncryptedStorage", "EncryptionKeys",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "albergue-service",
      dependencies: [
        "CommandSupport", "HostelService", "HostelStore", "HostelDomain", "ServerAccess", "ReplicaSync", "LibSQLClient",
        "PageStore",
        "EncryptedStorage", "EncryptionKeys",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .target(
      name: "TestSupport",
      dependencies: ["CLinux", "PageStore", "EncryptedStorage", "EncryptionKeys"],
      path: "Tests/TestSupport",
      swiftSettings: strict),
    .target(
      name: "FaultInjection",
      dependencies: ["CSQLCipher"],
      path: "Tests/FaultInjection",
      swiftSettings: memorySafe),
    .executableTarget(
      name: "storage-benchmark",
      dependencies: ["CSQLCipher", "EncryptedStorage", "EncryptionKeys"],
      path: "Tests/StorageBenchmark",
      swiftSettings: strict),
    .executableTarget(
      name: "store-benchmark",
      dependencies: ["PageStore", "EncryptedStorage", "EncryptionKeys"],
      path: "Tests/StoreBenchmark",
      swiftSettings: strict),
    .executableTarget(
      name: "sync-benchmark",
      dependencies: ["CSQLCipher", "ReplicaSync", "LibSQLClient", "PageStore", "EncryptedStorage", "EncryptionKeys"],
      path: "Tests/SyncBenchmark",
      swiftSettings: strict),
    .executableTarget(
      name: "service-benchmark",
      dependencies: [
        "CSQLCipher", "HostelService", "HostelStore", "HostelDomain", "ServerAccess", "ReplicaSync", "LibSQLClient",
        "EncryptedStorage", "EncryptionKeys", .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/ServiceBenchmark",
      swiftSettings: memorySafe),
    .executableTarget(
      name: "store-workload",
      dependencies: ["PageStore", "EncryptedStorage", "EncryptionKeys", "TestSupport"],
      path: "Tests/StoreWorkload",
      swiftSettings: strict),
    .executableTarget(
      name: "torture",
      dependencies: [
        "CSQLCipher", "EncryptedStorage", "EncryptionKeys", "FaultInjection", "LibSQLClient", "LibSQLProtocol",
        "PageStore", "ReplicaSync", "TestSupport", "Verification",
        "albergue-crypt", "albergue-migration", "albergue-primary", "turso-sync",
      ],
      path: "Tests/Torture",
      exclude: ["power_cut.c"],
      swiftSettings: strict),
    .testTarget(
      name: "TortureTests",
      dependencies: [
        "torture", "EncryptedStorage", "EncryptionKeys", "FaultInjection", "LibSQLProtocol", "PageStore", "TestSupport",
      ],
      swiftSettings: strict),
    .target(
      name: "Mutation",
      dependencies: ["LibSQLProtocol", "TestSupport"],
      path: "Tests/Mutation",
      swiftSettings: strict),
    .executableTarget(
      name: "fuzz",
      dependencies: [
        "CommandSupport", "EncryptedStorage", "EncryptionKeys", "HostelDomain", "HostelService", "HostelStore",
        "LibSQLClient", "LibSQLProtocol", "Migrations", "Mutation", "PageStore", "Primary", "ReplicaSync",
        "ServerAccess",
        "TestSupport", "WorkingCopy",
      ],
      path: "Tests/Fuzz",
      swiftSettings: strict),
    .testTarget(
      name: "FuzzTests",
      dependencies: ["fuzz", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "EncryptionKeysTests",
      dependencies: ["EncryptionKeys", .product(name: "Logging", package: "swift-log")],
      swiftSettings: strict),
    .testTarget(
      name: "EncryptedStorageTests",
      dependencies: ["EncryptedStorage", "EncryptionKeys", "FaultInjection", "TestSupport", "Verification"],
      swiftSettings: strict),
    .testTarget(
      name: "PageStoreTests",
      dependencies: [
        "PageStore", "Verification", "EncryptedStorage", "EncryptionKeys", "CSQLCipher", "FaultInjection",
        "TestSupport",
        "store-workload",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "LibSQLProtocolTests",
      dependencies: ["LibSQLProtocol", "Mutation", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "PrimaryTests",
      dependencies: [
        "Primary", "ServerAccess", "PageStore", "LibSQLClient", "LibSQLProtocol", "EncryptedStorage", "EncryptionKeys",
        "TestSupport",
        "albergue-crypt", "albergue-primary",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
      ],
      exclude: ["Clients"],
      swiftSettings: strict),
    .testTarget(
      name: "ReplicaSyncTests",
      dependencies: [
        "ReplicaSync", "LibSQLClient", "LibSQLProtocol", "PageStore", "EncryptedStorage", "EncryptionKeys",
        "TestSupport",
        "albergue-crypt", "albergue-primary", "turso-sync",
      ],
      exclude: ["Servers"],
      swiftSettings: strict),
    .testTarget(
      name: "HostelDomainTests",
      dependencies: ["HostelDomain", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "HostelStoreTests",
      dependencies: [
        "HostelStore", "HostelDomain", "ReplicaSync", "LibSQLClient", "LibSQLProtocol", "PageStore", "EncryptedStorage",
        "EncryptionKeys", "TestSupport",
        "albergue-primary",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "HostelServiceTests",
      dependencies: [
        "HostelService", "HostelStore", "HostelDomain", "EncryptedStorage", "EncryptionKeys", "TestSupport",
        "albergue-primary", "albergue-service",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "WorkingCopyTests",
      dependencies: [
        "WorkingCopy", "ReplicaSync", "LibSQLClient", "LibSQLProtocol", "PageStore", "EncryptedStorage",
        "EncryptionKeys", "TestSupport",
        "albergue-primary", "turso-sync",
      ],
      exclude: ["Servers"],
      swiftSettings: strict),
    .testTarget(
      name: "MigrationsTests",
      dependencies: [
        "HostelMigrations", "Migrations", "LibSQLClient", "LibSQLProtocol", "PageStore", "EncryptedStorage",
        "EncryptionKeys", "CSQLCipher", "FaultInjection", "TestSupport",
        "albergue-migration", "albergue-primary", "turso-sync",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "VerificationTests",
      dependencies: ["Verification", "PageStore", "EncryptedStorage", "EncryptionKeys", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "CommandSupport", "PageStore", "EncryptedStorage", "EncryptionKeys", "TestSupport", "albergue-crypt",
      ],
      swiftSettings: strict),
  ]
)
