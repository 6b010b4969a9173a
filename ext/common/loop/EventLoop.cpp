#include "loop/EventLoop.h"

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <utility>

#include "base/Exceptions.h"
#include "base/SignalsBlocked.h"
#include "log/Log.h"
#include "loop/EventLoopImplementation.h"

namespace Passenger {

namespace {

thread_local bool thisThreadIsALoops = false;

}  // namespace

EventLoopRole EventLoop::role;

EventLoop::Implementation::Implementation() : loop(::ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV)) {
    if (loop == nullptr) {
        throw SystemException("ev_loop_new", errno != 0 ? errno : ENOMEM);
    }
    ev_async_init(&wakeUp_, &Implementation::wakeUpArrived);
    wakeUp_.data = this;
    ::ev_async_start(loop, &wakeUp_);
}

EventLoop::Implementation::~Implementation() {
    stop();
    ::ev_async_stop(loop, &wakeUp_);
    ::ev_loop_destroy(loop);
}

void EventLoop::Implementation::start() {
    // The main thread handles all signals, so no handler interrupts the loop.
    const SignalsBlocked inherited;
    const LockGuard guard(joinMutex);
    thread_ = Thread("event loop", [this] { run(); });
}

void EventLoop::Implementation::run() noexcept {
    threadId = std::this_thread::get_id();
    thisThreadIsALoops = true;
    ::ev_run(loop, 0);
}

bool EventLoop::Implementation::post(Callback callback) {
    LockGuard guard(mutex);
    if (stopping_) {
        return false;
    }
    posted_.push_back(std::move(callback));
    if (posted_.size() == 1) {
        ::ev_async_send(loop, &wakeUp_);
    }
    return true;
}

bool EventLoop::Implementation::runSync(const Callback &callback) {
    if (onLoopThread()) {
        callback();
        return true;
    }
    LockOrder::assertNoneHeld("an event loop is waited for");
    Mutex waiter{Locks::WAITER};
    std::condition_variable finished;
    bool done = false;
    std::exception_ptr thrown;
    const bool accepted = post([&] {
        try {
            callback();
        } catch (...) {
            thrown = std::current_exception();
        }
        // The lock is held for the notification: the waiter must not destroy the condition before
        // notify_one() returns.
        LockGuard guard(waiter);
        done = true;
        finished.notify_one();
    });
    if (!accepted) {
        return false;
    }
    {
        LockGuard guard(waiter);
        while (!done) {
            guard.wait(finished);
        }
    }
    if (thrown) {
        std::rethrow_exception(thrown);
    }
    return true;
}

void EventLoop::Implementation::stop() {
    {
        LockGuard guard(mutex);
        stopping_ = true;
        ::ev_async_send(loop, &wakeUp_);
    }
    LockGuard guard(joinMutex);
    if (thread_.joinable()) {
        thread_.join();
    }
}

void EventLoop::Implementation::wakeUpArrived(struct ev_loop *, ev_async *watcher, int) noexcept {
    static_cast<Implementation *>(watcher->data)->runPosted();
}

/**
 * Runs one batch. Callbacks that the batch posts run in the next batch, so that descriptors are
 * served in between.
 */
void EventLoop::Implementation::runPosted() noexcept {
    std::deque<Callback> batch;
    bool last;
    {
        LockGuard guard(mutex);
        batch.swap(posted_);
        last = stopping_;
    }
    while (!batch.empty()) {
        // Each callback is destroyed before the next one runs. A caller that waits for the next one
        // may rely on that.
        const Callback callback = std::move(batch.front());
        batch.pop_front();
        callback();
    }
    if (last) {
        ::ev_break(loop, EVBREAK_ALL);
    }
}

EventLoop::EventLoop() : implementation_(std::make_shared<Implementation>()) {
    implementation_->start();
}

EventLoop::~EventLoop() {
    stop();
}

void EventLoop::post(Callback callback) {
    implementation_->post(std::move(callback));
}

void EventLoop::runSync(const Callback &callback) {
    if (!implementation_->runSync(callback)) {
        throw std::logic_error("EventLoop::runSync() after stop()");
    }
}

void EventLoop::stop() {
    if (onLoopThread()) {
        // The loop's thread would wait for itself.
        std::abort();
    }
    implementation_->stop();
}

bool EventLoop::onLoopThread() const noexcept {
    return implementation_->onLoopThread();
}

void EventLoop::assertNotOnAnyLoop(const char *what) {
    if (thisThreadIsALoops) {
        Log::log(LogLevel::CRIT, "event=pool.misuse error=\"{} on the thread of an event loop, for which it waits\"",
                 what);
        std::abort();
    }
}

void EventLoop::assertOnLoop() const {
    if (!onLoopThread()) {
        std::abort();
    }
}

}  // namespace Passenger
