#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/FileDescriptor.h"
#include "bridge/Handover.h"

namespace Passenger::Bridge {

/**
 * The Group's queue and the instance's own queue, or that for requests of high priority, as an
 * event loop watches them. With the Group's queue alone, the kernel wakes one of the instances that
 * wait. With two queues it wakes all: one alone may take a message of the other queue. Owned by the
 * Intake.
 */
class QueueWatch {
public:
    /** The origin of an event of the loop. */
    enum class Source : std::uint8_t { COMMON, OWN, TIMER };
    static constexpr std::size_t SOURCES = 3;
    using Ready = std::array<bool, SOURCES>;

    /** @param firstKey data of the events of COMMON; those of the other sources follow */
    QueueWatch(const FileDescriptor &epoll, std::uint64_t firstKey) : epoll_(epoll), firstKey_(firstKey) {}

    void use(HandoverPtr handover);
    /**
     * Whether messages are to be taken. After events take() comes first: no other instance may have
     * been woken for the message.
     */
    void watch(bool wanted);
    /** The kernel watches no more descriptors. The loop calls take() and watch() again soon. */
    bool isMissing() const noexcept { return missing_; }
    /**
     * After events, or while a queue is not watched. Takes a message, if there is one: of the own
     * queue, or after four of it in a row of the Group's queue, so that none waits for ever.
     * @param busy requests that this instance works at
     * @param buffer empty: no message can be taken
     * @return its size, or 0
     * @throws SystemException
     */
    std::size_t take(const Ready &ready, std::span<char> buffer, std::size_t busy);
    /** The Group's queue has ended, and all of its messages are taken. */
    bool atEnd() const noexcept { return atEnd_; }

private:
    bool hasOwn() const noexcept { return handover_ && handover_->own; }
    void setWatched(bool &watched, bool wanted, const FileDescriptor *queue, std::uint32_t events, Source source);
    std::size_t takeCommon(std::span<char> buffer);
    std::size_t takeOwn(std::span<char> buffer);
    std::size_t receive(const FileDescriptor &queue, std::span<char> buffer, bool &ended) const;
    void endYield();
    bool yield(std::size_t busy);

    const FileDescriptor &epoll_;
    const std::uint64_t firstKey_;
    HandoverPtr handover_;
    FileDescriptor timer_;
    bool commonWatched_ = false;
    bool ownWatched_ = false;
    bool missing_ = false;
    bool atEnd_ = false;
    bool ownEnded_ = false;
    /** Other instances may take a message until the timer's event. */
    bool yielding_ = false;
    /** The timer's event has come. */
    bool hasYielded_ = false;
    /** Messages of the own queue, since the last one of the Group's queue. */
    unsigned inARow_ = 0;
};

}  // namespace Passenger::Bridge
