import NetrootEntry

extension HTTP: ExportedTransport {
    /// None of its own: the HTTP server of the boot files serves the image too. A client copies the image, so older ones
    /// need not be offered.
    func exports(_ offer: ExportOffer) -> [ExportFile] { [] }

    var systemFolder: String { "/etc/nginx/conf.d" }

    var reload: String { "systemctl reload-or-restart nginx" }
}
