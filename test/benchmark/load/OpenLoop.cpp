/*
 * open_loop PORT RATE SECONDS SEED CONNECTIONS PATH[=WEIGHT]...
 *
 * A load whose requests are sent at fixed times, however slow the answers are: RATE a second on
 * average, with exponential gaps. Weights choose the paths. The same seed gives the same requests
 * at the same times. Latency counts from the time at which a request was due.
 *
 * If all CONNECTIONS are busy, a request is not sent but counted: the server's queue is measured,
 * so the program keeps none itself. It prints one line of JSON.
 */
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "HttpConnection.h"
#include "Tally.h"
#include "base/Exceptions.h"

namespace Passenger {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

/** The time for outstanding answers after the last request. */
constexpr std::chrono::seconds GRACE{5};

struct Settings {
    std::uint16_t port = 0;
    double rate = 0;
    std::chrono::duration<double> duration{};
    std::uint64_t seed = 0;
    std::size_t connections = 0;
    std::vector<std::string> paths{};
    std::vector<double> weights{};
};

/** The times of requests, and their paths. */
class Arrivals {
public:
    explicit Arrivals(const Settings &settings)
        : random_(settings.seed),
          gap_(settings.rate),
          path_(settings.weights.begin(), settings.weights.end()),
          next_(Clock::now()),
          end_(next_ + std::chrono::duration_cast<nanoseconds>(settings.duration)) {
        advance();
    }
    Clock::time_point next() const { return next_; }
    Clock::time_point end() const { return end_; }
    bool over() const { return next_ >= end_; }
    /** Returns the path of the next request and advances to the one after it. */
    std::size_t take() {
        advance();
        return path_(random_);
    }

private:
    void advance() { next_ += std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(gap_(random_))); }

    std::mt19937_64 random_;
    std::exponential_distribution<double> gap_;
    std::discrete_distribution<std::size_t> path_;
    Clock::time_point next_;
    Clock::time_point end_;
};

/** A place for a connection, and the request on the connection. */
struct RequestContext {
    std::optional<HttpConnection> connection;
    Clock::time_point due;
    std::size_t path = 0;
    bool busy = false;
    /**
     * The connection has served a request: the server may close it just as the next one is sent.
     */
    bool used = false;
};

class OpenLoop {
public:
    explicit OpenLoop(const Settings &settings)
        : settings_(settings),
          poll_(::epoll_create1(EPOLL_CLOEXEC)),
          contexts_(settings.connections),
          arrivals_(settings) {
        for (RequestContext &context : contexts_) {
            free_.push_back(&context);
        }
    }

    void run() {
        while (!arrivals_.over() || (busy() > 0 && Clock::now() < arrivals_.end() + GRACE)) {
            while (!arrivals_.over() && arrivals_.next() <= Clock::now()) {
                arrive();
            }
            wait();
        }
    }
    std::string json() {
        return fmt::format(R"({{"seconds":{},"dropped":{},"broken":{},"unanswered":{},"answers":{}}})",
                           settings_.duration.count(), dropped_, broken_, busy(), tally_.json());
    }

private:
    std::size_t busy() const { return contexts_.size() - free_.size(); }

    void arrive() {
        const Clock::time_point due = arrivals_.next();
        const std::size_t path = arrivals_.take();
        if (free_.empty()) {
            dropped_++;
            return;
        }
        // The most recently used one, so that no more connections are kept than needed.
        RequestContext &context = *free_.back();
        free_.pop_back();
        context.due = due;
        context.path = path;
        context.busy = true;
        send(context);
    }

    void send(RequestContext &context) {
        if (!context.connection) {
            connect(context);
        }
        const std::string request =
            "GET " + settings_.paths[context.path] + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: open_loop\r\n\r\n";
        if (!context.connection->send(request)) {
            closed(context);
        }
    }

    void connect(RequestContext &context) {
        context.connection.emplace(settings_.port);
        context.used = false;
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &context;
        ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, context.connection->descriptor(), &event);
    }

    /** Sleeps until bytes arrive or a request is due. */
    void wait() {
        const Clock::time_point until = arrivals_.over() ? arrivals_.end() + GRACE : arrivals_.next();
        const auto left = std::max(nanoseconds(0), std::chrono::duration_cast<nanoseconds>(until - Clock::now()));
        const timespec timeout{left / std::chrono::seconds(1), (left % std::chrono::seconds(1)).count()};
        std::array<epoll_event, 64> events;
        const int count = ::epoll_pwait2(poll_.get(), events.data(), events.size(), &timeout, nullptr);
        if (count < 0 && errno != EINTR) {
            throw SystemException("epoll_pwait2", errno);
        }
        for (int i = 0; i < count; i++) {
            receive(*static_cast<RequestContext *>(events[static_cast<std::size_t>(i)].data.ptr));
        }
    }

    void receive(RequestContext &context) {
        const HttpConnection::Progress progress = context.connection->receive();
        if (progress == HttpConnection::Progress::CLOSED) {
            closed(context);
        } else if (progress == HttpConnection::Progress::COMPLETE && context.busy) {
            tally_.add(settings_.paths[context.path], context.connection->status(), Clock::now() - context.due);
            context.used = true;
            if (!context.connection->stays()) {
                context.connection.reset();
            }
            free(context);
        }
    }

    /**
     * A server may close a kept connection at any time. A request on it is then sent again on a new
     * connection, as browsers do.
     */
    void closed(RequestContext &context) {
        const bool again = context.busy && context.used && context.connection->silent();
        context.connection.reset();
        if (again) {
            send(context);
        } else if (context.busy) {
            broken_++;
            free(context);
        }
    }

    void free(RequestContext &context) {
        context.busy = false;
        free_.push_back(&context);
    }

    const Settings &settings_;
    const FileDescriptor poll_;
    std::vector<RequestContext> contexts_;
    std::vector<RequestContext *> free_;
    Arrivals arrivals_;
    Tally tally_;
    std::uint64_t dropped_ = 0;
    std::uint64_t broken_ = 0;
};

Settings parse(const std::vector<std::string> &arguments) {
    if (arguments.size() < 6) {
        throw std::invalid_argument("usage: open_loop PORT RATE SECONDS SEED CONNECTIONS PATH[=WEIGHT]...");
    }
    Settings settings;
    settings.port = static_cast<std::uint16_t>(std::stoul(arguments[0]));
    settings.rate = std::stod(arguments[1]);
    settings.duration = std::chrono::duration<double>(std::stod(arguments[2]));
    settings.seed = std::stoull(arguments[3]);
    settings.connections = std::stoul(arguments[4]);
    for (std::size_t i = 5; i < arguments.size(); i++) {
        const std::size_t sign = arguments[i].find('=');
        settings.paths.push_back(arguments[i].substr(0, sign));
        settings.weights.push_back(sign == std::string::npos ? 1 : std::stod(arguments[i].substr(sign + 1)));
    }
    return settings;
}

}  // namespace

}  // namespace Passenger

int main(int argc, char **argv) {
    try {
        const Passenger::Settings settings = Passenger::parse({argv + 1, argv + argc});
        Passenger::OpenLoop load(settings);
        load.run();
        fmt::print("{}\n", load.json());
        return EXIT_SUCCESS;
    } catch (const std::exception &error) {
        fmt::print(stderr, "open_loop: {}\n", error.what());
        return EXIT_FAILURE;
    }
}
