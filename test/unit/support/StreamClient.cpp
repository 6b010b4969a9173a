#include "support/StreamClient.h"

#include <poll.h>
#include <unistd.h>

#include <stdexcept>

namespace Passenger {

std::string requestEnvironment(const std::string &path, const std::map<std::string, std::string> &more) {
    std::map<std::string, std::string> variables{
        {"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", ""},          {"PATH_INFO", path},   {"REQUEST_URI", path},
        {"QUERY_STRING", ""},      {"SERVER_NAME", "test"},      {"SERVER_PORT", "80"}, {"SERVER_PROTOCOL", "HTTP/1.1"},
        {"HTTPS", "off"},          {"REMOTE_ADDR", "127.0.0.1"},
    };
    for (const auto &[name, value] : more) {
        variables[name] = value;
    }
    std::string text;
    for (const auto &[name, value] : variables) {
        text.append(name).append(1, '\0').append(value).append(1, '\0');
    }
    return text;
}

std::string exchange(Session &session, const std::string &path, const std::string &body) {
    session.sendHeaders(requestEnvironment(
        path, {{"REQUEST_METHOD", body.empty() ? "GET" : "POST"}, {"CONTENT_LENGTH", std::to_string(body.size())}}));
    session.sendBodyBlock(body);
    session.closeWriter();
    std::string answer;
    char buffer[4096];
    for (;;) {
        pollfd entry{session.getReader(), POLLIN, 0};
        if (::poll(&entry, 1, 60000) != 1) {
            throw std::runtime_error("The application does not answer");
        }
        const ssize_t size = ::read(session.getReader(), buffer, sizeof(buffer));
        if (size <= 0) {
            break;
        }
        answer.append(buffer, static_cast<std::size_t>(size));
    }
    session.closeReader();
    return answer;
}

std::string bodyOf(const std::string &answer) {
    const std::size_t end = answer.find("\r\n\r\n");
    return end == std::string::npos ? "" : answer.substr(end + 4);
}

}  // namespace Passenger
