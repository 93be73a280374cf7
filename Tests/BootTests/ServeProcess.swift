import Foundation
import NetrootSystem
import Testing

/// `netroot serve` as a process of its own.
struct ServeProcess {
    let process: Process
    let port: Int

    /// Runs `body` with a server, which is gone afterwards, however that ends.
    static func with(
        _ site: Site, _ label: String, port: Int = 0, _ body: (ServeProcess) async throws -> Void
    ) async throws {
        let server = try await start(site, label, port: port)
        defer { if server.process.isRunning { server.process.terminate() } }
        try await body(server)
    }

    /// Starts it and waits until it says its port.
    private static func start(_ site: Site, _ label: String, port: Int = 0) async throws -> ServeProcess {
        let process = Process()
        let argv = site.command(["serve", label, "--port", "\(port)"]).argv
        process.executableURL = URL(fileURLWithPath: argv[0])
        process.arguments = Array(argv.dropFirst())
        let pipe = Pipe()
        process.standardOutput = pipe
        // Not the tests' own: who reads that waits for every process that has it.
        process.standardError = FileHandle.nullDevice
        try process.run()
        var text = ""
        while !text.contains("\n") {
            let data = pipe.fileHandleForReading.availableData
            try #require(!data.isEmpty, "netroot serve ended: \(text)")
            text += String(decoding: data, as: UTF8.self)
        }
        let told = try #require(text.firstMatch(of: /port (\d+)/)?.output.1)
        return ServeProcess(process: process, port: try #require(Int(told)))
    }

    /// Ends it as a user would.
    func stop() async throws {
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130 || process.terminationStatus == 0)
    }

    /// Ends it without warning.
    func kill() async throws {
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}

extension Site {
    /// Waits until the console of the label's machine says something.
    func waitForConsole(_ label: String, text: String) async throws {
        try await waitForText(in: "\(folder)/netroots/\(label)/console.log", text)
    }

    /// Waits until a file that is written from now on holds a text.
    func waitForText(in path: String, _ text: String) async throws {
        let began = Date()
        while true {
            if Files.exists(path) {
                let changed = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
                if changed ?? .distantPast > began, try Files.text(path).contains(text) { return }
            }
            try #require(Date().timeIntervalSince(began) < 180, "\(path) never said '\(text)'")
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}
