#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "io/Frame.h"
#include "loop/Thread.h"
#include "pool/DescriptorStore.h"

namespace Passenger {

/**
 * Sends frames from a pool process to its watchdog, above all descriptors that must outlive the
 * pool process.
 *
 * Owned by PoolProcess. Thread-safe. Only flush() waits, so the event loop may call the other
 * methods. Bytes that the socket takes during the call are safe: the watchdog gets them even if
 * this process is killed then. Further bytes wait in a queue, which a thread sends. Frames arrive
 * in the order of the calls. If the watchdog has ended, all frames are dropped, since this process
 * ends, too.
 */
class DescriptorStoreClient final : public DescriptorStore {
public:
    /** The most frames that wait. Further ones are lost, which is logged: they are only needed
     *  after a crash. */
    static constexpr std::size_t MAX_WAITING = 65536;

    /**
     * @param socket the caller's, outlives this object. The caller may receive on it
     *
     * @throws boost::thread_resource_error
     */
    explicit DescriptorStoreClient(const FileDescriptor &socket);
    ~DescriptorStoreClient() override;
    DescriptorStoreClient(const DescriptorStoreClient &) = delete;
    DescriptorStoreClient &operator=(const DescriptorStoreClient &) = delete;

    /** @throws ProtocolException (more than MAX_DESCRIPTORS, or the frame is too long) */
    void put(const std::string &key, const std::string &note, const std::vector<int> &descriptors) override
        EXCLUDES(mutex_);
    void remove(const std::string &key) override EXCLUDES(mutex_);
    /** Sends a frame without descriptors. */
    void send(const Frame &frame) EXCLUDES(mutex_);
    /** Waits until all frames are sent. @return false: not within `timeout`, or the watchdog has
     *  ended */
    bool flush(std::chrono::milliseconds timeout) EXCLUDES(mutex_);

private:
    struct Waiting {
        std::string_view left() const { return std::string_view(bytes).substr(sent); }

        std::string bytes;
        std::size_t sent = 0;
        /** Copies, sent with the first byte. */
        std::vector<FileDescriptor> descriptors;
    };

    void send(std::string bytes, const std::vector<int> &descriptors) EXCLUDES(mutex_);
    void enqueue(std::string bytes, std::size_t sent, const std::vector<int> &descriptors) REQUIRES(mutex_);
    std::optional<std::size_t> trySend(std::string_view bytes, const std::vector<int> &descriptors) REQUIRES(mutex_);
    void sendOn() EXCLUDES(mutex_);
    bool waitForWork() EXCLUDES(mutex_);
    bool sendWaiting() EXCLUDES(mutex_);

    const FileDescriptor &socket_;
    Mutex mutex_{Locks::DESCRIPTOR_STORE_CLIENT};
    std::condition_variable changed_;
    std::deque<Waiting> waiting_ GUARDED_BY(mutex_);
    /** Frames were lost since the queue was last empty. The loss is logged once. */
    bool losing_ GUARDED_BY(mutex_) = false;
    bool broken_ GUARDED_BY(mutex_) = false;
    bool stopping_ GUARDED_BY(mutex_) = false;
    Thread sender_;
};

}  // namespace Passenger
