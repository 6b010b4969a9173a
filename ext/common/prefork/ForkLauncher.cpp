#include "prefork/ForkLauncher.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iterator>
#include <span>
#include <stdexcept>
#include <utility>

#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/Poll.h"
#include "io/SocketPair.h"
#include "prefork/ForkServer.h"
#include "prefork/PipedWorker.h"
#include "prefork/WorkerListener.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds BIRTH_LIMIT{5};
constexpr std::chrono::seconds END_LIMIT{2};

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PASSENGER_THREAD_SANITIZER
#endif
#elif defined(__SANITIZE_THREAD__)
#define PASSENGER_THREAD_SANITIZER
#endif
#ifdef PASSENGER_THREAD_SANITIZER
/** The sanitizer has a thread of its own. */
constexpr std::ptrdiff_t ALLOWED_THREADS = 2;
#else
constexpr std::ptrdiff_t ALLOWED_THREADS = 1;
#endif

std::ptrdiff_t countThreads() {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
}

void requireOneThread() {
    auto threads = countThreads();
    // The kernel lists a joined thread for a moment longer.
    for (int i = 0; i < 100 && threads > ALLOWED_THREADS; i++) {
        ::poll(nullptr, 0, 1);
        threads = countThreads();
    }
    if (threads > ALLOWED_THREADS) {
        throw std::logic_error(
            "PreFork::start() forks workers, so it must run before the process starts another thread; it has " +
            std::to_string(threads) + " threads now: start the EventLoop and other threads afterwards");
    }
}

int waitFor(pid_t pid) {
    int status = UNKNOWN_WAIT_STATUS;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

}  // namespace

/** A worker that the fork server forked. Used on the loop. */
class ForkedWorker final : public PipedWorker {
public:
    ForkedWorker(ForkLauncher &launcher, WorkerId id, FileDescriptor output, FileDescriptor error, pid_t pid,
                 FileDescriptor pidFd)
        : PipedWorker(*launcher.loop_, *launcher.listener_, id, std::move(output), std::move(error)),
          launcher_(&launcher),
          pid_(pid),
          pidFd_(std::move(pidFd)) {
        launcher.processes_[id] = this;
    }
    ~ForkedWorker() override {
        if (launcher_ != nullptr) {
            launcher_->processes_.erase(id());
            try {
                signalPidFd(pidFd_, SIGKILL);
            } catch (const std::exception &) {
                // The process has changed its user. It ends with the fork server.
            }
        }
    }
    ForkedWorker(const ForkedWorker &) = delete;
    ForkedWorker &operator=(const ForkedWorker &) = delete;

    pid_t pid() const override { return pid_; }
    bool signal(int signal) override { return launcher_ != nullptr && signalPidFd(pidFd_, signal); }
    void forget() noexcept override {
        launcher_ = nullptr;
        stopReading();
    }
    /** May destroy this object. */
    void ended(int status) {
        launcher_ = nullptr;
        processEnded(status);
    }

private:
    /** Null after the process has ended. */
    ForkLauncher *launcher_;
    pid_t pid_;
    FileDescriptor pidFd_;
};

ForkLauncher::ForkLauncher() = default;

ForkLauncher::~ForkLauncher() {
    watcher_.reset();
    orders_.reset();
    deaths_.reset();
    lifeline_.reset();
    if (forkServer_ > 0) {
        // No other code reaps the fork server.
        if (!waitPidFd(forkServerFd_, END_LIMIT)) {
            ::kill(forkServer_, SIGKILL);
        }
        waitFor(forkServer_);
    }
}

void ForkLauncher::prepare(std::function<void()> work) {
    requireOneThread();
    DescriptorPair orders = makeSeqPacketPair();
    DescriptorPair deaths = makeSeqPacketPair();
    DescriptorPair lifeline = makePipe();
    // Else each worker would write buffered output again.
    std::fflush(nullptr);
    const pid_t self = ::getpid();
    forkServer_ = ::fork();
    throwUnless(forkServer_ >= 0, "fork");
    if (forkServer_ == 0) {
        orders.first.reset();
        deaths.first.reset();
        lifeline.second.reset();
        ForkServer::run({std::move(orders.second), std::move(deaths.second), std::move(lifeline.first)}, work, self);
    }
    forkServerFd_ = openPidFd(forkServer_);
    orders_ = std::move(orders.first);
    deaths_ = std::move(deaths.first);
    lifeline_ = std::move(lifeline.second);
}

void ForkLauncher::attach(EventLoop &loop, WorkerListener &listener) {
    WorkerLauncher::attach(loop, listener);
    watcher_ = std::make_unique<DescriptorWatcher>(loop, deaths_.get(), DescriptorWatcher::READABLE,
                                                   [this](int) { readDeath(); });
}

std::unique_ptr<WorkerProcess> ForkLauncher::launch(WorkerId id) {
    DescriptorPair output = makePipe();
    DescriptorPair error = makePipe();
    const ForkServer::Order order{id.value()};
    const int attached[] = {output.second.get(), error.second.get()};
    const auto deadline = deadlineIn(BIRTH_LIMIT);
    sendWithDescriptors(orders_, {reinterpret_cast<const char *>(&order), sizeof order}, attached, MSG_DONTWAIT);
    for (;;) {
        if (!pollUntil(orders_.get(), POLLIN, deadline)) {
            throw SystemException("Waiting for the fork server", ETIMEDOUT);
        }
        ForkServer::Birth birth{};
        Received received = receiveWithDescriptors(orders_, std::span(reinterpret_cast<char *>(&birth), sizeof birth));
        if (received.size != sizeof birth) {
            throw SystemException("Waiting for the fork server", ECONNRESET);
        }
        if (birth.id == id.value() && birth.error != 0) {
            throw SystemException("fork", birth.error);
        }
        if (received.descriptors.empty()) {
            if (birth.id == id.value()) {
                // The worker ends by itself, since its output has no reader.
                throw SystemException("Receiving a worker", EMFILE);
            }
            continue;
        }
        if (birth.id == id.value()) {
            return std::make_unique<ForkedWorker>(*this, id, std::move(output.first), std::move(error.first), birth.pid,
                                                  std::move(received.descriptors[0]));
        }
        // The worker belongs to an order that timed out.
        signalPidFd(received.descriptors[0], SIGKILL);
    }
}

void ForkLauncher::readDeath() {
    ForkServer::Death death{};
    const Received received =
        receiveWithDescriptors(deaths_, std::span(reinterpret_cast<char *>(&death), sizeof death));
    if (received.size != sizeof death) {
        forkServerEnded();
        return;
    }
    if (const auto found = processes_.find(WorkerId(death.id)); found != processes_.end()) {
        ForkedWorker *const process = found->second;
        processes_.erase(found);
        process->ended(death.status);
    }
}

void ForkLauncher::forkServerEnded() {
    watcher_.reset();
    waitPidFd(forkServerFd_, END_LIMIT);
    ::kill(forkServer_, SIGKILL);
    const int status = waitFor(std::exchange(forkServer_, 0));
    listener_->launcherEnded("The fork server " + describeEnd(status) +
                             ", and all workers ended with it; start this program again");
    while (!processes_.empty()) {
        ForkedWorker *const process = processes_.begin()->second;
        processes_.erase(processes_.begin());
        try {
            process->signal(SIGKILL);
        } catch (const std::exception &) {
            // The kernel kills the worker, since its parent has ended.
        }
        process->ended(UNKNOWN_WAIT_STATUS);
    }
}

}  // namespace Passenger
