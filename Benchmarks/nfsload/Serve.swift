import Glibc
import NetrootServe

/// Serves a directory alone, in a process that does nothing else, so that memory and CPU time are the server's.
func serve(_ options: LoadOptions) async throws(LoadError) {
    var limits = NFSLimits()
    limits.threads = options.threads
    do {
        let server = try await NFSServer.start(
            exports: [Export(path: options.path, directory: options.serveDirectory ?? "/", generation: 1)],
            address: options.address, port: Int(options.port), limits: limits)
        say("port \(server.port) pid \(getpid())", to: STDOUT_FILENO)
        while true { try await Task.sleep(for: .seconds(3600)) }
    } catch let error as ServeError {
        complain("\(error)")
        throw .refused("serve", status: 0)
    } catch {
        throw .protocolViolation("\(error)")
    }
}
