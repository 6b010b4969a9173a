#pragma once

#include <atomic>
#include <chrono>

namespace Passenger {

/**
 * What a request does that finds its application's line full: it waits for a moment, and tries once more. Refusing costs httpd more than
 * serving (it closes the connection), and many clients come again at once. Without the pause an overload would leave little of the processor to
 * those requests that are in the line.
 *
 * At most half of a child's threads pause at a time; who comes then is refused at once. Thread-safe, one for each child.
 */
class RefusalPause {
public:
    /** How long. A refusal in 50 ms is promised. */
    static constexpr std::chrono::milliseconds LENGTH{15};

    enum class Outcome { TRY_AGAIN, REFUSE, CLIENT_LEFT };

    /** @param threads of this child */
    explicit RefusalPause(unsigned threads) noexcept : most_(threads / 2) {}

    /** @param clientSocket -1: none to look at */
    Outcome take(int clientSocket) noexcept;

private:
    const unsigned most_;
    std::atomic<unsigned> pausing_{0};
};

}  // namespace Passenger
