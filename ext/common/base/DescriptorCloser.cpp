#include "base/DescriptorCloser.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

namespace Passenger {

namespace {

std::atomic<DescriptorCloser *> used{nullptr};

/** The close of a TCP connection does not wait then; the kernel sends the rest. A reset instead
 *  (SO_LINGER with zero seconds) would cut off what an application has sent to a WebSocket's
 *  client and closed in order. */
void doNotLinger(int fd) noexcept {
    const linger off{0, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

void closeNow(int fd, DescriptorCloser::Before before) noexcept {
    if (before != nullptr) {
        before(fd);
    }
    doNotLinger(fd);
    ::close(fd);
}

}  // namespace

DescriptorCloser::DescriptorCloser() : threads_("closer", MAX_THREADS) {}

void DescriptorCloser::close(int fd, DescriptorSender sender, Before before) noexcept {
    const std::size_t most = sender == ANY_SENDER ? MAX_THREADS_OF_ANY : MAX_THREADS_OF_SENDER;
    const bool runs = threads_.run(sender.value(), most, [fd, before] { closeNow(fd, before); });
    if (!runs) {
        // Better a wait than a descriptor that stays open.
        ::close(fd);
    }
}

void DescriptorCloser::closeAfter(Before before, int fd, DescriptorSender sender) noexcept {
    if (DescriptorCloser *const closer = inUse()) {
        closer->close(fd, sender, before);
    } else {
        closeNow(fd, before);
    }
}

std::size_t DescriptorCloser::heldUp(DescriptorSender sender, std::size_t many) const noexcept {
    return threads_.heldUp(sender.value(), many);
}

std::size_t DescriptorCloser::threads() const {
    return threads_.threads();
}

void DescriptorCloser::use(DescriptorCloser *closer) noexcept {
    used = closer;
}

DescriptorCloser *DescriptorCloser::inUse() noexcept {
    return used;
}

}  // namespace Passenger
