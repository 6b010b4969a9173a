#pragma once

#include <cstdint>

namespace Passenger {

/** Which of its application's queues a request goes to: with PassengerStickySessions that of an
 *  instance, with PassengerPriorityQueue perhaps the one of high priority. A plain value. */
class QueueChoice {
public:
    /** The application's queue, which all instances read. */
    constexpr QueueChoice() noexcept = default;
    /** With sticky sessions: that of this instance, while it lives. @param stickyId as
     *  Process::stickyId(); 0: the application's queue */
    static constexpr QueueChoice ofInstance(std::uint32_t stickyId) noexcept { return QueueChoice(stickyId); }
    /** With a priority queue, and without sticky sessions: the one for requests of high priority,
     *  which all instances read first. */
    static constexpr QueueChoice ofHighPriority() noexcept { return QueueChoice(HIGH_PRIORITY); }

    /** The highest sticky id. Clients can name an instance, and no other queue. */
    static constexpr std::uint32_t LAST_INSTANCE = UINT32_MAX - 1;

    constexpr bool isCommon() const noexcept { return number_ == 0; }
    constexpr bool isInstance() const noexcept { return !isCommon() && number_ <= LAST_INSTANCE; }
    /** The form in frames. With sticky sessions the instance's sticky id. */
    constexpr std::uint32_t number() const noexcept { return number_; }

private:
    static constexpr std::uint32_t HIGH_PRIORITY = LAST_INSTANCE + 1;

    explicit constexpr QueueChoice(std::uint32_t number) noexcept : number_(number) {}

    std::uint32_t number_ = 0;
};

}  // namespace Passenger
