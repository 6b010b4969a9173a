#include "base/DescriptorCloser.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <new>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>

#include "base/Mutex.h"

namespace Passenger {

namespace {

std::atomic<DescriptorCloser *> used{nullptr};

/** The close of a TCP connection does not wait then; the kernel sends the rest. A reset instead
 *  (SO_LINGER with zero seconds) would cut off what an application has sent to a WebSocket's
 *  client and closed in order. */
void doNotLinger(int fd) noexcept {
    const linger off{0, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

}  // namespace

struct DescriptorCloser::State {
    struct Sender {
        struct Entry {
            int fd = -1;
            Before before = Before::NOTHING;
            std::chrono::steady_clock::time_point since{};
        };

        std::size_t most = 0;
        std::deque<Entry> waiting{};
        /** The threads in a close. */
        std::size_t closing = 0;

        std::size_t free() const noexcept {
            return std::min(waiting.size(), most - closing);
        }
    };
    struct Task {
        DescriptorSender sender;
        int fd = -1;
        Before before = Before::NOTHING;
    };

    mutable Mutex mutex{Locks::DESCRIPTOR_CLOSER};
    std::condition_variable changed;
    /** The descriptors of all senders that are not closed yet. */
    std::atomic<std::size_t> pending{0};
    /** The senders with descriptors that are not closed yet. */
    std::map<DescriptorSender, Sender> senders GUARDED_BY(mutex);
    /** The sender that had the last turn. */
    DescriptorSender last GUARDED_BY(mutex);
    std::size_t threads GUARDED_BY(mutex) = 0;
    /** The threads that are not in a close, also threads that begin. */
    std::size_t idle GUARDED_BY(mutex) = 0;
    bool ending GUARDED_BY(mutex) = false;

    /** Descriptors that a thread may take now. */
    std::size_t free() const noexcept REQUIRES(mutex) {
        return std::transform_reduce(senders.begin(), senders.end(), std::size_t{0}, std::plus<>(),
                                     [](const auto &entry) { return entry.second.free(); });
    }

    /** The senders take turns. Nothing: none has a descriptor that may be closed now. */
    std::optional<Task> takeTurn() noexcept REQUIRES(mutex) {
        auto next = senders.upper_bound(last);
        for (std::size_t looked = 0; looked < senders.size(); looked++, ++next) {
            next = next == senders.end() ? senders.begin() : next;
            if (Sender &its = next->second; its.free() > 0) {
                const Task task{next->first, its.waiting.front().fd, its.waiting.front().before};
                its.waiting.pop_front();
                its.closing++;
                idle--;
                last = task.sender;
                return task;
            }
        }
        return std::nullopt;
    }

    /** For an idle thread: waits. Nothing: the thread is to end. */
    std::optional<Task> next() EXCLUDES(mutex) {
        LockGuard guard(mutex);
        for (;;) {
            if (const std::optional<Task> task = takeTurn()) {
                return task;
            }
            if (ending) {
                threads--;
                idle--;
                return std::nullopt;
            }
            guard.wait(changed);
        }
    }

    void done(DescriptorSender sender) noexcept EXCLUDES(mutex) {
        const LockGuard guard(mutex);
        const auto its = senders.find(sender);
        pending--;
        idle++;
        its->second.closing--;
        if (its->second.closing == 0 && its->second.waiting.empty()) {
            senders.erase(its);
        }
    }

    /** Signals are for other threads. @throws std::system_error */
    static void startThread(std::shared_ptr<State> state) {
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            std::thread([state = std::move(state)] {
                pthread_setname_np(pthread_self(), "closer");
                while (const std::optional<Task> task = state->next()) {
                    closeNow(task->fd, task->before);
                    state->done(task->sender);
                }
            }).detach();
        } catch (...) {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            throw;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    /** If all threads are in a close, and a descriptor may be closed now. */
    static void startThreadIfNeeded(const std::shared_ptr<State> &state) noexcept REQUIRES(state->mutex) {
        if (state->idle >= state->free() || state->threads >= MAX_THREADS) {
            return;
        }
        try {
            startThread(state);
            state->threads++;
            state->idle++;
        } catch (const std::exception &) {
            // The threads that there are close it, or one that a later call starts.
        }
    }

    static void closeNow(int fd, Before before) noexcept {
        if (before == Before::EMPTY) {
            // On a failure the bytes stay until the last descriptor is closed.
            [[maybe_unused]] const int failure = ::ftruncate(fd, 0);
        } else {
            doNotLinger(fd);
        }
        ::close(fd);
    }
};

DescriptorCloser::DescriptorCloser() : state_(std::make_shared<State>()) {}

DescriptorCloser::~DescriptorCloser() {
    const LockGuard guard(state_->mutex);
    state_->ending = true;
    state_->changed.notify_all();
}

void DescriptorCloser::close(int fd, DescriptorSender sender) noexcept {
    add(fd, sender, Before::NOTHING);
}

void DescriptorCloser::emptyAndClose(int fd, DescriptorSender sender) noexcept {
    if (DescriptorCloser *const closer = inUse()) {
        closer->add(fd, sender, Before::EMPTY);
    } else {
        State::closeNow(fd, Before::EMPTY);
    }
}

void DescriptorCloser::add(int fd, DescriptorSender sender, Before before) noexcept {
    const LockGuard guard(state_->mutex);
    try {
        const std::size_t most = sender == ANY_SENDER ? MAX_THREADS_OF_ANY : MAX_THREADS_OF_SENDER;
        state_->senders.try_emplace(sender, State::Sender{most})
            .first->second.waiting.push_back({fd, before, std::chrono::steady_clock::now()});
    } catch (const std::bad_alloc &) {
        // Better a wait than a descriptor that stays open.
        State::closeNow(fd, before);
        return;
    }
    state_->pending++;
    state_->changed.notify_one();
    State::startThreadIfNeeded(state_);
}

std::size_t DescriptorCloser::heldUp(DescriptorSender sender) const noexcept {
    if (state_->pending == 0) {
        return 0;
    }
    const LockGuard guard(state_->mutex);
    const auto its = state_->senders.find(sender);
    if (its == state_->senders.end() || its->second.waiting.empty()) {
        return 0;
    }
    const auto waits = std::chrono::steady_clock::now() - its->second.waiting.front().since;
    if (waits < SOON && its->second.waiting.size() < MANY) {
        return 0;
    }
    State::startThreadIfNeeded(state_);
    return its->second.waiting.size() + its->second.closing;
}

std::size_t DescriptorCloser::threads() const {
    const LockGuard guard(state_->mutex);
    return state_->threads;
}

void DescriptorCloser::use(DescriptorCloser *closer) noexcept {
    used = closer;
}

DescriptorCloser *DescriptorCloser::inUse() noexcept {
    return used;
}

}  // namespace Passenger
