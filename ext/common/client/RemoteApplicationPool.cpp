#include "client/RemoteApplicationPool.h"

#include <chrono>

#include "base/Exceptions.h"
#include "client/AppLink.h"
#include "exchange/StreamSession.h"
#include "io/ReportFrame.h"

namespace Passenger {

namespace {

/** A request waits for the look at restart files, and goes on without it. */
constexpr std::chrono::seconds RESTART_CHECK_TIME{5};

}  // namespace

/** The host of the only session. The end of the session resets open_. */
QueueHostPtr RemoteApplicationPool::open(const Options &options) {
    if (open_.exchange(true)) {
        throw IOException(
            "a session of this ApplicationPool is still open; end that session, or connect() again for another "
            "ApplicationPool");
    }
    try {
        return client_->app(options);
    } catch (...) {
        open_ = false;
        throw;
    }
}

void RemoteApplicationPool::OwnSession::release() noexcept {
    const auto pool = std::move(pool_);
    pool->session_.reset();
    pool->open_ = false;
}

SessionPtr RemoteApplicationPool::get(const std::string &appRoot, bool lowerPrivilege, const std::string &lowestUser) {
    Options options;
    // Empty: the value that the agent got at its start.
    options.environment.clear();
    options.ruby.clear();
    options.appRoot = appRoot;
    options.userSwitching = lowerPrivilege;
    options.defaultUser = lowestUser;
    QueueHostPtr host = open(options);
    options_ = std::move(options);
    // The host must not outlive the pool's client.
    const auto closes = [self = shared_from_this(), host](QueueHost *) mutable {
        host.reset();
        self->open_ = false;
    };
    return std::make_unique<StreamSession>(QueueHostPtr(host.get(), closes), options_);
}

MessageSessionPtr RemoteApplicationPool::get(const Options &options) {
    return MessageSessionPtr(&session_.emplace(shared_from_this(), open(options), options));
}

std::uint64_t RemoteApplicationPool::query(const char *what) const {
    const Frame answer = client_->ask(Frame::of(FrameType::QUERY, what));
    answer.expect(FrameType::VALUE, "the agent answered QUERY with an unexpected frame");
    return answer.number(0);
}

bool RemoteApplicationPool::checkRestart(const std::string &name) {
    const Frame answer = client_->askApart(Frame(FrameType::CHECK_RESTART, {name}), RESTART_CHECK_TIME);
    answer.expect(FrameType::VALUE, "the agent answered CHECK_RESTART with an unexpected frame");
    return answer.number(0) == 1;
}

std::optional<Report> RemoteApplicationPool::report(const std::string &id, const std::string &app) {
    const Frame answer = client_->ask(Frame(FrameType::GET_REPORT, {id, app}));
    answer.expect(FrameType::REPORT, "the agent answered GET_REPORT with an unexpected frame");
    return answer.fields.empty() ? std::nullopt : std::optional(reportIn(answer, 0));
}

void RemoteApplicationPool::clear() {
    query("clear");
}

void RemoteApplicationPool::setMax(unsigned max) {
    client_->ask(Frame::of(FrameType::QUERY, "set_max", max));
}

unsigned RemoteApplicationPool::getActive() const {
    return static_cast<unsigned>(query("active"));
}

unsigned RemoteApplicationPool::getCount() const {
    return static_cast<unsigned>(query("count"));
}

pid_t RemoteApplicationPool::getSpawnServerPid() const {
    return static_cast<pid_t>(query("spawn_server_pid"));
}

}  // namespace Passenger
