/*
 * web_socket_load PORT RATE SECONDS CONNECTIONS PATH
 *
 * Opens CONNECTIONS WebSockets and sends RATE short messages a second over all of them together, by
 * turns, at fixed times. The server sends each message back. Latency counts from the time at which
 * the message was due. The program prints one line of JSON.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "Tally.h"
#include "base/Exceptions.h"
#include "base/FileDescriptor.h"

namespace Passenger {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

/** The time for outstanding messages after the last one was sent. */
constexpr std::chrono::seconds GRACE{5};
constexpr std::chrono::milliseconds HEAD_WITHIN{10'000};
constexpr int SWITCHING_PROTOCOLS = 101;
/** A text frame with a mask of zeros. */
constexpr std::string_view MESSAGE{"\x81\x90\0\0\0\0a short message.", 22};
/** The size of the answer, which has no mask. */
constexpr std::size_t ANSWER = MESSAGE.size() - 4;

struct Settings {
    std::uint16_t port = 0;
    double rate = 0;
    std::chrono::duration<double> duration{};
    std::size_t connections = 0;
    std::string path{};
};

/** One WebSocket, with the messages that have not come back. */
class WebSocket {
public:
    /** Waits until it is open. @throws SystemException, std::runtime_error */
    explicit WebSocket(const Settings &settings) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(settings.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (!socket_ || ::connect(socket_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0) {
            throw SystemException("cannot connect to port " + std::to_string(settings.port), errno);
        }
        const int on = 1;
        ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        open(settings.path);
    }
    int descriptor() const noexcept { return socket_.get(); }
    /** False: the connection is broken. */
    bool send(Clock::time_point due) {
        due_.push_back(due);
        return ::send(descriptor(), MESSAGE.data(), MESSAGE.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
               static_cast<ssize_t>(MESSAGE.size());
    }
    /** Passes the times of the messages that have come back on. False: the connection is broken. */
    template <typename Function> bool receive(const Function &returned) {
        std::array<char, 4096> buffer;
        const ssize_t size = ::recv(descriptor(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size <= 0) {
            return size < 0 && errno == EAGAIN;
        }
        received_ += static_cast<std::size_t>(size);
        for (; received_ >= ANSWER && !due_.empty(); received_ -= ANSWER) {
            returned(due_.front());
            due_.pop_front();
        }
        return true;
    }
    std::size_t outstanding() const noexcept { return due_.size(); }

private:
    void open(const std::string &path) {
        const std::string request = "GET " + path +
                                    " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        if (::send(descriptor(), request.data(), request.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request.size())) {
            throw SystemException("send", errno);
        }
        std::string head;
        while (!head.ends_with("\r\n\r\n")) {
            pollfd entry{descriptor(), POLLIN, 0};
            char next = 0;
            if (::poll(&entry, 1, HEAD_WITHIN.count()) <= 0 || ::recv(descriptor(), &next, 1, 0) != 1) {
                throw std::runtime_error("no answer to an upgrade");
            }
            head += next;
        }
        if (!head.starts_with("HTTP/1.1 101 ")) {
            throw std::runtime_error("no WebSocket, but " + head.substr(0, head.find('\r')));
        }
    }

    FileDescriptor socket_;
    std::deque<Clock::time_point> due_;
    std::size_t received_ = 0;
};

class WebSocketLoad {
public:
    explicit WebSocketLoad(const Settings &settings) : settings_(settings), poll_(::epoll_create1(EPOLL_CLOEXEC)) {
        sockets_.reserve(settings.connections);
        for (std::size_t i = 0; i < settings.connections; i++) {
            sockets_.emplace_back(settings);
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u64 = i;
            ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, sockets_.back().descriptor(), &event);
        }
    }

    void run() {
        const auto gap = std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(1 / settings_.rate));
        Clock::time_point due = Clock::now();
        const Clock::time_point end = due + std::chrono::duration_cast<nanoseconds>(settings_.duration);
        std::size_t next = 0;
        while (due < end || (unanswered() > 0 && Clock::now() < end + GRACE)) {
            for (; due < end && due <= Clock::now(); due += gap) {
                broken_ += sockets_[next].send(due) ? 0 : 1;
                next = (next + 1) % sockets_.size();
            }
            wait(due < end ? due : end + GRACE);
        }
    }
    std::string json() {
        return fmt::format(R"({{"seconds":{},"dropped":0,"broken":{},"unanswered":{},"answers":{}}})",
                           settings_.duration.count(), broken_, unanswered(), tally_.json());
    }

private:
    std::size_t unanswered() const {
        std::size_t count = 0;
        for (const WebSocket &socket : sockets_) {
            count += socket.outstanding();
        }
        return count;
    }

    void wait(Clock::time_point until) {
        const auto left = std::max(nanoseconds(0), std::chrono::duration_cast<nanoseconds>(until - Clock::now()));
        const timespec timeout{left / std::chrono::seconds(1), (left % std::chrono::seconds(1)).count()};
        std::array<epoll_event, 64> events;
        const int count = ::epoll_pwait2(poll_.get(), events.data(), events.size(), &timeout, nullptr);
        for (int i = 0; i < count; i++) {
            receive(sockets_[events[static_cast<std::size_t>(i)].data.u64]);
        }
    }

    void receive(WebSocket &socket) {
        const bool lives = socket.receive(
            [this](Clock::time_point due) { tally_.add(settings_.path, SWITCHING_PROTOCOLS, Clock::now() - due); });
        if (!lives) {
            broken_++;
            ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, socket.descriptor(), nullptr);
        }
    }

    const Settings &settings_;
    const FileDescriptor poll_;
    std::vector<WebSocket> sockets_;
    Tally tally_;
    std::uint64_t broken_ = 0;
};

Settings parse(const std::vector<std::string> &arguments) {
    if (arguments.size() != 5) {
        throw std::invalid_argument("usage: web_socket_load PORT RATE SECONDS CONNECTIONS PATH");
    }
    Settings settings;
    settings.port = static_cast<std::uint16_t>(std::stoul(arguments[0]));
    settings.rate = std::stod(arguments[1]);
    settings.duration = std::chrono::duration<double>(std::stod(arguments[2]));
    settings.connections = std::stoul(arguments[3]);
    settings.path = arguments[4];
    return settings;
}

void raiseDescriptorLimit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace

}  // namespace Passenger

int main(int argc, char **argv) {
    try {
        const Passenger::Settings settings = Passenger::parse({argv + 1, argv + argc});
        Passenger::raiseDescriptorLimit();
        Passenger::WebSocketLoad load(settings);
        load.run();
        fmt::print("{}\n", load.json());
        return EXIT_SUCCESS;
    } catch (const std::exception &error) {
        fmt::print(stderr, "web_socket_load: {}\n", error.what());
        return EXIT_FAILURE;
    }
}
