#include "base/DescriptorSender.h"

#include <atomic>

namespace Passenger {

namespace {

std::atomic<std::uint32_t> last{ANY_SENDER.value()};

}  // namespace

DescriptorSender newDescriptorSender() noexcept {
    for (;;) {
        const DescriptorSender sender(++last);
        if (sender > ANY_SENDER) {
            return sender;
        }
    }
}

}  // namespace Passenger
