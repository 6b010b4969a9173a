#include "bridge/QueueWatch.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "bridge/EventLog.h"
#include "io/RequestQueue.h"

namespace Passenger::Bridge {

namespace {

/** Messages of the own queue, before the Group's queue has its turn. */
constexpr unsigned MOST_IN_A_ROW = 4;

/**
 * A read of no bytes is the end of the queue, or a message without bytes. After the end there is
 * never another message.
 */
bool hasEnded(const FileDescriptor &queue) {
    char byte = 0;
    return RequestQueue::closed(queue.get()) && recv(queue.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

}  // namespace

void QueueWatch::use(HandoverPtr handover) {
    watch(false);
    handover_ = std::move(handover);
    atEnd_ = ownEnded_ = yielding_ = hasYielded_ = false;
    inARow_ = 0;
}

void QueueWatch::watch(bool wanted) {
    wanted = wanted && handover_ && !atEnd_;
    missing_ = false;
    setWatched(commonWatched_, wanted && !yielding_, handover_ ? &handover_->queue : nullptr,
               hasOwn() ? EPOLLIN : EPOLLIN | EPOLLEXCLUSIVE, Source::COMMON);
    setWatched(ownWatched_, wanted && hasOwn() && !ownEnded_, handover_ ? &handover_->own : nullptr, EPOLLIN,
               Source::OWN);
}

/** Other processes have the queue, too, so its close would not end the watching. */
void QueueWatch::setWatched(bool &watched, bool wanted, const FileDescriptor *queue, std::uint32_t events,
                            Source source) {
    if (watched == wanted) {
        return;
    }
    epoll_event event{events, {.u64 = firstKey_ + static_cast<std::uint64_t>(source)}};
    if (epoll_ctl(epoll_.get(), wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, queue->get(), &event) != 0) {
        EventLog::complain("queue.not_watched", fmt::format("reason=\"{}\"", strerror(errno)));
        missing_ = true;
        return;
    }
    watched = wanted;
}

std::size_t QueueWatch::take(const Ready &ready, std::span<char> buffer, std::size_t busy) {
    if (ready[static_cast<std::size_t>(Source::TIMER)]) {
        endYield();
    }
    const auto isReady = [&](Source source) { return missing_ || ready[static_cast<std::size_t>(source)]; };
    if (buffer.empty()) {
        return 0;
    }
    const bool turn = inARow_ >= MOST_IN_A_ROW;
    std::size_t size = turn && isReady(Source::COMMON) ? takeCommon(buffer) : 0;
    if (size == 0 && isReady(Source::OWN)) {
        size = takeOwn(buffer);
    }
    if (size == 0 && !turn && isReady(Source::COMMON)) {
        const bool yields = hasOwn() && busy > 0 && !std::exchange(hasYielded_, false) && yield(busy);
        size = yields ? 0 : takeCommon(buffer);
    }
    return size;
}

std::size_t QueueWatch::takeCommon(std::span<char> buffer) {
    const std::size_t size = receive(handover_->queue, buffer, atEnd_);
    if (size > 0) {
        inARow_ = 0;
    }
    return size;
}

std::size_t QueueWatch::takeOwn(std::span<char> buffer) {
    const std::size_t size = hasOwn() ? receive(handover_->own, buffer, ownEnded_) : 0;
    if (size > 0) {
        inARow_++;
    }
    return size;
}

std::size_t QueueWatch::receive(const FileDescriptor &queue, std::span<char> buffer, bool &ended) const {
    const ssize_t size = recv(queue.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno != EAGAIN && errno != EINTR) {
        throw SystemException("recv() on the request queue", errno);
    }
    if (size == 0) {
        ended = hasEnded(queue);
    }
    return size > 0 ? static_cast<std::size_t>(size) : 0;
}

void QueueWatch::endYield() {
    std::uint64_t ignored = 0;
    hasYielded_ = read(timer_.get(), &ignored, sizeof(ignored)) > 0 && yielding_;
    yielding_ = false;
}

/** The less an instance has to do, the sooner it takes a message of the Group's queue: a client of
 *  sticky sessions stays with its instance. @return false: there is no timer now */
bool QueueWatch::yield(std::size_t busy) {
    constexpr std::chrono::microseconds EACH{20};
    constexpr std::chrono::microseconds LONGEST{500};
    if (!timer_) {
        timer_ = FileDescriptor(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
        epoll_event event{EPOLLIN, {.u64 = firstKey_ + static_cast<std::uint64_t>(Source::TIMER)}};
        if (!timer_ || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) != 0) {
            timer_.reset();
            return false;
        }
    }
    const std::chrono::nanoseconds time = std::min(EACH * static_cast<std::int64_t>(busy), LONGEST);
    const itimerspec once{{0, 0}, {0, static_cast<long>(time.count())}};
    yielding_ = timerfd_settime(timer_.get(), 0, &once, nullptr) == 0;
    return yielding_;
}

}  // namespace Passenger::Bridge
