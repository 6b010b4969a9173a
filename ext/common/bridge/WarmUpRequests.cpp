#include "bridge/WarmUpRequests.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "base/FileDescriptor.h"
#include "base/Poll.h"
#include "bridge/AnswerParser.h"
#include "bridge/EventLog.h"
#include "bridge/RequestFields.h"
#include "bridge/RequestHead.h"

namespace Passenger::Bridge {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t LIMIT_FIELD = 8;
/** Statuses from here on are failures. */
constexpr unsigned FAILURES = 500;

/** One connection for one request. */
class Asker {
public:
    Asker(const AppAddress &address, AppAddress::Deadline deadline)
        : deadline_(deadline), socket_(address.connectToThisUsers(deadline)) {
        if (!socket_) {
            problem_ = fmt::format("no connection: {}", strerror(errno));
        }
    }

    /** Up to the end of the answer, or the deadline. */
    void ask(std::string_view head) {
        while (problem_.empty() && !head.empty() && await(POLLOUT)) {
            const ssize_t sent = ::send(socket_.get(), head.data(), head.size(), MSG_NOSIGNAL);
            if (sent >= 0) {
                head.remove_prefix(static_cast<std::size_t>(sent));
            } else {
                check(errno);
            }
        }
        while (problem_.empty() && !answer_.complete() && await(POLLIN)) {
            receive();
        }
    }

    /** Why there is no whole answer; empty: there is one. */
    const std::string &problem() const noexcept { return problem_; }
    /** 0: no answer has begun. */
    unsigned status() const noexcept { return answer_.hasHead() ? answer_.head().status : 0; }

private:
    bool await(short events) {
        pollfd entry{socket_.get(), events, 0};
        const auto left = std::chrono::ceil<milliseconds>(deadline_ - steady_clock::now());
        if (left <= milliseconds::zero()) {
            problem_ = "no answer in time";
            return false;
        }
        ::poll(&entry, 1, static_cast<int>(std::min<milliseconds::rep>(left.count(), 60'000)));
        return true;
    }

    void receive() {
        std::array<char, 65536> buffer{};
        const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0) {
            check(errno);
            return;
        }
        if (size == 0) {
            answer_.end();
        } else {
            answer_.feed({buffer.data(), static_cast<std::size_t>(size)});
            answer_.takeInterim();
            answer_.takeBody();
        }
        if (answer_.problem() != nullptr) {
            problem_ = answer_.problem();
        } else if (size == 0 && !answer_.complete()) {
            problem_ = "the application closed the connection";
        }
    }

    void check(int error) {
        if (error != EAGAIN && error != EINTR) {
            problem_ = strerror(error);
        }
    }

    const AppAddress::Deadline deadline_;
    const FileDescriptor socket_;
    AnswerParser answer_{{}};
    std::string problem_;
};

}  // namespace

WarmUpRequests::WarmUpRequests(const Frame &serve) {
    if (serve.fields.size() > LIMIT_FIELD) {
        limit_ = milliseconds(serve.number(LIMIT_FIELD));
        environments_.assign(std::next(serve.fields.begin(), LIMIT_FIELD + 1), serve.fields.end());
    }
    deadline_ = steady_clock::now() + limit_;
}

bool WarmUpRequests::run(const AppAddress &address, bool toNode) const {
    bool good = true;
    for (const std::string &environment : environments_) {
        good = answer(environment, address, toNode) && good;
    }
    return good;
}

/** @return false: it has failed, which is logged */
bool WarmUpRequests::answer(const std::string &environment, const AppAddress &address, bool toNode) const {
    const auto fields = RequestFields::parse(environment);
    const std::string path = EventLog::inQuotes(fields ? (*fields)["REQUEST_URI"] : std::string_view());
    const auto head = !fields  ? std::nullopt
                      : toNode ? RequestHead::writeForNode(*fields, {})
                               : RequestHead::write(*fields, {});
    if (!head) {
        EventLog::write("warm_up.failed",
                        fmt::format("path={} reason=\"the request cannot be written as HTTP\"", path));
        return false;
    }
    const auto began = steady_clock::now();
    Asker asker(address, deadline_);
    asker.ask(*head);
    const unsigned status = asker.status();
    if (asker.problem().empty() && status < FAILURES) {
        const auto spent = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began);
        EventLog::write("warm_up.done", fmt::format("path={} status={} ms={}", path, status, spent.count()));
        return true;
    }
    std::string why = status != 0 ? fmt::format(" status={}", status) : "";
    if (!asker.problem().empty()) {
        const std::string reason = steady_clock::now() < deadline_
                                       ? asker.problem()
                                       : fmt::format("no answer within {} ms of the instance's start", limit_.count());
        why += " reason=" + EventLog::inQuotes(reason);
    }
    EventLog::write("warm_up.failed", fmt::format("path={}{}", path, why));
    return false;
}

}  // namespace Passenger::Bridge
