#include "base/DescriptorCloser.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <exception>
#include <new>
#include <optional>
#include <thread>
#include <utility>

#include "base/Mutex.h"

namespace Passenger {

namespace {

std::atomic<DescriptorCloser *> used{nullptr};

/** The close of a TCP connection does not wait then; the kernel sends the rest. */
void doNotLinger(int fd) noexcept {
    const linger off{0, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

}  // namespace

struct DescriptorCloser::State {
    mutable Mutex mutex{Locks::DESCRIPTOR_CLOSER};
    std::condition_variable changed;
    std::deque<int> waiting GUARDED_BY(mutex);
    std::size_t threads GUARDED_BY(mutex) = 0;
    std::size_t idle GUARDED_BY(mutex) = 0;
    bool ending GUARDED_BY(mutex) = false;

    /** Waits. Nothing: the thread is to end. */
    std::optional<int> next() EXCLUDES(mutex) {
        LockGuard guard(mutex);
        idle++;
        while (waiting.empty() && !ending) {
            guard.wait(changed);
        }
        idle--;
        if (waiting.empty()) {
            threads--;
            return std::nullopt;
        }
        const int fd = waiting.front();
        waiting.pop_front();
        return fd;
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
                while (const std::optional<int> fd = state->next()) {
                    doNotLinger(*fd);
                    ::close(*fd);
                }
            }).detach();
        } catch (...) {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            throw;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
};

DescriptorCloser::DescriptorCloser() : state_(std::make_shared<State>()) {}

DescriptorCloser::~DescriptorCloser() {
    const LockGuard guard(state_->mutex);
    state_->ending = true;
    state_->changed.notify_all();
}

void DescriptorCloser::close(int fd) noexcept {
    const LockGuard guard(state_->mutex);
    try {
        state_->waiting.push_back(fd);
    } catch (const std::bad_alloc &) {
        // Better a wait than a descriptor that stays open.
        ::close(fd);
        return;
    }
    state_->changed.notify_one();
    if (state_->idle < state_->waiting.size() && state_->threads < MAX_THREADS) {
        try {
            State::startThread(state_);
            state_->threads++;
        } catch (const std::exception &) {
            // The threads that there are close it, or one that a later call starts.
        }
    }
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
