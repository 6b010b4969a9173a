#include "bridge/Intake.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "base/Exceptions.h"
#include "io/RequestQueue.h"

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;

constexpr int WAKE_SIGNAL = SIGUSR2;
/** A worker that was about to sleep at the first signal needs another one. */
constexpr auto WAKE_PAUSE = 1ms;

/**
 * A read of no bytes is the end of the queue, or a message without bytes. After the end there is
 * never another message.
 */
bool ended(const FileDescriptor &queue) {
    char byte = 0;
    return RequestQueue::closed(queue.get()) && recv(queue.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

}  // namespace

void Intake::prepareProcess() {
    struct sigaction action {};
    // Without SA_RESTART, so that a blocked recv() ends with EINTR.
    action.sa_handler = [](int) {};
    sigaction(WAKE_SIGNAL, &action, nullptr);
}

Intake::Intake(HandoverPtr handover, std::function<void()> idle, Start start, std::function<void()> unstarted)
    : mostWorkers_(handover->threads),
      tellIdle_(std::move(idle)),
      start_(std::move(start)),
      unstarted_(std::move(unstarted)),
      open_(!handover->paused),
      handover_(std::move(handover)),
      own_(handover_->own) {}

void Intake::begin() {
    const auto first = std::min<std::uint32_t>(SPARE, mostWorkers_);
    {
        const LockGuard lock(mutex_);
        nextWorker_ = first;
    }
    readers_ = static_cast<int>(first);
    for (std::uint32_t index = 0; index < first; index++) {
        startOne(index);
    }
    const LockGuard lock(mutex_);
    if (failed_.size() == first) {
        throw SystemException("a thread for requests", EAGAIN);
    }
}

std::optional<std::size_t> Intake::take(Seat &seat, std::span<char> buffer) {
    if (std::exchange(seat.busy, false)) {
        busy_--;
    }
    while (awaitOpen(seat)) {
        seat.reading = true;
        // After `reading` is set: either this worker sees the closing, or pause() sees it read.
        const ssize_t size = open_ ? receive(seat, buffer) : -1;
        const int error = errno;
        const bool wasOpen = open_;
        seat.reading = false;
        const bool wasLast = --readers_ == 0;
        if (size > 0) {
            seat.busy = true;
            busy_++;
            if (wasLast) {
                callAnother();
            }
            return static_cast<std::size_t>(size);
        }
        if (size == 0) {
            seat.atEnd = ended(seat.handover->queue);
        }
        if (size < 0 && wasOpen && error != EINTR && error != EAGAIN) {
            throw SystemException("recv() on the request queue", error);
        }
    }
    return std::nullopt;
}

/** Whether the worker may take requests, of the handover that it has or of the next one. */
bool Intake::available(const Seat &seat) const {
    return open_ && !(seat.atEnd && seat.handover == handover_);
}

bool Intake::mayRead(const Seat &seat) const {
    return available(seat) && (seat.called || readers_ < SPARE);
}

/** False: the intake is finished. True: the worker counts among the readers. */
bool Intake::awaitOpen(Seat &seat) {
    if (open_ && seat.handover && !seat.own && !seat.atEnd && !seat.called && readers_ < SPARE) {
        readers_++;
        return true;
    }
    LockGuard lock(mutex_);
    seat.thread = pthread_self();
    seats_.insert(&seat);
    if (!mayRead(seat)) {
        idle_++;
        parked_.push_back(&seat);
        if (!open_) {
            tellIfIdle();
        }
        while (!mayRead(seat) && !finished_) {
            lock.wait(seat.changed);
        }
        std::erase(parked_, &seat);
        idle_--;
    }
    if (finished_) {
        seats_.erase(&seat);
        return false;
    }
    readers_ += seat.called ? 0 : 1;
    seat.called = false;
    if (!seat.handover || seat.atEnd) {
        seat.handover = handover_;
        seat.atEnd = false;
    }
    if (seat.handover == handover_) {
        seat.own = own_;
    }
    return true;
}

/** The last reader has taken a message: without another one the next message would wait. */
void Intake::callAnother() {
    std::uint32_t index = 0;
    {
        const LockGuard lock(mutex_);
        if (readers_ > 0 || !open_) {
            return;
        }
        if (!parked_.empty()) {
            Seat *seat = parked_.back();
            parked_.pop_back();
            seat->called = true;
            readers_++;
            seat->changed.notify_one();
            return;
        }
        if (!failed_.empty()) {
            index = failed_.back();
            failed_.pop_back();
        } else if (nextWorker_ < mostWorkers_) {
            index = nextWorker_++;
        } else {
            return;
        }
        readers_++;
    }
    startOne(index);
}

/** A worker that cannot be started is tried again by startAgain(), and when a later one is the
 *  last reader. */
void Intake::startOne(std::uint32_t index) {
    if (!start_(index)) {
        {
            const LockGuard lock(mutex_);
            readers_--;
            failed_.push_back(index);
            if (!open_) {
                tellIfIdle();
            }
        }
        unstarted_();
    }
}

void Intake::wakeAll() {
    for (Seat *seat : seats_) {
        seat->changed.notify_one();
    }
}

/** A message of the common queue wakes the workers of all instances. The less an instance has to
 *  do, the sooner it takes the message: a client of sticky sessions stays with its instance. */
void Intake::letOthersTake() const {
    constexpr std::chrono::microseconds EACH{20};
    constexpr std::chrono::microseconds LONGEST{500};
    if (const unsigned busy = busy_; busy > 0) {
        std::this_thread::sleep_for(std::min(busy * EACH, LONGEST));
    }
}

/** Takes from the own queue first. Only the end of the common queue is an end. */
ssize_t Intake::receive(const Seat &seat, std::span<char> buffer) const {
    const int queue = seat.handover->queue.get();
    if (!seat.own) {
        return recv(queue, buffer.data(), buffer.size(), 0);
    }
    pollfd entries[2] = {{queue, POLLIN, 0}, {seat.own->get(), POLLIN, 0}};
    for (;;) {
        const ssize_t size = entries[1].fd < 0 ? -1 : recv(seat.own->get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size > 0) {
            return size;
        }
        if (size == 0 && ended(*seat.own)) {
            entries[1].fd = -1;
        }
        const ssize_t common = recv(queue, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (common >= 0 || errno != EAGAIN) {
            return common;
        }
        if (poll(entries, 2, -1) < 0) {
            return -1;
        }
        if (entries[1].revents == 0) {
            letOthersTake();
        }
    }
}

void Intake::tellIfIdle() {
    if (!finished_ && idle_ == nextWorker_ - failed_.size()) {
        tellIdle_();
    }
}

void Intake::pause() {
    {
        const LockGuard lock(mutex_);
        if (!open_) {
            return;
        }
        open_ = false;
        // All workers may be idle already: they have not noticed an earlier resume().
        tellIfIdle();
    }
    wakeReaders();
}

bool Intake::resume(FileDescriptor own) {
    const LockGuard lock(mutex_);
    if (open_ || finished_) {
        return false;
    }
    if (own) {
        own_ = std::make_shared<const FileDescriptor>(std::move(own));
    }
    open_ = true;
    wakeAll();
    return true;
}

void Intake::replace(HandoverPtr handover) {
    const LockGuard lock(mutex_);
    handover_ = std::move(handover);
    own_ = handover_->own;
    const bool wasOpen = open_.exchange(!finished_ && !handover_->paused);
    if (wasOpen && handover_->paused) {
        tellIfIdle();
    }
    wakeAll();
}

void Intake::finish() {
    {
        const LockGuard lock(mutex_);
        open_ = false;
        finished_ = true;
        wakeAll();
    }
    wakeReaders();
}

void Intake::wakeReaders() {
    for (;;) {
        std::size_t woken = 0;
        {
            const LockGuard lock(mutex_);
            for (const Seat *seat : seats_) {
                if (seat->reading) {
                    pthread_kill(seat->thread, WAKE_SIGNAL);
                    woken++;
                }
            }
        }
        if (woken == 0) {
            return;
        }
        std::this_thread::sleep_for(WAKE_PAUSE);
    }
}

}  // namespace Passenger::Bridge
