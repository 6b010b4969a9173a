#include "exchange/WarmUp.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/HttpText.h"
#include "base/Split.h"
#include "exchange/Options.h"

namespace Passenger {

namespace {

constexpr std::string_view LOCAL_ADDRESS = "127.0.0.1";

bool isHostCharacter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".-_:[]").find(c) != std::string_view::npos;
}

bool isTarget(std::string_view text) {
    return text.starts_with('/') && HttpText::isTarget(text) && text.find('#') == std::string_view::npos;
}

/** Name and port of a host; the port of the scheme where the host has none. */
std::pair<std::string_view, std::string_view> divide(std::string_view host, bool encrypted) {
    const auto colon = host.rfind(':');
    if (colon == std::string_view::npos || host.ends_with(']')) {
        return {host, encrypted ? "443" : "80"};
    }
    return {host.substr(0, colon), host.substr(colon + 1)};
}

/** Whether the text is a host with a name or an address, and perhaps a port. */
bool isHost(std::string_view host) {
    const auto [name, port] = divide(host, false);
    const bool bracketed = name.starts_with('[') && name.ends_with(']') && name.size() > 2;
    const auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
    return !name.empty() && std::all_of(host.begin(), host.end(), isHostCharacter) &&
           (bracketed || name.find_first_of("[]:") == std::string_view::npos) && !port.empty() && port.size() <= 5 &&
           std::all_of(port.begin(), port.end(), isDigit);
}

/** Whether the path is the application's base URI or below it. */
bool isBelow(std::string_view path, std::string_view baseUri) {
    return path.starts_with(baseUri) && (path.size() == baseUri.size() || path[baseUri.size()] == '/');
}

}  // namespace

std::optional<WarmUp> WarmUp::parse(std::string_view text) {
    WarmUp made;
    for (const auto &[scheme, encrypted] : {std::pair<std::string_view, bool>("http://", false), {"https://", true}}) {
        if (text.starts_with(scheme)) {
            made.encrypted = encrypted;
            text.remove_prefix(scheme.size());
            const auto slash = std::min(text.find('/'), text.size());
            made.host = text.substr(0, slash);
            text.remove_prefix(slash);
            break;
        }
    }
    if (!isHost(made.host) || !isTarget(text)) {
        return std::nullopt;
    }
    made.target = text;
    return made;
}

std::vector<std::string> WarmUp::environmentsFor(const Options &options) {
    std::vector<std::string> environments;
    std::string_view lines = options.warmUp;
    if (lines.empty()) {
        return environments;
    }
    const Options::Variables variables = options.variables ? options.variables() : Options::Variables();
    while (!lines.empty() && environments.size() < MOST_REQUESTS) {
        if (const auto request = parse(takePiece(lines, '\n'))) {
            environments.push_back(request->environmentFor(options.baseUri, variables));
        }
    }
    return environments;
}

std::string WarmUp::environmentFor(const std::string &baseUri,
                                   const std::map<std::string, std::string> &variables) const {
    const std::string_view whole = target;
    const auto question = std::min(whole.find('?'), whole.size());
    std::string_view path = whole.substr(0, question);
    const std::string_view query = whole.substr(std::min(question + 1, whole.size()));
    const std::string_view base = isBelow(path, baseUri) ? std::string_view(baseUri) : "";
    path.remove_prefix(base.size());
    const auto [name, port] = divide(host, encrypted);
    std::string environment;
    const auto add = [&](std::string_view key, std::string_view value) {
        environment.append(key).append(1, '\0').append(value).append(1, '\0');
    };
    const auto own = std::to_array<std::pair<std::string_view, std::string_view>>({
        {"GATEWAY_INTERFACE", "CGI/1.1"},
        {"REQUEST_METHOD", "GET"},
        {"SCRIPT_NAME", base},
        {"PATH_INFO", path.empty() ? "/" : path},
        {"QUERY_STRING", query},
        {"REQUEST_URI", whole},
        {"SERVER_PROTOCOL", "HTTP/1.1"},
        {"SERVER_NAME", name},
        {"SERVER_PORT", port},
        {"SERVER_ADDR", LOCAL_ADDRESS},
        {"REMOTE_ADDR", LOCAL_ADDRESS},
        {"REMOTE_PORT", "0"},
        {"REQUEST_SCHEME", encrypted ? "https" : "http"},
        {"HTTP_HOST", host},
        {"HTTP_USER_AGENT", USER_AGENT},
        {"HTTP_ACCEPT", "*/*"},
    });
    for (const auto &[key, value] : own) {
        add(key, value);
    }
    if (encrypted) {
        add("HTTPS", "on");
    }
    const auto isOwn = [&](const std::string &name) {
        return (encrypted && name == "HTTPS") ||
               std::any_of(own.begin(), own.end(), [&](const auto &one) { return one.first == name; });
    };
    // An application may read variables of SetEnv from the request.
    for (const auto &[key, value] : variables) {
        if (!isOwn(key)) {
            add(key, value);
        }
    }
    return environment;
}

}  // namespace Passenger
