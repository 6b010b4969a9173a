#include "HttpConnection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr std::string_view HEAD_END = "\r\n\r\n";
constexpr std::size_t STATUS = std::string_view("HTTP/1.1 ").size();

/** Returns the value of a header, up to the end of the answer; null if there is none. */
const char *header(const std::string &answer, const char *name) {
    const char *found = ::strcasestr(answer.c_str(), name);
    return found != nullptr && found < answer.c_str() + answer.find(HEAD_END) ? found + std::strlen(name) : nullptr;
}

}  // namespace

HttpConnection::HttpConnection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!socket_ || ::connect(socket_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0) {
        throw SystemException("cannot connect to port " + std::to_string(port), errno);
    }
    const int on = 1;
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool HttpConnection::send(const std::string &request) noexcept {
    answer_.clear();
    return ::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(request.size());
}

HttpConnection::Progress HttpConnection::receive() {
    std::array<char, 16384> buffer;
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) {
        return Progress::INCOMPLETE;
    }
    if (size <= 0) {
        return size == 0 && endsWithConnection() ? Progress::COMPLETE : Progress::CLOSED;
    }
    answer_.append(buffer.data(), static_cast<std::size_t>(size));
    return complete() ? Progress::COMPLETE : Progress::INCOMPLETE;
}

bool HttpConnection::complete() const noexcept {
    const std::size_t head = answer_.find(HEAD_END);
    if (head == std::string::npos) {
        return false;
    }
    if (const char *length = header(answer_, "\r\nContent-Length:")) {
        return answer_.size() >= head + HEAD_END.size() + std::strtoul(length, nullptr, 10);
    }
    return answer_.ends_with("\r\n0\r\n\r\n");
}

bool HttpConnection::endsWithConnection() const noexcept {
    return answer_.find(HEAD_END) != std::string::npos && !stays() &&
           header(answer_, "\r\nContent-Length:") == nullptr && header(answer_, "\r\nTransfer-Encoding:") == nullptr;
}

int HttpConnection::status() const noexcept {
    return std::atoi(answer_.c_str() + STATUS);
}

bool HttpConnection::stays() const noexcept {
    const char *connection = header(answer_, "\r\nConnection:");
    return connection == nullptr || ::strncasecmp(connection, " close", std::strlen(" close")) != 0;
}

}  // namespace Passenger
