#pragma once

#include <optional>
#include <string>

#include "exchange/Options.h"
#include "pool/InstanceLink.h"

namespace Passenger {

/**
 * Asks an instance where its threads are, and keeps its answer.
 *
 * Owned by its Process; guarded by the pool's lock.
 */
class Backtraces {
public:
    /** @param link may be made later, and end before: neither this nor the destructor uses it */
    explicit Backtraces(InstanceLink &link) : link_(link) {}

    /** Asks the instance. Its answer is in last(). */
    void ask();
    /** The instance has sent its backtraces. Ignored unless it was asked. */
    void answered(const std::string &text);
    /** The answer to the last question; nothing: there is none yet. */
    const std::optional<std::string> &last() const noexcept { return last_; }
    /** Tells the instance to write them into the log. A bridge ignores the order. */
    void log();
    /** Tells an instance that hangs the same: Node by a frame, others by a signal, which a bridge
     *  ignores. @param options of the application */
    void logHung(const Options &options);

private:
    InstanceLink &link_;
    bool asked_ = false;
    std::optional<std::string> last_;
};

}  // namespace Passenger
