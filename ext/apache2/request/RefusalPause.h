#pragma once

#include <atomic>
#include <chrono>

namespace Passenger {

/**
 * The pause of a request that finds its application's queue full: the request waits, then tries
 * once more. A refusal costs httpd more than a response (it closes the connection), and many
 * clients come again at once. Without the pause, an overload leaves little processor time to the
 * requests in the queue.
 *
 * At most half of a child's threads pause at a time; further requests are refused at once.
 * Thread-safe, one for each child.
 */
class RefusalPause {
public:
    /** Most refusals are to come within 20 ms, also where the processors are busy. */
    static constexpr std::chrono::milliseconds LENGTH{5};

    enum class Outcome { TRY_AGAIN, REFUSE, CLIENT_LEFT };

    /** @param threads the child's number of threads */
    explicit RefusalPause(unsigned threads) noexcept : most_(threads / 2) {}

    /** @param clientSocket -1: no socket to watch */
    Outcome take(int clientSocket) noexcept;

private:
    const unsigned most_;
    std::atomic<unsigned> pausing_{0};
};

}  // namespace Passenger
