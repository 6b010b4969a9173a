#pragma once

#include <cstddef>

#include "base/DescriptorSender.h"
#include "base/PatientThreads.h"

namespace Passenger {

/**
 * Closes descriptors that other processes have sent or got, in threads that nobody waits for. The
 * last close of such a descriptor may wait for long. It may be a TCP connection with SO_LINGER and
 * a peer that reads nothing (socket(7)). It may be a file of a FUSE file system that does not
 * answer, or a Unix socket whose receive buffer holds such descriptors.
 *
 * A sender whose descriptors wait holds up no other sender: it has a share of the threads. Its
 * further descriptors stay open until then, so a receiver of descriptors calls heldUp() first.
 *
 * Owned by main(), or for ever. Thread-safe.
 */
class DescriptorCloser {
public:
    /** The limit of threads that wait in a close at once. */
    static constexpr std::size_t MAX_THREADS = 512;
    /** The limit of those that wait for descriptors of one sender. */
    static constexpr std::size_t MAX_THREADS_OF_SENDER = 2;
    /** The limit of those that wait for descriptors of ANY_SENDER. */
    static constexpr std::size_t MAX_THREADS_OF_ANY = 8;

    static constexpr std::size_t MANY = PatientThreads::MANY;

    /** Is called with the descriptor, and may wait. */
    using Before = void (*)(int fd) noexcept;

    /** Starts no thread before the first close(). At the end of this object no thread is waited
     *  for: the threads end when they have closed what they have. */
    DescriptorCloser();

    /** Closes the descriptor soon: when a thread is free. Never waits.
     *  @param before what the thread does before; null: nothing */
    void close(int fd, DescriptorSender sender, Before before = nullptr) noexcept;
    /** The closer in use does so, or the calling thread if there is none. */
    static void closeAfter(Before before, int fd, DescriptorSender sender) noexcept;
    /** The descriptors of a sender that are not closed yet. 0: they are fewer than `many`, and none
     *  of them has waited for a thread for PatientThreads::SOON. */
    std::size_t heldUp(DescriptorSender sender, std::size_t many = MANY) const noexcept;
    /** Whether some descriptors of a sender are not closed yet. */
    bool closes(DescriptorSender sender) const noexcept { return threads_.has(sender.value()); }
    /** The threads that there are now. */
    std::size_t threads() const;

    /**
     * Foreign descriptors of this process are closed by `closer` from now on; null: by the thread
     * that releases them, as before the first call. The closer must not end while it is in use.
     */
    static void use(DescriptorCloser *closer) noexcept;
    static DescriptorCloser *inUse() noexcept;

private:
    PatientThreads threads_;
};

}  // namespace Passenger
