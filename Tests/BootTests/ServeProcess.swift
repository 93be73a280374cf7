import Foundation
import NetrootSystem
import Testing

/// `netroot serve` as a process of its own.
struct ServeProcess {
    let process: Process
    let port: Int

    /// Starts it and waits until it says its port.
    static func start(_ site: Site, _ label: String, port: Int = 0) async throws -> ServeProcess {
        let process = Process()
        let argv = site.command(["serve", label, "--port", "\(port)"]).argv
        process.executableURL = URL(fileURLWithPath: argv[0])
        process.arguments = Array(argv.dropFirst())
        let pipe = Pipe()
        process.standardOutput = pipe
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
        let path = "\(folder)/netroots/\(label)/console.log"
        let began = Date()
        while true {
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            let changed = attributes?[.modificationDate] as? Date ?? .distantPast
            if changed > began, try Files.text(path).contains(text) { return }
            try #require(Date().timeIntervalSince(began) < 180, "the console never said '\(text)'")
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}
