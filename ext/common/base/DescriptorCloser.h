#pragma once

#include <cstddef>
#include <memory>

namespace Passenger {

/**
 * Closes descriptors that other processes have sent, in threads that nobody waits for. The last
 * close of such a descriptor may wait for long: a TCP connection with SO_LINGER and a peer that
 * reads nothing (socket(7)), a file of a FUSE file system that does not answer, or a Unix socket
 * whose receive buffer holds such descriptors.
 *
 * Owned by main(), or for ever. Thread-safe.
 */
class DescriptorCloser {
public:
    /** The limit of threads that wait in a close at once. */
    static constexpr std::size_t MAX_THREADS = 8;

    /** Starts no thread before the first close(). */
    DescriptorCloser();
    /** Does not wait: the threads end when they have closed what they have. */
    ~DescriptorCloser();
    DescriptorCloser(const DescriptorCloser &) = delete;
    DescriptorCloser &operator=(const DescriptorCloser &) = delete;

    /** Closes the descriptor soon: when a thread is free. Never waits. */
    void close(int fd) noexcept;
    /** The threads that there are now. */
    std::size_t threads() const;

    /**
     * Foreign descriptors of this process are closed by `closer` from now on; null: by the thread
     * that releases them, as before the first call. The closer must not end while it is in use.
     */
    static void use(DescriptorCloser *closer) noexcept;
    static DescriptorCloser *inUse() noexcept;

private:
    struct State;

    /** The threads share it, and may outlive this object. */
    const std::shared_ptr<State> state_;
};

}  // namespace Passenger
