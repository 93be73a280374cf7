import NetrootConfig
public import NetrootEntry

/// What nginx is told (<https://nginx.org/en/docs/>): a TFTP root, read-only, over HTTP.
public enum NginxConfig {
    static let file = "nginx's configuration"

    /// A server for a TFTP root, to be included by an installed nginx (`/etc/nginx/conf.d`); the same for all labels of
    /// that TFTP root.
    ///
    /// Only what netroot writes is served: boot files, images and iPXE's scripts. Who may have a label's files, and
    /// where its image is, the label's own file says.
    /// - Throws: `SharedConfigError.badValue`.
    /// - Parameters:
    ///   - address: the server's, as clients name it in their requests.
    ///   - before: the text that an earlier install wrote; clients of its label may still come by IPv6.
    static func site(
        root: String, address: ServerAddress, port: Int, before: String = ""
    ) throws(SharedConfigError) -> String {
        // Not everywhere: a machine without IPv6 could not listen there, and nginx would not start.
        let six = "    listen [::]:\(port);\n"
        return """
            # Written by netroot at each install.
            server {
                listen \(port);
            \(address.isIPv6 || before.contains(six) ? six : "")\
                server_name \(address.beforeColon);
                root \(try quoted(root));
                default_type application/octet-stream;
                sendfile on;
                tcp_nopush on;
                location / { return 404; }
                location ~ \\.nginx$ { return 404; }
                location /ipxe/ { }
                location /netroot/ { }
                include \(try quoted(root + "/netroot/*/" + labelFile));
            }

            """
    }

    /// The address in a text of `site`; nil where there is none.
    static func address(ofSite text: String) -> ServerAddress? {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, words[0] == "server_name", words[1].last == ";" else { continue }
            // One that an older netroot let through counts for nothing.
            do throws(ServerAddressError) { return try ServerAddress(parsing: String(words[1].dropLast())) } catch {
                return nil
            }
        }
        return nil
    }

    /// The name, in a label's directory of boot files, of what `label` renders.
    static let labelFile = "label.nginx"

    /// Who may have a label's files, and the image that its HTTP entry names. The image is not in the TFTP root: a TFTP
    /// server asks nobody who he is.
    /// - Parameters:
    ///   - clients: addresses and networks, `*` for everybody. None, as long as nobody has said who it is: everybody gets
    ///     kernel and initramfs, as by TFTP, and nobody what has the whole root in it, since an install of another label
    ///     may tell nginx of the TFTP root.
    ///   - hasArchive: whether archives with the whole root in them are among the boot files.
    ///   - hasSecrets: whether side-loads are, and not for everybody: beside an archive they may hold host keys, and
    ///     else one was readable for its owner alone.
    /// - Throws: `SharedConfigError.badValue`.
    static func label(
        _ label: String, clients: [String], image: (url: String, path: String)?, hasArchive: Bool = false,
        hasSecrets: Bool = false
    ) throws(SharedConfigError) -> String {
        let files = try rules(for: clients.isEmpty ? ["*"] : clients)
        var text = "# Written by netroot at each install.\nlocation /netroot/\(label)/ {\n\(files)"
        // Those of earlier generations lie beside it, and may be compressed in another way.
        let closed = [hasArchive ? "rescue\\.cpio[^/]*" : nil, hasSecrets ? "([a-z]+-)?site-[0-9]+\\.cpio" : nil]
        for pattern in closed.compactMap(\.self) {
            let rules = try rules(for: clients).split(separator: "\n").map { "    \($0)\n" }.joined()
            text += "    location ~ /\(pattern)$ {\n\(rules)    }\n"
        }
        text += "}\n"
        if let image {
            text += "location = /\(image.url) {\n    alias \(try quoted(image.path));\n\(try rules(for: clients))}\n"
        }
        return text
    }

    private static func rules(for clients: [String]) throws(SharedConfigError) -> String {
        var rules = ""
        for client in clients where client != "*" { rules += "    allow \(try checked(client: client));\n" }
        return rules + (clients.contains("*") ? "    allow all;\n" : "    deny all;\n")
    }

    /// A whole configuration for a server of our own on loopback: in the foreground, one process, files in a directory.
    /// - Parameter directory: absolute; pid, logs and scratch files lie in it.
    /// - Throws: `SharedConfigError.badValue`.
    public static func own(root: String, port: Int, directory: String) throws(SharedConfigError) -> String {
        let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        var scratch = ""
        for place in places { scratch += "    \(place)_temp_path \(try quoted("\(directory)/nginx-\(place)"));\n" }
        return """
            daemon off;
            master_process off;
            pid \(try quoted(directory + "/nginx.pid"));
            error_log stderr warn;
            events { worker_connections 64; }
            http {
                log_format bytes '$status $bytes_sent $request_uri';
                access_log \(try quoted(directory + "/nginx-access.log")) bytes;
            \(scratch)    default_type application/octet-stream;
                sendfile on;
                tcp_nopush on;
                server {
                    listen 127.0.0.1:\(port);
                    root \(try quoted(root));
                }
            }

            """
    }

    /// Inside double quotes nginx gives a meaning to backslash, quote and `$`; the last cannot be escaped.
    private static func quoted(_ path: String) throws(SharedConfigError) -> String {
        guard path.hasPrefix("/"), !path.contains("$"), path.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw .badValue(file: file, what: "path", value: path)
        }
        return "\"" + path.map { "\"\\".contains($0) ? "\\\($0)" : "\($0)" }.joined() + "\""
    }

    /// nginx takes addresses and networks, no names.
    private static func checked(client: String) throws(SharedConfigError) -> String {
        guard AddressRange(client) != nil else { throw .badValue(file: file, what: "client", value: client) }
        return client
    }
}
