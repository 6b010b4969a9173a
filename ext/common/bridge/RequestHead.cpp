#include "bridge/RequestHead.h"

#include <algorithm>

#include "base/HttpText.h"
#include "base/Split.h"

namespace Passenger::Bridge::RequestHead {

namespace {

constexpr std::string_view HEADER_PREFIX = "HTTP_";
/** A server before httpd may have sent these; the bridge adds to them. */
constexpr std::string_view FORWARDED_FOR = "X-Forwarded-For";
constexpr std::string_view FORWARDED_PROTO = "X-Forwarded-Proto";

/** For our loader of Node applications. */
constexpr std::string_view CLIENT = "Passenger-Client";

void addLine(std::string &head, std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
}

/** Headers of the client that the bridge writes itself. */
bool isOurs(std::string_view name, bool encrypted) {
    using HttpText::equalsIgnoringCase;
    return equalsIgnoringCase(name, "Host") || equalsIgnoringCase(name, "Content-Length") ||
           equalsIgnoringCase(name, "Expect") || equalsIgnoringCase(name, FORWARDED_FOR) ||
           (encrypted && equalsIgnoringCase(name, FORWARDED_PROTO));
}

/** `HTTP_X_REQUEST_ID` gives `X-Request-Id`. */
void addName(std::string &head, std::string_view variable) {
    const std::size_t begin = head.size();
    head += variable.substr(HEADER_PREFIX.size());
    bool first = true;
    for (std::size_t at = begin; at < head.size(); at++) {
        char &c = head[at];
        if (c == '_') {
            c = '-';
        } else if (!first && c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
        first = c == '-';
    }
}

bool addHeaders(std::string &head, const RequestFields &fields, bool encrypted) {
    for (const auto &[variable, value] : fields.all()) {
        if (!variable.starts_with(HEADER_PREFIX)) {
            continue;
        }
        const std::size_t begin = head.size();
        addName(head, variable);
        const std::string_view name = std::string_view(head).substr(begin);
        // Other headers that Connection names are passed on: the administrator may have set them.
        if (isOurs(name, encrypted) || HttpText::isHopByHop(name)) {
            head.resize(begin);
            continue;
        }
        if (!HttpText::isToken(name) || !HttpText::isValue(value)) {
            return false;
        }
        head.append(": ").append(value).append("\r\n");
    }
    return true;
}

/** `name` is an item of an Upgrade header. */
bool isWelcome(std::string_view protocol) {
    std::string_view name = HttpText::trim(protocol);
    name = name.substr(0, name.find('/'));
    return !name.empty() && !HttpText::equalsIgnoringCase(name, "h2c") && !HttpText::equalsIgnoringCase(name, "h2") &&
           !HttpText::equalsIgnoringCase(name, "HTTP") && !HttpText::equalsIgnoringCase(name, "TLS");
}

std::string hostOf(const RequestFields &fields) {
    std::string host(fields["HTTP_HOST"]);
    if (host.empty()) {
        host.append(fields["SERVER_NAME"]).append(":").append(fields["SERVER_PORT"]);
    }
    return host;
}

void addForwarded(std::string &head, const RequestFields &fields, bool encrypted) {
    std::string clients(fields["HTTP_X_FORWARDED_FOR"]);
    clients.append(clients.empty() ? "" : ", ").append(fields["REMOTE_ADDR"]);
    addLine(head, FORWARDED_FOR, clients);
    if (encrypted) {
        addLine(head, FORWARDED_PROTO, "https");
    }
}

void addFraming(std::string &head, const BodyFraming &body) {
    switch (body.kind) {
        case BodyFraming::Kind::NONE: break;
        case BodyFraming::Kind::LENGTH: addLine(head, "Content-Length", std::to_string(body.length)); break;
        case BodyFraming::Kind::CHUNKED: addLine(head, "Transfer-Encoding", "chunked"); break;
    }
    if (body.onlyIfAsked) {
        addLine(head, "Expect", "100-continue");
    }
}

/** @param last lines behind all others */
std::optional<std::string> writeWith(std::string_view last, const RequestFields &fields, const BodyFraming &body) {
    const std::string_view method = fields["REQUEST_METHOD"];
    const std::string_view target = fields["REQUEST_URI"];
    const std::string_view contentType = fields["CONTENT_TYPE"];
    const std::string host = hostOf(fields);
    const bool encrypted = fields["HTTPS"] == "on";
    if (!HttpText::isToken(method) || !HttpText::isTarget(target) || !HttpText::isValue(host) ||
        !HttpText::isValue(contentType) || !HttpText::isValue(fields["HTTP_X_FORWARDED_FOR"]) ||
        !HttpText::isValue(fields["REMOTE_ADDR"])) {
        return std::nullopt;
    }
    std::string head;
    head.reserve(1024);
    head.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
    addLine(head, "Host", host);
    if (!addHeaders(head, fields, encrypted)) {
        return std::nullopt;
    }
    addForwarded(head, fields, encrypted);
    if (!contentType.empty()) {
        addLine(head, "Content-Type", contentType);
    }
    addFraming(head, body);
    if (wantsUpgrade(fields, body)) {
        addLine(head, "Connection", "Upgrade");
        addLine(head, "Upgrade", fields["HTTP_UPGRADE"]);
    }
    head.append(last).append("\r\n");
    return head;
}

}  // namespace

std::optional<std::string> write(const RequestFields &fields, const BodyFraming &body, bool takesTrailers) {
    // A request for another protocol has a Connection header already.
    const bool says = takesTrailers && !wantsUpgrade(fields, body);
    return writeWith(says ? "TE: trailers\r\nConnection: TE\r\n" : "", fields, body);
}

std::optional<std::string> writeForNode(const RequestFields &fields, const BodyFraming &body) {
    const std::string_view port = fields["REMOTE_PORT"];
    const std::string_view id = fields["PASSENGER_REQUEST_ID"];
    if (!HttpText::isValue(port) || !HttpText::isValue(id)) {
        return std::nullopt;
    }
    std::string client;
    client.append(CLIENT).append(": ").append(port);
    if (!id.empty()) {
        client.append(" id=").append(id);
    }
    client += fields["HTTPS"] == "on" ? " https\r\n" : "\r\n";
    return writeWith(client, fields, body);
}

bool wantsUpgrade(const RequestFields &fields, const BodyFraming &body) {
    const std::string_view protocols = fields["HTTP_UPGRADE"];
    if (fields["SERVER_PROTOCOL"] != "HTTP/1.1" || body.kind != BodyFraming::Kind::NONE || protocols.empty() ||
        !HttpText::isValue(protocols) || !HttpText::listHas(fields["HTTP_CONNECTION"], "upgrade")) {
        return false;
    }
    const std::vector<std::string> all = split(protocols, ',');
    return std::all_of(all.begin(), all.end(), isWelcome);
}

bool isSafe(const RequestFields &fields) {
    const std::string_view method = fields["REQUEST_METHOD"];
    return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace Passenger::Bridge::RequestHead
