#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/FileDescriptor.h"
#include "bridge/Handover.h"

namespace Passenger::Bridge {

/**
 * The Group's queue and, for sticky sessions, the instance's own queue, as an event loop watches
 * them. The kernel wakes one of the instances that wait for the Group's queue. Owned by the Intake,
 * for its thread.
 */
class QueueWatch {
public:
    /** What an event of the loop is about. */
    enum class Source : std::uint8_t { COMMON, OWN, TIMER };
    static constexpr std::size_t SOURCES = 3;

    /** @param firstKey data of the events of COMMON; those of the other sources follow */
    QueueWatch(const FileDescriptor &epoll, std::uint64_t firstKey) : epoll_(epoll), firstKey_(firstKey) {}

    /** Another handover, which has no queue of the instance's own yet. */
    void use(HandoverPtr handover);
    void useOwn(std::shared_ptr<const FileDescriptor> own);
    /**
     * Whether messages are to be taken. After an event of a queue take() comes first: no other
     * instance was woken for the message. @throws SystemException
     */
    void watch(bool wanted);
    /**
     * After an event. Takes a message, if there is one.
     * @param busy requests that this instance works at
     * @return its size, or 0
     * @throws SystemException
     */
    std::size_t take(Source source, std::span<char> buffer, std::size_t busy);
    /** The Group's queue has ended, and all of its messages are taken. */
    bool atEnd() const noexcept {
        return atEnd_;
    }

private:
    void setWatched(bool &watched, bool wanted, const FileDescriptor *queue, std::uint32_t events, Source source) const;
    std::size_t receive(const FileDescriptor &queue, std::span<char> buffer, bool &ended) const;
    void yield(std::size_t busy);

    const FileDescriptor &epoll_;
    const std::uint64_t firstKey_;
    HandoverPtr handover_;
    std::shared_ptr<const FileDescriptor> own_;
    FileDescriptor timer_;
    bool commonWatched_ = false;
    bool ownWatched_ = false;
    bool atEnd_ = false;
    bool ownEnded_ = false;
    /** Other instances may take a message until the timer's event. */
    bool yielding_ = false;
    /** The timer's event has come. */
    bool hasYielded_ = false;
};

}  // namespace Passenger::Bridge
